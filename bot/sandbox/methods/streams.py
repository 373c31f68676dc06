"""chat.startStream, appendStream and stopStream: a message that grows while it is written."""

from collections.abc import Iterator

from bot.sandbox.backend.slack import Slack, Stream
from bot.sandbox.blocks.shapes import MARKDOWN_LIMIT
from bot.sandbox.methods.agents import SESSION_STATUSES
from bot.sandbox.methods.method import Method
from bot.sandbox.methods.place import thread_of, writable
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.contents import checked_blocks, checked_metadata
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json, Message

STREAM_SECONDS = 5 * 60.0
"""A stream ends this long after its start, even while it is appended to."""

CHUNKS = {"markdown_text", "task_update", "plan_update", "blocks"}
MODES = {"timeline", "plan"}
PLAN_TITLE = "Plan"
"""The title of a plan until a `plan_update` chunk names it; Slack's own is not published."""


def _chunks(arguments: Arguments) -> Iterator[Json]:
    """Yield what is appended: `markdown_text`, then the chunks in their order."""
    if text := arguments.text("markdown_text"):
        yield {"type": "markdown_text", "text": text}
    chunks = arguments.objects("chunks", error="invalid_chunks") or []
    if not {each.get("type") for each in chunks} <= CHUNKS:
        raise Refusal("invalid_chunks")
    yield from chunks


def _append(slack: Slack, message: Message, stream: Stream, arguments: Arguments) -> bool:
    """Add to the message what the arguments hold; return False if that is nothing."""
    text, parts = "", list(message.blocks)
    chunks = list(_chunks(arguments))
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            text += str(chunk.get("text", ""))
            parts = _with_text(parts, str(chunk.get("text", "")))
        elif chunk["type"] == "blocks":
            given = checked_blocks(chunk["blocks"], "message", new_id=slack.workspace.new_id)
            parts = [*parts, *given]
        else:
            parts = _with_task(parts, chunk, stream)
    if len(text) > MARKDOWN_LIMIT:
        raise Refusal("msg_too_long")
    message.text += text
    message.blocks = parts
    return bool(chunks)


def _with_text(parts: list[Json], text: str) -> list[Json]:
    if parts and parts[-1]["type"] == "markdown":
        return [*parts[:-1], {"type": "markdown", "text": parts[-1]["text"] + text}]
    return [*parts, {"type": "markdown", "text": text}] if text else parts


def _with_task(parts: list[Json], chunk: Json, stream: Stream) -> list[Json]:
    """Add a task, or change the one with its id; in a plan they stand where the first one does."""
    if stream.mode == "timeline":
        return parts if chunk["type"] == "plan_update" else _replaced(parts, _card(chunk, parts))
    plan = next((each for each in parts if each["type"] == "plan"), None)
    new = plan or {"type": "plan", "title": PLAN_TITLE, "tasks": []}
    if chunk["type"] == "plan_update":
        changed = {**new, "title": chunk["title"]}
    else:
        changed = {**new, "tasks": _replaced(new["tasks"], _card(chunk, new["tasks"]))}
    if plan is None:
        return [*parts, changed]
    return [changed if each is plan else each for each in parts]


def _card(chunk: Json, tasks: list[Json]) -> Json:
    """Return the task's card: what a chunk leaves out stays as it was."""
    before = next((each for each in tasks if each.get("task_id") == chunk["id"]), {})
    said: Json = {key: chunk[key] for key in ("title", "status", "sources") if key in chunk}
    rich = {key: _rich_text(chunk[key]) for key in ("details", "output") if chunk.get(key)}
    return {**before, "type": "task_card", "task_id": chunk["id"], **said, **rich}


def _rich_text(text: str) -> Json:
    if not isinstance(text, str):
        raise Refusal("invalid_chunks")
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def _replaced(tasks: list[Json], card: Json) -> list[Json]:
    if any(each.get("task_id") == card["task_id"] for each in tasks):
        return [card if each.get("task_id") == card["task_id"] else each for each in tasks]
    return [*tasks, card]


def start(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    arguments.need("thread_ts")
    thread_ts = thread_of(slack, channel, arguments)
    writable(channel, in_thread=thread_ts is not None)
    if channel.kind != "im":
        for name in ("recipient_user_id", "recipient_team_id"):
            if not arguments.text(name):
                raise Refusal(f"missing_{name}")
    mode = arguments.text("task_display_mode") or "timeline"
    if mode not in MODES:
        raise Refusal("invalid_arguments", "task_display_mode must be timeline or plan")
    stream = Stream(started_at=slack.clock.now(), mode=mode)
    message = Message(
        channel=channel.id,
        ts=slack.clock.timestamp(),
        text="",
        user=slack.workspace.bot.id,
        team=slack.workspace.team,
        thread_ts=thread_ts,
        bot=slack.workspace.bot.bot_profile(),
    )
    _append(slack, message, stream, arguments)
    slack.activity.post(message)
    slack.streams[channel.id, message.ts] = stream
    slack.statuses.pop((channel.id, thread_ts or message.ts), None)
    return {"channel": channel.id, "ts": message.ts}


def is_streaming(slack: Slack, message: Message) -> bool:
    """Return True if the message can still be appended to, and not be edited yet."""
    stream = slack.streams.get((message.channel, message.ts))
    return stream is not None and slack.clock.now() - stream.started_at <= STREAM_SECONDS


def _streaming(slack: Slack, arguments: Arguments) -> tuple[Message, Stream]:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    message = slack.workspace.message(channel.id, arguments.text("ts"))
    if (channel.id, message.ts) in slack.stopped_streams:
        raise Refusal("stopped_by_user")
    if not is_streaming(slack, message):
        raise Refusal("message_not_in_streaming_state")
    return message, slack.streams[channel.id, message.ts]


def append(slack: Slack, arguments: Arguments) -> Json:
    message, stream = _streaming(slack, arguments)
    if not _append(slack, message, stream, arguments):
        raise Refusal("no_text")
    return {"channel": message.channel, "ts": message.ts}


def stop(slack: Slack, arguments: Arguments) -> Json:
    """End a stream: its text and tasks stay as they are, and `blocks` come below them."""
    message, stream = _streaming(slack, arguments)
    status = arguments.text("session_status")
    if status is not None and status not in SESSION_STATUSES:
        raise Refusal("invalid_arguments", "session_status is unknown")
    metadata = checked_metadata(arguments.json("metadata", error="invalid_metadata_format"))
    given = arguments.objects("blocks", error="invalid_blocks") or []
    before = (message.text, message.blocks)
    try:
        _append(slack, message, stream, arguments)
        blocks = [*message.blocks, *given]
        blocks = checked_blocks(blocks, "message", new_id=slack.workspace.new_id)
    except Refusal:
        message.text, message.blocks = before
        raise
    slack.activity.edit(message, blocks=blocks, metadata=metadata)
    del slack.streams[message.channel, message.ts]
    if status is not None and message.thread_ts is not None:
        slack.set_session((message.channel, message.thread_ts), status)
    shown = slack.workspace.shown(message)
    return {"channel": message.channel, "ts": message.ts, "message": shown}


METHODS = {
    "chat.appendStream": Method(append, scopes=("chat:write",)),
    "chat.startStream": Method(start, scopes=("chat:write",)),
    "chat.stopStream": Method(stop, scopes=("chat:write",)),
}
