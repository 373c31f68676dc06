"""assistant.threads.* and agents.sessions.*: the signs that an agent is working."""

from bot.sandbox.backend.slack import Slack, Thread
from bot.sandbox.blocks.checks import array, string
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json

SESSION_STATUSES = frozenset({"active", "processing", "suspended", "closed"})
LOADING_MESSAGES = array(string(1000), 10, least=0)


def _thread(slack: Slack, arguments: Arguments) -> Thread:
    channel = slack.workspace.joined_channel(arguments.text("channel_id"))
    ts = arguments.need("thread_ts")
    if slack.workspace.find(channel.id, ts) is None:
        raise Refusal("thread_not_found")
    return channel.id, ts


def set_status(slack: Slack, arguments: Arguments) -> Json:
    thread = _thread(slack, arguments)
    found = list(LOADING_MESSAGES(arguments.json("loading_messages") or [], "/loading_messages"))
    if found:
        raise Refusal("invalid_arguments", *(each.message for each in found))
    slack.statuses[thread] = arguments.text("status") or ""
    return {}


def set_session(slack: Slack, arguments: Arguments) -> Json:
    status = arguments.need("status")
    if status not in SESSION_STATUSES:
        raise Refusal("invalid_arguments", "status must be active, processing, suspended, closed")
    thread = _thread(slack, arguments)
    slack.sessions[thread] = status
    answer: Json = {"status": status, "agent_status": status}
    if "agent_session_stopped" not in slack.manifest.bot_events:
        answer["warning"] = "missing_agent_session_stopped_event_subscription"
    return answer


METHODS = {
    "agents.sessions.setStatus": Method(set_session, scopes=("chat:write",)),
    "assistant.threads.setStatus": Method(set_status, scopes=("chat:write", "assistant:write")),
}
