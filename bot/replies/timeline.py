"""The tools that an agent used, as cards of a stream or as a plan in a message."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.agents.types import ToolStatus, ToolUse
from bot.replies.messages import Message
from bot.replies.text.presented import presented
from reports.render.block_kit import Block
from storage.model.redaction import redact

LONGEST_TITLE, LONGEST_DETAILS, LONGEST_OUTPUT = 70, 150, 200
"""Bytes of UTF-8 that are shown of a tool. Slack takes 256 characters of each in a stream, where a
fence and what silences mentions come on top."""

MOST_WHOLE, MOST_CARDS = 5, 20
"""Cards of a stream: so many have details and output, the further ones a title. What comes then
shares one card. A stream cannot take a card back, and it has room for about 10,000 bytes."""

MOST_TASKS = 6
"""The newest tools that the plan of a message lists."""

BLOCKS_LIMIT = 12_500
"""Characters of a message's blocks as JSON. Slack takes about 13,000."""


def shown(use: ToolUse, clean: Callable[[str], str]) -> ToolUse:
    """Return a report of a tool as people see it: *clean*, and only then cut."""

    def words(text: str) -> str:
        return redact(clean(text)).strip()

    return replace(
        use,
        title=_beginning(" ".join(words(use.title).split()), LONGEST_TITLE),
        details=_beginning(words(use.details), LONGEST_DETAILS),
        output=_end(words(use.output), LONGEST_OUTPUT),
    )


def ended(tools: Sequence[ToolUse], *, failed: bool = False) -> list[ToolUse]:
    """Return the tools of a turn that is over; if it *failed*, those in use have failed, too."""
    status: ToolStatus = "error" if failed else "complete"
    return [replace(use, status=status) if use.status == "in_progress" else use for use in tools]


def summary(tools: Sequence[ToolUse]) -> str:
    """Return the title of the plan of a turn that is over."""
    return {0: "Done", 1: "Used 1 tool"}.get(len(tools), f"Used {len(tools)} tools")


def cards(tools: Sequence[ToolUse]) -> list[ToolUse]:
    """Return the cards that a stream shows. More tools change and add cards, and remove none."""
    titles = [replace(use, details="", output="") for use in tools[MOST_WHOLE:MOST_CARDS]]
    named = [*tools[:MOST_WHOLE], *titles]
    numbered = [replace(use, id=f"tool-{number}") for number, use in enumerate(named)]
    if more := tools[MOST_CARDS:]:
        title = _beginning(f"{len(more)} more: {more[-1].title}", LONGEST_TITLE)
        numbered.append(ToolUse(id="more", title=title, status=more[-1].status))
    return numbered


def task_chunks(before: Mapping[str, ToolUse], now: Sequence[ToolUse]) -> list[Message]:
    """Return the chunks that make a stream show the cards *now*; it has shown those of *before*."""
    return [_task_chunk(before.get(card.id), card) for card in now if before.get(card.id) != card]


def _task_chunk(before: ToolUse | None, card: ToolUse) -> Message:
    chunk = {
        "type": "task_update",
        "id": card.id,
        "title": card.title or "tool",
        "status": card.status,
    }
    # Slack adds these to what it was told before, so each is sent once.
    if card.details and not (before and before.details):
        chunk["details"] = _fenced(card.details)
    if card.output and not (before and before.output):
        chunk["output"] = _fenced(card.output)
    return chunk


def size(cards: Sequence[ToolUse]) -> int:
    """Return the bytes that count towards Slack's limit of a stream: some of them twice."""
    return sum(
        len(card.title.encode())
        + 2 * sum(len(_fenced(each).encode()) for each in (card.details, card.output) if each)
        for card in cards
    )


def with_timeline(
    messages: Sequence[Message], tools: Sequence[ToolUse], *, failed: bool
) -> list[Message]:
    """Return the messages of an answer with a plan of the tools at the top, if there are any.

    It has as many details as the first message has room for.
    """
    if not tools:
        return list(messages)
    first, *rest = messages
    forms = (_plan(tools, failed=failed, whole=whole) for whole in range(MOST_TASKS, -1, -1))
    longer = ({**first, "blocks": [plan, *first["blocks"]]} for plan in forms)
    *_, shortest = options = list(longer)
    fits = (each for each in options if len(json.dumps(each["blocks"])) <= BLOCKS_LIMIT)
    return [next(fits, shortest), *rest]


def _plan(tools: Sequence[ToolUse], *, failed: bool, whole: int) -> Block:
    """Return a plan of the newest tools; the newest *whole* of them have details and output."""
    newest = ended(tools, failed=failed)[-MOST_TASKS:]
    first = len(tools) - len(newest)
    tasks = [
        {
            "task_id": f"tool-{first + number}",
            "title": use.title or "tool",
            "status": use.status,
            **(dict(_rich_fields(use)) if number >= len(newest) - whole else {}),
        }
        for number, use in enumerate(newest)
    ]
    return {"type": "plan", "title": summary(tools), "tasks": tasks}


def _rich_fields(use: ToolUse) -> Iterator[tuple[str, Block]]:
    for name, text in (("details", use.details), ("output", use.output)):
        if text:
            code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
            yield name, {"type": "rich_text", "elements": [code]}


def _fenced(text: str) -> str:
    """Return a text as code in Markdown, which notifies nobody."""
    return presented("```\n" + text.replace("```", "'''") + "\n```")


def _beginning(text: str, most: int) -> str:
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return encoded[: most - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def _end(text: str, most: int) -> str:
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return "…" + encoded[len("…".encode()) - most :].decode(errors="ignore").lstrip()
