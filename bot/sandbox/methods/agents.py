"""assistant.threads.* and agents.sessions.*: the signs that an agent is working."""

from bot.sandbox.backend.slack import Session, Slack, Thread
from bot.sandbox.blocks.checks import Shape, array, string
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json

SESSION_STATUSES = frozenset({"active", "processing", "suspended", "closed"})
TITLE_LIMIT = 200
# Slack's documentation says how many prompts there may be, but not how long they are.
PROMPTS = array(Shape({"title": string(1000), "message": string(4000)}), 4)
LOADING_MESSAGES = array(string(1000), 10, least=0)


def _thread(slack: Slack, arguments: Arguments) -> Thread:
    channel = slack.workspace.joined_channel(arguments.text("channel_id"))
    ts = arguments.need("thread_ts")
    if slack.workspace.find(channel.id, ts) is None:
        raise Refusal("thread_not_found")
    return channel.id, ts


def set_status(slack: Slack, arguments: Arguments) -> Json:
    """Show a status below a thread until the app posts there, at most for two minutes."""
    thread = _thread(slack, arguments)
    found = list(LOADING_MESSAGES(arguments.json("loading_messages") or [], "/loading_messages"))
    if found:
        raise Refusal("invalid_arguments", *(each.message for each in found))
    slack.statuses[thread] = (arguments.text("status") or "", slack.clock.now())
    return {}


def set_prompts(slack: Slack, arguments: Arguments) -> Json:
    """Suggest messages in a direct message with the app."""
    channel = slack.workspace.joined_channel(arguments.need("channel_id"))
    prompts = arguments.json("prompts")
    found = list(PROMPTS(prompts, "/prompts"))
    if found:
        raise Refusal("invalid_arguments", *(each.message for each in found))
    if arguments.text("thread_ts") is None:  # Slack ignores it of an app with agent_view.
        slack.prompts[channel.id] = prompts
    return {}


def set_session(slack: Slack, arguments: Arguments) -> Json:
    """Set a session's status. A title and an initiator count only while there is no session."""
    status = arguments.need("status")
    if status not in SESSION_STATUSES:
        raise Refusal("invalid_arguments", "status must be active, processing, suspended, closed")
    thread = _thread(slack, arguments)
    title, initiator = arguments.text("title"), arguments.text("initiator_user_id")
    if title is not None:
        _check_title(title)
    if initiator is not None and initiator not in slack.workspace.channels[thread[0]].members:
        raise Refusal("invalid_arguments", "initiator_user_id must be a member of the channel")
    new = Session(status, title, initiator)
    session = slack.sessions.setdefault(thread, new)
    slack.set_session(thread, status)
    answer: Json = {"status": status, "agent_status": status, "title": session.title}
    if "agent_session_stopped" not in slack.manifest.bot_events:
        answer["warning"] = "missing_agent_session_stopped_event_subscription"
    return answer


def rename(slack: Slack, arguments: Arguments) -> Json:
    title = arguments.need("title")
    _check_title(title)
    session = slack.sessions.get(_thread(slack, arguments))
    if session is None:
        raise Refusal("session_not_found")
    session.title = title
    return {"title": title}


def _check_title(title: str) -> None:
    if not 0 < len(title) <= TITLE_LIMIT:
        raise Refusal("invalid_arguments", f"title must have 1 to {TITLE_LIMIT} characters")


METHODS = {
    "agents.sessions.rename": Method(rename, scopes=("chat:write",)),
    "agents.sessions.setStatus": Method(set_session, scopes=("chat:write",)),
    "assistant.threads.setSuggestedPrompts": Method(set_prompts, scopes=("assistant:write",)),
    "assistant.threads.setStatus": Method(set_status, scopes=("chat:write", "assistant:write")),
}
