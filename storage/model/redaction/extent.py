"""Find where the value after a name begins and ends."""

from typing import NamedTuple

from storage.model.redaction.patterns import ValuePattern

_START = ValuePattern(r"[ \t]*(?:[bfrRuLF@]{0,2})(\"\"\"|'''|\"|'|`)")
_SPACE = ValuePattern(r"[ \t]*")
_WORD = ValuePattern(r"(?:[^\s\"`\\]|\\(?![nrt\"'\\]))+")
_END = ValuePattern(
    r"</|%>|&(?:amp;)?[\w.\-\[\]]+=|[;,](?=[A-Za-z_][\w .-]*[=:]|['\])}]|$)|'[,\]})]|\|(?=\s|$)"
)
"""Ends of a value before its next space: a tag, the next parameter, the next pair of a list."""

_WITH_QUOTES = ValuePattern(r"[ \t]*(?i:digest|aws4|oauth|hawk|signature|token[ \t]+token)\b")
_BRACKETS = {")": "(", "]": "[", "}": "{", ">": "<"}
LONGEST_MARKUP = 60
LONGEST = 4_096


class Extent(NamedTuple):
    """The place of a value. `quote` surrounds it; it is empty if nothing does."""

    start: int
    end: int
    quote: str


def value_at(text: str, at: int) -> Extent:
    """Return where the value that begins at or after `at` is, without its quotes.

    Of a value without quotes, at most LONGEST characters: see `whole`.
    """
    found = _START.match(text, at)
    if found is None:
        return _word(text, at)
    quote, start, end = found[1], found.end(), found.end()
    while (end := text.find(quote, end)) >= 0:
        if not _is_escaped(text, start, end):
            return Extent(start, end, quote)
        end += 1
    line = text.find("\n", start)  # The closing quote was cut off.
    return Extent(start, len(text) if line < 0 else line, quote)


def whole(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the whole of a value that `value_at` or `line_at` found LONGEST characters of.

    To read it to its end only if it is a secret keeps the time linear: the names in it need not be
    looked at any more.
    """
    if end - start >= LONGEST - 1 and (more := _WORD.match(text, end)):
        end = more.end()
    return start, end


def _is_escaped(text: str, start: int, at: int) -> bool:
    slashes = 0
    while at - slashes > start and text[at - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1


def line_at(text: str, at: int, opened: str) -> Extent:
    """Return the rest of the line, up to the quote that was `opened` before the name."""
    extent = value_at(text, at)
    if extent.quote:
        return extent
    long = _WITH_QUOTES.match(text, extent.start) is not None
    marks = ("\r", "\n", *(opened or ("" if long else "'\"")))
    most = min(extent.start + LONGEST, len(text))
    stops = (text.find(mark, extent.start, most) for mark in marks)
    end = min((stop for stop in stops if stop >= 0), default=most)
    value = text[extent.start : end].rstrip()
    return Extent(extent.start, extent.start + len(value), "")


def _word(text: str, at: int) -> Extent:
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
    found = _WORD.match(text[at : at + LONGEST])
    if found is None:
        return Extent(at, at, "")
    value = found[0]
    if end := _END.search(value, 1):
        value = value[: end.start()]
    before = text[max(at - LONGEST_MARKUP, 0) : at]
    while value and _is_around(value, before):
        value = value[:-1]
    return Extent(at, at + len(value), "")


def _is_around(value: str, before: str) -> bool:
    """Return True if the last character closes something that began before the value."""
    last = value[-1]
    if last in _BRACKETS:
        return value.count(last) > value.count(_BRACKETS[last])
    return (last in ".,;:'" and not value.endswith("...")) or (last in "*_~" and last in before)
