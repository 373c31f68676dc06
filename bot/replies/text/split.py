"""Split Markdown into parts that can each be read by themselves.

A part ends before a paragraph, else before a line; a line is cut only if it is longer than a part.
Code that goes on in the next part is closed and opened again in its language, and a table's head is
repeated. The rest of a list's item begins at the left in the next part, because there it is not in
the list any more.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.replies.text.outline import LINE, Outline, outline

MOST_BLOCKS = 20
"""Headings, rules and tables of a part. Slack makes a block of each, and one of what is between two
of them, and takes 50 blocks in a message."""

FILLED = (0.35, 0.5, 0.5, 0.0, 0.0)
"""The share of a part that must be filled before it may end at such a place. A part of a few words
is worse than one that ends within a paragraph."""

Measure = Callable[[str], int]


def split(text: str, *, limit: int, measure: Measure = len) -> list[str]:
    """Return the parts of *text*, each at most *limit* long as *measure* counts.

    `measure` counts a text as long as its pieces together, and a character as at most 8.
    """
    found = outline(text)
    if measure(text) <= limit and sum(found.blocks) <= MOST_BLOCKS:
        return [text]
    cutter = _Cutter(found, limit, measure)
    return [part for part in cutter.parts() if part.strip()]


def ending(text: str, *, limit: int, measure: Measure = len) -> str:
    """Return the end of *text* that fits into a part; the whole text if that is short enough."""
    found = outline(text)
    if measure(text) <= limit and sum(found.blocks) <= MOST_BLOCKS:
        return text
    return _Cutter(found, limit, measure).last_part()


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line with its newline, or a part of one that is too long."""

    line: int
    text: str
    begins: int


