"""Mend bold, italic and struck-through words that touch letters of East Asia, as in Korean.

These languages put no space between words, and CommonMark decides by the neighbours whether `**`
opens or closes: in `**「重要」**は` it does neither, and people see the asterisks. A zero-width
space beside the marks is neither punctuation nor a letter, takes no room, and settles it.
https://github.com/commonmark/commonmark-spec/issues/650
"""

import re
import unicodedata
from collections.abc import Iterator

ZERO_WIDTH_SPACE = "\u200b"

_EMPHASIS = re.compile(
    r"(?<![\\*_~])(\*{1,3}|_{1,3}|~~)(?![\s*_~])([^\n|]{1,400}?)(?<![\s\\])\1(?![*_~])"
)

_RUN = re.compile(r"(?<=[^\W_])(?:\*{1,3}|_{1,3}|~~)(?=[^\s\w*~])")

_SOUTH_EAST = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Thai, Lao, Burmese and Khmer, whose vowels may be marks and no letters."""

Edit = tuple[int, int, str]
"""The start and the end of a piece of text, and what takes its place."""


def mended_emphasis(
    text: str, prose: str, start: int = 0, end: int | None = None
) -> Iterator[Edit]:
    """Yield the edits of *text* that make Slack see its emphasis; `prose` is without code."""
    for found in _EMPHASIS.finditer(prose, start, len(prose) if end is None else end):
        yield from _mended(text, *found.span(1), found.end(2), found.end())
        # Emphasis may hold more of it: `**a *「b」*は**`.
        yield from mended_emphasis(text, prose, found.end(1), found.end(2))


def _mended(text: str, start: int, inside: int, inside_end: int, end: int) -> Iterator[Edit]:
    before, after = text[start - 1 : start], text[end : end + 1]
    if not (touches(before) or touches(after)):
        return
    mark, words = text[start:inside], text[inside:inside_end]
    if _ends_inside_a_run(words, mark[0]):
        return
    if mark[0] == "_":
        # An underscore inside a word is part of it, as in 파일_이름_은.
        if before.isalnum():
            return
        mark = "*" * len(mark)
    left = ZERO_WIDTH_SPACE * (touches(before) and _is_punctuation(words[0]))
    right = ZERO_WIDTH_SPACE * (touches(after) and _is_punctuation(words[-1]))
    yield start, inside, f"{mark}{left}"
    # Outside as well, for readers of Markdown that want a word to end where its emphasis ends.
    yield inside_end, end, f"{right}{mark}{ZERO_WIDTH_SPACE * touches(after)}"


def _ends_inside_a_run(words: str, character: str) -> bool:
    """Return True for `は**` in `**は****は**`: these marks close nothing that *words* opens."""
    before = words.rstrip(character)
    return len(words) - len(before) > before.count(character)


def unsettled_emphasis(text: str) -> int:
    """Return from where on the emphasis of a text that still grows may have to be mended."""
    line = text.rfind("\n") + 1
    if not any(map(touches, text[line:])):
        return len(text)
    end = len(text.rstrip("*_~"))
    # What has no end yet is mended at its beginning as soon as it has one.
    for found in _RUN.finditer(text, max(line, end - 400), end):
        before, inside, rest = text[found.start() - 1], text[found.end()], text[found.end() : end]
        if touches(before) and _is_punctuation(inside) and found[0] not in rest:
            return found.start()
    return end


def touches(character: str) -> bool:
    """Return True for a letter of a language that is written without spaces between words."""
    if _SOUTH_EAST.match(character):
        return not _is_punctuation(character)
    return character.isalnum() and unicodedata.east_asian_width(character) in "WFH"


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
