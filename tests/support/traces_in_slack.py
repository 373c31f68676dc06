"""Ask questions in the sandbox, and read what /trace says about them."""

from collections.abc import Callable

from bot.cli.commands.transcript import block_text
from bot.sandbox import Channel, Message, Sandbox, User
from reports.render.block_kit import ALERT_ADD, DIGEST_CHANGE, RAW, SHOW
from storage import Observability
from storage.queries.lookups import message_traces
from storage.queries.traces import TraceSummary
from tests.support.conversations import eventually


def shown(messages: list[Message]) -> str:
    """Return the text of messages and of their blocks, with the values of their buttons."""
    return "\n".join(
        f"{block_text(message.blocks, names={})}\n{message.text}\n{message.blocks}"
        for message in messages
    )


def ask(sandbox: Sandbox, user: User, channel: Channel, words: str) -> str:
    """Type a command, and return what the user alone is shown."""
    messages = sandbox.command(user, channel, "/trace", words, timeout=20.0)
    assert all(message.ephemeral_to == user.id for message in messages)
    return shown(messages)


def in_modal(sandbox: Sandbox, user: User, act: Callable[[], object]) -> str:
    """Do what is answered in a modal; return its text, with the values of its buttons."""
    place = f"modal:{user.id}"
    before = sandbox._slack.views.get(place)

    def is_filled() -> bool:
        now = sandbox._slack.views.get(place)
        return now is not None and now is not before and "Looking it up" not in str(now["blocks"])

    act()
    sandbox.wait_until(is_filled, 20.0)
    blocks = sandbox.modal(user)["blocks"]
    return f"{block_text(blocks, names={})}\n{blocks}"


def asked(
    sandbox: Sandbox, observability: Observability, user: User, channel: Channel, text: str
) -> TraceSummary:
    """Ask a question and return its trace once it is answered."""
    mention = "" if channel.id.startswith("D") else sandbox.mention
    question = sandbox.post(user, channel, f"{mention} {text}")
    sandbox.wait_for_reply(channel, question.ts, containing=text)
    sandbox.wait_for_reaction(channel, question.ts, "white_check_mark")
    found: list[TraceSummary] = []

    def is_stored() -> bool:
        observability.flush()
        traces = message_traces(observability.database, channel=channel.id, message_ts=question.ts)
        found[:] = [trace for trace in traces if trace.status == "ok"]
        return bool(found)

    eventually(is_stored)
    return found[0]


def press(sandbox: Sandbox, user: User, message: Message, action_id: str, value: str) -> str:
    """Press a button whose action id and value are forged; return the answer."""
    live = next(m for m in sandbox._workspace.ephemerals if m.ts == message.ts)
    button = {"type": "button", "action_id": action_id, "value": value, "text": {"text": "x"}}
    live.blocks.append({"type": "actions", "block_id": f"forged{action_id}", "elements": [button]})
    try:
        if action_id.startswith((SHOW, RAW, DIGEST_CHANGE, ALERT_ADD)):
            return in_modal(sandbox, user, lambda: sandbox.click(user, message, action_id))
        return shown(sandbox.click(user, message, action_id, responses=1, timeout=1.5))
    finally:
        live.blocks.pop()
