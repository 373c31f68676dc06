"""Find out where Markdown may be cut: where its paragraphs, lists, code and tables are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from bot.replies.text.markdown import block_tokens

PARAGRAPH, ITEM, INNER, LINE, TORN = range(5)
"""The things that a line may begin, the best place for a cut first. TORN needs the line before."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A code block between fences: its lines, and how it is opened and closed elsewhere."""

    start: int
    end: int
    """The line after its last one."""
    quote: str
    """The marks of the quotation before each of its lines."""
    column: int
    """The place of the fence in its line, if it is not in a quotation."""
    fence: str
    language: str

    def opening(self, most: int) -> str:
        """Return the line that opens it again, with a language of at most *most* characters."""
        return f"{self.quote}{self.fence}{self.language[:most]}\n"

    def closing(self, dedent: int) -> str:
        """Return the line that closes it, *dedent* places further to the left than its lines."""
        return f"{self.quote or ' ' * max(self.column - dedent, 0)}{self.fence}\n"


@dataclass(slots=True)
class Outline:
    """The role of each line of a text, by the line's number."""

    lines: Sequence[str]
    begins: list[int]
    blocks: list[int]
    """How many blocks of their own Slack makes of it: headings, rules and tables."""
    fences: dict[int, Fence] = field(default_factory=dict)
    """The code block that goes on with this line."""
    heads: dict[int, str] = field(default_factory=dict)
    """The head of the table that goes on with this row."""
    items: dict[int, int] = field(default_factory=dict)
    """The line after the list's item that goes on with this line, of the outermost list."""


def outline(text: str) -> Outline:
    """Return the outline of *text*, whose lines end with a newline alone."""
    lines = text.split("\n")
    found = Outline(lines, begins=[LINE] * len(lines), blocks=[0] * len(lines))
    after_heading = False
    for token in block_tokens(text):
        if token.map is None or token.nesting < 0 or token.type == "inline":
            continue
        start, end = token.map
        if not (token.level == 0 and after_heading):
            found.begins[start] = min(found.begins[start], _rank(token))
        if token.level == 0:
            # A heading stays with what it is the heading of.
            after_heading = token.type == "heading_open"
        _add(found, token, start, end)
    return found


def _rank(token: Token) -> int:
    if token.level == 0:
        return PARAGRAPH
    if token.type == "list_item_open" and token.level == 1:
        return ITEM
    return LINE if token.type in ("tr_open", "tbody_open", "thead_open") else INNER


def _add(found: Outline, token: Token, start: int, end: int) -> None:
    if token.type in ("heading_open", "hr", "table_open"):
        found.blocks[start] += 1
    if token.type == "heading_open" and token.markup in ("=", "-"):
        for number in range(start + 1, end):
            found.begins[number] = TORN
    elif token.type == "list_item_open" and token.level == 1:
        found.items.update(dict.fromkeys(range(start + 1, end), end))
    elif token.type == "table_open":
        first, second = found.lines[start : start + 2]
        # A list's mark in the first line becomes room, as it is in the second.
        room = len(second) - len(second.lstrip(" "))
        head = f"{' ' * room}{first[room:]}\n{second}\n"
        found.heads.update(dict.fromkeys(range(start + 2, end), head))
        # A head alone is no table.
        for number in range(start + 1, min(start + 3, end)):
            found.begins[number] = TORN
    elif token.type == "fence":
        _add_fence(found, token, start, end)


def _add_fence(found: Outline, token: Token, start: int, end: int) -> None:
    before = found.lines[start].partition(token.markup)[0]
    # A list's mark in the opening line becomes room in the others.
    quote = re.sub(r"[^>\s]", " ", before) if ">" in before else ""
    fence = Fence(start, end, quote, len(before), token.markup, token.info)
    found.fences.update(dict.fromkeys(range(start + 1, end), fence))
    # No part is to begin or to end with a code block that has no line.
    torn = {start + 1} | ({end - 1} if _closes(found.lines[end - 1], fence) else set())
    for number in torn & found.fences.keys():
        found.begins[number] = TORN


def _closes(line: str, fence: Fence) -> bool:
    last = line.strip(" \t>")
    return len(last) >= len(fence.fence) and not last.strip(fence.fence[0])
