"""Write the blocks of our own replies as Markdown.

Slack does not keep the `markdown` blocks that we send: it stores a heading, a rule and a table as
blocks of their own, and all else as rich text.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from bot.slack.conversation.blocks import (
    block_text,
    inline_text,
    list_lines,
    objects,
    sequence,
    string,
)
from bot.slack.conversation.mrkdwn import link
from bot.slack.conversation.names import Names

Json = Mapping[str, Any]

OUR_NOTES = frozenset(("actions", "context", "context_actions", "plan", "task_card"))
"""Blocks of our replies that are not the agent's words: buttons, the bot's notes, used tools."""

STYLES = {"strike": "~~", "italic": "*", "bold": "**"}


def own_words(blocks: Iterable[Json], names: Names) -> str:
    """Return what the agent said in the blocks of a reply, as Markdown."""
    said = (_block(each, names) for each in blocks if each.get("type") not in OUR_NOTES)
    return "\n\n".join(filter(None, said))


def _block(block: Json, names: Names) -> str:
    kind = block.get("type")
    if kind == "header":
        return f"# {block_text(block.get('text'), names)}"
    if kind == "divider":
        return "---"
    if kind == "table":
        return _table(block, names)
    return _rich_text(block, names) if kind == "rich_text" else block_text(block, names)


def _table(block: Json, names: Names) -> str:
    rows = [
        [_cell(cell, names) for cell in row]
        for row in sequence(block, "rows")
        if isinstance(row, list)
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines[:1], f"|{' --- |' * len(rows[0])}", *lines[1:]]) if rows else ""


def _cell(cell: Any, names: Names) -> str:
    text = _block(cell, names) if isinstance(cell, Mapping) else ""
    return " ".join(text.replace("|", r"\|").split())


def _rich_text(block: Json, names: Names) -> str:
    numbers: dict[int, int] = {}
    # A list within another is a part beside it. One of another style would go on in a last line.
    parts = groupby(objects(block, "elements"), key=_list_style)
    said = (
        ("\n" if style else "\n\n").join(_part(each, names, numbers) for each in group)
        for style, group in parts
    )
    return "\n\n".join(filter(None, said))


def _list_style(part: Json) -> str:
    return string(part, "style") if part.get("type") == "rich_text_list" else ""


def _part(part: Json, names: Names, numbers: dict[int, int]) -> str:
    kind = part.get("type")
    if kind == "rich_text_list":
        text = "\n".join(list_lines(part, lambda words: _line(words, names), numbers, bullet="-"))
    else:
        numbers.clear()
        is_code = kind == "rich_text_preformatted"
        text = _code(part, names) if is_code else _line(objects(part, "elements"), names)
    if kind == "rich_text_quote" or part.get("border"):
        return "\n".join(f"> {line}" for line in text.splitlines())
    return text


def _code(part: Json, names: Names) -> str:
    elements = objects(part, "elements")
    text = "".join(inline_text(each, names, styled=False) for each in elements)
    fence = _ticks(text, least=3)
    return f"{fence}{string(part, 'language')}\n{text}\n{fence}"


def _ticks(code: str, *, least: int) -> str:
    """Return a sign of code, which has more backticks than any such sign within it."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall(f"`{{{least},}}", code))])


def _line(elements: Iterable[Json], names: Names) -> str:
    return "".join(_inline(each, names) for each in elements).strip("\n")


def _inline(element: Json, names: Names) -> str:
    text = inline_text(element, names, styled=False)
    if element.get("type") == "link":
        address, label = string(element, "url"), string(element, "text")
        text = f"[{label}]({address})" if label not in ("", address) else link(address, label)
    style, words = element.get("style"), text.strip()
    if not words or not isinstance(style, Mapping):
        return text
    before, _, after = text.partition(words)
    if style.get("code"):
        ticks, space = _ticks(words, least=1), " " if "`" in (words[0], words[-1]) else ""
        words = f"{ticks}{space}{words}{space}{ticks}"
    marks = [STYLES[each] for each in STYLES if style.get(each)]
    return f"{before}{''.join(reversed(marks))}{words}{''.join(marks)}{after}"
