"""chat.startStream, appendStream and stopStream: a message that grows while it is written."""

from bot.sandbox.backend.slack import Slack
from bot.sandbox.blocks.shapes import MARKDOWN_LIMIT
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.contents import checked_blocks
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json, Message

STREAM_SECONDS = 5 * 60.0
"""A stream ends this long after its start, even while it is appended to."""

CHUNKS = {"markdown_text", "task_update", "plan_update", "blocks"}


def _piece(arguments: Arguments) -> str:
    """Join the text of `markdown_text` and of the text chunks."""
    texts = [str(each.get("text", "")) for each in _chunks(arguments, "markdown_text")]
    text = (arguments.text("markdown_text") or "") + "".join(texts)
    if len(text) > MARKDOWN_LIMIT:
        raise Refusal("msg_too_long")
    return text


def _chunks(arguments: Arguments, type_: str) -> list[Json]:
    chunks = arguments.objects("chunks", error="invalid_chunks") or []
    if not {each.get("type") for each in chunks} <= CHUNKS:
        raise Refusal("invalid_chunks")
    return [each for each in chunks if each["type"] == type_]


def _blocks(slack: Slack, arguments: Arguments, standing: list[Json]) -> list[Json]:
    """Return the blocks below a stream's text: its own, then a card with the state of each task."""
    cards = {each["task_id"]: each for each in standing if each["type"] == "task_card"}
    for task in _chunks(arguments, "task_update"):
        card = {"type": "task_card", "task_id": task["id"]}
        cards[task["id"]] = card | {key: task[key] for key in ("title", "status")}
    given = [block for each in _chunks(arguments, "blocks") for block in each["blocks"]]
    checked = checked_blocks(given, "message", new_id=slack.workspace.new_id)
    kept = [each for each in standing if each["type"] != "task_card"]
    return [*kept, *checked, *cards.values()]


def start(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    thread_ts = arguments.need("thread_ts")
    if slack.workspace.find(channel.id, thread_ts) is None:
        raise Refusal("thread_not_found")
    if channel.kind != "im":
        for name in ("recipient_user_id", "recipient_team_id"):
            if not arguments.text(name):
                raise Refusal(f"missing_{name}")
    message = Message(
        channel=channel.id,
        ts=slack.clock.timestamp(),
        text=_piece(arguments),
        blocks=_blocks(slack, arguments, []),
        user=slack.workspace.bot.id,
        team=slack.workspace.team,
        thread_ts=thread_ts,
        bot=slack.workspace.bot.bot_profile(),
    )
    slack.activity.post(message)
    slack.streams[channel.id, message.ts] = slack.clock.now()
    slack.statuses.pop((channel.id, thread_ts), None)
    return {"channel": channel.id, "ts": message.ts}


def _streaming(slack: Slack, arguments: Arguments) -> Message:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    message = slack.workspace.message(channel.id, arguments.text("ts"))
    started = slack.streams.get((channel.id, message.ts))
    if started is None or slack.clock.now() - started > STREAM_SECONDS:
        raise Refusal("message_not_in_streaming_state")
    return message


def append(slack: Slack, arguments: Arguments) -> Json:
    message = _streaming(slack, arguments)
    piece = _piece(arguments)
    if not piece and not arguments.text("chunks"):
        raise Refusal("no_text")
    message.text += piece
    message.blocks = _blocks(slack, arguments, message.blocks)
    return {"channel": message.channel, "ts": message.ts}


def stop(slack: Slack, arguments: Arguments) -> Json:
    message = _streaming(slack, arguments)
    text = message.text + _piece(arguments)
    markdown = [{"type": "markdown", "text": text}] if text else []
    blocks = arguments.objects("blocks", error="invalid_blocks") or []
    blocks = checked_blocks([*markdown, *blocks], "message", new_id=slack.workspace.new_id)
    blocks = [*blocks[:1], *_blocks(slack, arguments, message.blocks), *blocks[1:]]
    metadata = arguments.json("metadata", error="invalid_metadata_format")
    slack.activity.edit(message, text=text, blocks=blocks, metadata=metadata)
    del slack.streams[message.channel, message.ts]
    shown = slack.workspace.shown(message)
    return {"channel": message.channel, "ts": message.ts, "message": shown}


METHODS = {
    "chat.appendStream": Method(append, scopes=("chat:write",)),
    "chat.startStream": Method(start, scopes=("chat:write",)),
    "chat.stopStream": Method(stop, scopes=("chat:write",)),
}
