"""Tell at once which texts may hold a secret: hardly any does."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from storage.model.redaction import (
    calls,
    chat,
    command_lines,
    encoded,
    formats,
    names,
    otp,
    printed,
    tables,
    urls,
)
from storage.model.redaction.key_files import BEGINS
from storage.model.redaction.kinds import KINDS, UNPREFIXED_HINTS
from storage.model.redaction.patterns import Pattern, Range
from storage.model.redaction.unescape import HINT as CONTINUED
from storage.model.redaction.unescape import INVISIBLE

EDGE = r"(?:^|[^A-Za-z0-9])"

PLACES = (names, command_lines, printed, urls, formats, calls, tables, chat, otp)
"""Modules that know secrets by their name or place."""

SHORTEST = 6

MOST_REPETITIONS = 12
"""Characters of a long random part that make a hint."""

# Not the code of a character, as in `\x{2600}`.
_COUNT = re.compile(r"(?<!\\x)\{(\d+)(,?)\d*\}")
_RANDOM_PART = re.compile(r"(\[[^\]]+\])\{(\d\d+),?\d*\}")


def _as_hint(pattern: str) -> str:
    """Return *pattern* with few counts. It matches more, and takes half the time to compile.

    RE2 copies what is counted as often as the count says.
    """

    def shorter(count: re.Match[str]) -> str:
        least = int(count[1])
        open_ended = count[2] or least > MOST_REPETITIONS
        return f"{{{min(least, MOST_REPETITIONS)},}}" if open_ended else count[0]

    return _COUNT.sub(shorter, pattern)


def _beginnings(shapes: Iterable[str]) -> str:
    """Return a hint of *shapes*: how they begin, and the first characters of their random part.

    Shapes whose random parts are alike share it, for which their pattern is a quarter as big.
    """
    begins: dict[str, list[str]] = {}
    for shape in shapes:
        found = _RANDOM_PART.search(shape)
        if found and shape[: found.start()].count("(") == shape[: found.start()].count(")"):
            part = f"{found[1]}{{{min(int(found[2]), MOST_REPETITIONS)}}}"
            begins.setdefault(part, []).append(shape[: found.start()])
        else:  # There is none, or it is within a group.
            begins.setdefault("", []).append(_as_hint(shape))
    return "|".join(f"(?:{'|'.join(them)}){part}" for part, them in begins.items())


_HINTS = (
    f"{EDGE}(?:{_beginnings(chain.from_iterable(KINDS.values()))})",
    BEGINS,
    UNPREFIXED_HINTS,
    *(_as_hint(hint) for place in PLACES for hint in place.HINTS),
    # Text that may read otherwise.
    encoded.HINT,
    CONTINUED,
    r"%[0-9A-Fa-f]{2}|&(?:[a-z]+|#\w+);|\x1b|\x{9b}",
    "[" + re.sub(r"\\u(\w{4})", r"\\x{\1}", INVISIBLE) + "“”„‘’«»：＝]",
)
_hints = Pattern("|".join(_HINTS))
_own: Pattern | None = None


def look_for(values: Iterable[str]) -> bool:
    """Take *values* for secrets from now on, and none that were given before.

    False if those were the same.
    """
    global _hints, _own
    own = sorted({re.escape(value) for value in values if len(value) >= SHORTEST})
    if (_own.pattern if _own is not None else "") == "|".join(own):
        return False  # The patterns are not compiled again, which takes 10 ms.
    # Part of the hints, so that looking for them costs no search of its own.
    _own = Pattern("|".join(own)) if own else None
    _hints = Pattern("|".join((*_HINTS, *own)))
    return True


def in_text(text: str) -> bool:
    """Return False if no reading of *text* can hold a secret."""
    return _hints.in_text(text)


def given_values(text: str) -> Iterator[Range]:
    """Find what `look_for` was given."""
    return (found[""] for found in _own.finditer(text)) if _own is not None else iter(())
