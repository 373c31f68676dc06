"""chat.startStream, appendStream and stopStream: a message that grows while it is written."""

import re

from bot.sandbox.backend.slack import Slack, Stream
from bot.sandbox.blocks.checks import Shape, anything, array, choice, kind, string
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

SIZE_LIMIT = 10_600
"""Bytes of a stream's text and tasks, `details` and `output` counted twice. Slack tells no limit:
others measured that a message with text is refused somewhere between 10,600 and 11,300."""

SOURCE = Shape({"type": choice("url"), "url": string(3000), "text": string(256)})
CHUNKS = kind(
    {
        "markdown_text": Shape({"text": string(MARKDOWN_LIMIT, least=0)}),
        "task_update": Shape(
            {
                "id": string(256),
                "title": string(256),
                "status": choice("pending", "in_progress", "complete", "error"),
            },
            {
                "details": string(256, least=0),
                "output": string(256, least=0),
                "sources": array(SOURCE, 50),
            },
        ),
        "plan_update": Shape({"title": string(256)}),
        "blocks": Shape({"blocks": anything}),
    }
)
"""Slack's documents limit the texts of tasks and plans to 256 characters."""

MODES = {"timeline", "plan"}
PLAN_TITLE = "Plan"
"""The title of a plan until a `plan_update` chunk names it; Slack's own is not published."""

UNFINISHED_PLAN = "Something went wrong"
"""The title that Slack gives a plan if the stream ends while one of its tasks is not finished."""


def _chunks(stream: Stream, arguments: Arguments) -> list[Json]:
    """Return what is appended: `markdown_text` or `chunks`, never both in one stream."""
    text = arguments.text("markdown_text")
    chunks = arguments.objects("chunks", error="invalid_chunks")
    if text is not None and chunks is not None:
        raise Refusal("cannot_provide_both_markdown_text_and_chunks")
    if not text and not chunks:
        return []
    content = "markdown_text" if chunks is None else "chunks"
    if stream.content not in (None, content):
        raise Refusal("streaming_mode_mismatch")
    if chunks is None:
        if len(text or "") > MARKDOWN_LIMIT:
            raise Refusal("msg_too_long")
        chunks = [{"type": "markdown_text", "text": text}]
    for index, chunk in enumerate(chunks):
        if found := list(CHUNKS(chunk, f"/chunks/{index}")):
            raise Refusal("invalid_chunks", *(f"{each.message} {each.pointer}" for each in found))
    stream.content = content
    return chunks


def _append(slack: Slack, message: Message, stream: Stream, arguments: Arguments) -> bool:
    """Add to the message what the arguments hold; return False if that is nothing."""
    text, parts = message.text, list(message.blocks)
    chunks = _chunks(stream, arguments)
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            text += chunk["text"]
            parts = _with_text(parts, chunk["text"])
        elif chunk["type"] == "blocks":
            given = checked_blocks(chunk["blocks"], "message", new_id=slack.workspace.new_id)
            parts = [*parts, *given]
        else:
            parts = _with_task(parts, chunk, stream)
    if text and _size(parts) > SIZE_LIMIT:
        raise Refusal("msg_too_long")
    message.text, message.blocks = text, parts
    return bool(chunks)


def _size(value: object, *, times: int = 1) -> int:
    """Return the bytes of the texts and titles in blocks."""
    if isinstance(value, list):
        return sum(_size(each, times=times) for each in value)
    if not isinstance(value, dict):
        return 0
    own = [value[key] for key in ("text", "title") if isinstance(value.get(key), str)]
    rest = [each for key, each in value.items() if key not in ("details", "output")]
    twice = [value.get("details"), value.get("output")]
    said = times * sum(len(each.encode()) for each in own)
    return said + _size(rest, times=times) + _size(twice, times=2)


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
    """Return the task's card: `details` and `output` grow, the rest is as the chunk tells."""
    before = next((each for each in tasks if each.get("task_id") == chunk["id"]), {})
    said: Json = {key: chunk[key] for key in ("title", "status", "sources") if key in chunk}
    grown = {
        key: _longer(before.get(key), chunk[key]) for key in ("details", "output") if chunk.get(key)
    }
    return {**before, "type": "task_card", "task_id": chunk["id"], **said, **grown}


def _longer(before: Json | None, text: str) -> Json:
    """Return rich text with *text* at its end: Slack adds it to what earlier chunks told."""
    fence = re.fullmatch(r"```\n(.*)\n```", text, re.DOTALL)
    kind = "rich_text_preformatted" if fence else "rich_text_section"
    part = {"type": kind, "elements": [{"type": "text", "text": fence[1] if fence else text}]}
    elements = before["elements"] if before else []
    return {"type": "rich_text", "elements": [*elements, part]}


def _replaced(tasks: list[Json], card: Json) -> list[Json]:
    if any(each.get("task_id") == card["task_id"] for each in tasks):
        return [card if each.get("task_id") == card["task_id"] else each for each in tasks]
    return [*tasks, card]


def _ended(block: Json) -> Json:
    finished = all(task["status"] in ("complete", "error") for task in block.get("tasks", ()))
    return block if finished else {**block, "title": UNFINISHED_PLAN}


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
    """Return True if the message can still be appended to, and neither edited nor deleted yet."""
    stream = slack.streams.get((message.channel, message.ts))
    return stream is not None and slack.clock.now() - stream.started_at <= STREAM_SECONDS


def _streaming(slack: Slack, arguments: Arguments) -> tuple[Message, Stream]:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    if channel.is_archived:
        raise Refusal("is_archived")
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
    given = checked_blocks(given, "message", new_id=slack.workspace.new_id)
    _append(slack, message, stream, arguments)
    blocks = [*map(_ended, message.blocks), *given]
    slack.activity.edit(message, blocks=blocks, metadata=metadata)
    del slack.streams[message.channel, message.ts]
    thread = (message.channel, message.thread_ts or message.ts)
    if status is not None or thread in slack.sessions:
        slack.set_session(thread, status or "active")
    shown = slack.workspace.shown(message)
    return {"channel": message.channel, "ts": message.ts, "message": shown}


METHODS = {
    "chat.appendStream": Method(append, scopes=("chat:write",)),
    "chat.startStream": Method(start, scopes=("chat:write",)),
    "chat.stopStream": Method(stop, scopes=("chat:write",)),
}