class _Cutter:
    def __init__(self, found: Outline, limit: int, measure: Measure) -> None:
        self._outline = found
        self._limit = limit
        self._measure = measure
        self._pieces = [
            _Piece(line, text, found.begins[line] if number == 0 else LINE)
            for line in range(len(found.lines))
            for number, text in enumerate(self._pieces_of(line))
        ]

    def parts(self) -> Iterator[str]:
        start = 0
        while start < len(self._pieces):
            end = self._end_of_part(start)
            yield self._part(start, end)
            start = end

    def last_part(self) -> str:
        """Return the longest part that ends with the text, begun at a good place."""
        size, blocks, longest = 0, 0, len(self._pieces) - 1
        starts: list[int] = []
        for number in range(len(self._pieces) - 1, -1, -1):
            piece = self._pieces[number]
            size += self._measure(piece.text)
            blocks += self._outline.blocks[piece.line]
            if size + self._added(number) > self._limit or blocks > MOST_BLOCKS:
                break
            longest = number
            if max(size / self._limit, blocks / MOST_BLOCKS) > 1 / 2:
                starts.append(number)
        best = min(starts or [longest], key=lambda each: (self._pieces[each].begins, each))
        return self._part(best, len(self._pieces))

    def _end_of_part(self, start: int) -> int:
        """Return the number of the piece before which the part that begins with `start` ends."""
        size, blocks = self._added(start), 0
        ends: dict[int, int] = {}
        for number in range(start, len(self._pieces)):
            piece = self._pieces[number]
            size += self._measure(piece.text)
            blocks += self._outline.blocks[piece.line]
            closing = self._measure(self._closing(number + 1))
            if size + closing > self._limit or blocks > MOST_BLOCKS:
                break
            rank = self._begins(number + 1)
            if max(size / self._limit, blocks / MOST_BLOCKS) >= FILLED[rank]:
                ends[rank] = number + 1
        else:
            return len(self._pieces)
        return ends[min(ends)] if ends else start + 1

    def _begins(self, number: int) -> int:
        return self._pieces[number].begins if number < len(self._pieces) else 0

    def _part(self, start: int, end: int) -> str:
        opening = self._opening(start)
        dedent, until = self._dedent(start)
        end_of_item = self._outline.items.get(self._pieces[start].line)
        lines: list[str] = []
        for piece in self._pieces[start:end]:
            if piece.line >= until:
                dedent = 0
            elif piece.begins < LINE:  # It may begin further to the left, with all that is in it.
                dedent = min(dedent, _indent(piece.text))
            next_item = piece.line == end_of_item and piece.begins < LINE
            if next_item and lines and lines[-1].strip():
                lines.append("\n")  # `2.` goes on with a paragraph that is not in the list.
            lines.append(_dedented(piece.text, dedent))
        closing = self._closing(end, dedent)
        body = "".join(lines)
        # Blank lines between two parts go; those of code stay.
        if not opening:
            body = "".join(_without_blank_start(lines))
        if not closing:
            return f"{opening}{body.rstrip()}"
        return f"{opening}{body}{closing}".rstrip("\n")

    def _added(self, start: int) -> int:
        """Return the most that a part which begins with `start` adds before its closing."""
        _, until = self._dedent(start)
        return self._measure(self._opening(start)) + (self._measure("\n") if until else 0)

    def _opening(self, start: int) -> str:
        """Return the lines that a part repeats from before its first piece."""
        line = self._pieces[start].line
        if fence := self._outline.fences.get(line):
            return fence.opening(self._limit // 8)
        head = self._outline.heads.get(line, "")
        if self._measure(head) > self._limit // 4:
            return ""
        dedent, _ = self._dedent(start)
        return "".join(_dedented(each, dedent) for each in head.splitlines(keepends=True))

    def _closing(self, end: int, dedent: int = 0) -> str:
        """Return the line that a part adds after its last piece, which is moved by *dedent*."""
        if end == len(self._pieces):
            return ""
        fence = self._outline.fences.get(self._pieces[end].line)
        if fence is None:
            return ""
        newline = "" if self._pieces[end - 1].text.endswith("\n") else "\n"
        return newline + fence.closing(dedent)

    def _dedent(self, start: int) -> tuple[int, int]:
        """Return how far to the left the lines of a part are moved, and up to which line."""
        line = self._pieces[start].line
        fence = self._outline.fences.get(line)
        until = max(self._outline.items.get(line, 0), fence.end if fence else 0)
        if fence:
            return (0 if fence.quote else fence.column), until
        # Blank lines at the start of a part go, so the first that stays decides.
        lines = self._outline.lines
        text = next((lines[at] for at in range(line, len(lines)) if lines[at].strip()), "")
        return _indent(text), until

    def _pieces_of(self, line: int) -> Iterator[str]:
        text = self._outline.lines[line]
        newline = "\n" if line < len(self._outline.lines) - 1 else ""
        if self._measure(text) + self._around(line) <= self._limit:
            yield text + newline
            return
        # A word may be long, too. Its pieces are short enough for any part to take one more.
        words = re.findall(r"\S+\s*|\s+", text)
        pieces = [piece for word in words for piece in _cut(word, max(self._limit // 32, 1))]
        yield from pieces[:-1]
        yield pieces[-1] + newline

    def _around(self, line: int) -> int:
        """Return the length of what a part with nothing but this line would add to it."""
        if fence := self._outline.fences.get(line):
            around = fence.opening(self._limit // 8) + fence.closing(0)
        else:
            around = self._outline.heads.get(line, "")
        return self._measure(around) + self._measure("\n") * 2


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _dedented(text: str, dedent: int) -> str:
    return text[min(_indent(text), dedent) :]


def _without_blank_start(lines: list[str]) -> list[str]:
    blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    return lines[blank:]


def _cut(word: str, most: int) -> Iterator[str]:
    """Yield pieces of at most *most* characters. No character is taken apart."""
    while len(word) > most:
        places = range(most, max(most - 12, 0), -1)
        whole = (at for at in places if not (_goes_on(word[at]) or word[at - 1] == "\u200d"))
        cut = next(whole, most)
        yield word[:cut]
        word = word[cut:]
    yield word


def _goes_on(character: str) -> bool:
    """Return True if a character belongs to the one before it: marks, skin colours, joiners."""
    joins = character == "\u200d" or "\U0001f3fb" <= character <= "\U0001f3ff"
    return joins or unicodedata.category(character) in ("Mn", "Me", "Mc")
