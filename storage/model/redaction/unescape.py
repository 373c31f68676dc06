"""Read text as it reads after escapes are undone, and know where each character came from.

A secret in a log line may be JSON within JSON, URL-encoded, coloured for a terminal, or typed with
the quotes and invisible characters of a chat program. Undoing one level of escapes after the other
lets the patterns be about plain text only.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from storage.model.redaction.patterns import ValuePattern

MOST_LEVELS = 4
"""Levels of escapes that are undone. JSON within JSON within JSON within JSON is not met."""

INVISIBLE = "\\u00ad\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff"
LOOKALIKES: Mapping[str, str] = {
    **dict.fromkeys("“”„‟«»＂″", '"'),
    **dict.fromkeys("‘’‚‛′", "'"),
    **dict.fromkeys("：", ":"),
    **dict.fromkeys("＝", "="),
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("\u00a0\u2000\u2002\u2003\u2009\u202f\u3000", " "),
}

_DISGUISE = ValuePattern(
    r"(?:(?:\x1b|\\(?:x1b|u001b|033|e))\[|\x9b)[0-9;?]{0,20}[A-Za-z]"
    r"|\x1b\](?:8;[^;\x07\x1b]{0,100};|\d{1,4};)?|\x07|\x1b\\"
    "|[" + INVISIBLE + "]|[" + "".join(LOOKALIKES) + "]"
)
_ESCAPE = ValuePattern(
    r"\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[^\w\s]|[nrtbf]|\r?\n)"
    r"|%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){1,3}|%[0-9a-fA-F]{2}"
    r"|&(?:amp|quot|apos|lt|gt|nbsp|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});"
)
_WRAPPED = ValuePattern(
    r"\\\r?\n[ \t]*"
    r"|([\"'])[ \t]*(?:\+[ \t]*(?:\r?\n[ \t]*)?|\\?\r?\n[ \t]*(?:\+[ \t]*)?)[bfru]{0,2}\1"
)
"""The end of a line that goes on in the next one, and of a string that the next one continues."""

HINT = r"[\"'][ \t]*(?:\+[ \t]*|\+?[ \t]*\r?\n[ \t]*\+?[ \t]*)[bfru]{0,2}[\"']"
"""A string that the next one continues; a backslash needs no hint."""

Plain = Callable[[re.Match[str]], str]
"""Returns what an escape stands for."""

_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}


class Reading:
    """A text as it reads, with the way back to the text as it was written."""

    def __init__(self, text: str, undone: "tuple[Reading, ValuePattern, Plain] | None") -> None:
        self.text = text
        self._undone = undone

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original that reads as `start` to `end` of `text`."""
        starts, ends = self._origins
        return starts[start], ends[end - 1]

    def undo(self, pattern: ValuePattern, plain: "Plain") -> "Reading":
        """Return this reading with each match replaced by what it stands for."""
        text = pattern.sub(plain, self.text)
        return self if text == self.text else Reading(text, (self, pattern, plain))

    @cached_property
    def _origins(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where the source of each character begins and ends in the original.

        Takes longer than all the rest, and is only needed if there is a secret.
        """
        if self._undone is None:
            return range(len(self.text)), range(1, len(self.text) + 1)
        before, pattern, plain = self._undone
        old_starts, old_ends = before._origins
        starts: list[int] = []
        ends: list[int] = []
        copied = 0
        for match in pattern.finditer(before.text):
            start, end = match.span()
            length = len(plain(match))
            starts += old_starts[copied:start]
            ends += old_ends[copied:start]
            starts += [old_starts[start]] * length
            ends += [old_ends[end - 1]] * length
            copied = end
        return [*starts, *old_starts[copied:]], [*ends, *old_ends[copied:]]


def readings(text: str) -> Iterator[Reading]:
    """Yield the text as it is, as it reads without line breaks, and with escapes undone."""
    reading = Reading(text, None)
    if not text.isascii() or "\x1b" in text or "\\" in text:
        reading = reading.undo(_DISGUISE, _undisguised)
    yield reading
    joined = reading.undo(_WRAPPED, lambda match: "")
    if joined is not reading:
        yield joined
    for _ in range(MOST_LEVELS):
        before = reading
        reading = reading.undo(_ESCAPE, _unescaped)
        if reading is before:
            return
        yield reading


def _undisguised(match: re.Match[str]) -> str:
    disguise = match.group()
    # What a title or a link of a terminal begins and ends with: its text is read, too.
    between = disguise == "\x07" or disguise.startswith(("\x1b]", "\x1b\\"))
    return " " if between else LOOKALIKES.get(disguise, "")


def _decoded(escape: str) -> str:
    try:
        return bytes.fromhex(escape.replace("%", "")).decode()
    except UnicodeDecodeError:
        return escape


def _unescaped(match: re.Match[str]) -> str:
    escape = match.group()
    if escape[0] == "&":
        from html import unescape

        return unescape(escape)
    if len(escape) > 3 and escape[0] == "%":  # A letter of UTF-8.
        return _decoded(escape)
    if escape[0] == "%" or escape[1] in "ux":
        code = int(escape[1:] if escape[0] == "%" else escape[2:], 16)
        letter = escape[1] == "u" and code >= 0xA0 and not 0xD800 <= code < 0xE000
        return chr(code) if letter or 0x20 <= code < 0x7F or code in (9, 10, 13) else escape
    return " " if escape[1] in "\r\n" else _CONTROLS.get(escape[1], escape[1])
