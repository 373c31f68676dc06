"""Find the secrets of a text, in each way that it can be read."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, chain

from storage.model.redaction import encoded, hints
from storage.model.redaction.hints import EDGE, PLACES
from storage.model.redaction.key_files import private_keys
from storage.model.redaction.kinds import (
    KINDS,
    MARKED,
    UNKNOWN,
    UNPREFIXED,
    UNPREFIXED_HINTS,
    plausible,
    plausible_unknown,
)
from storage.model.redaction.patterns import Pattern, Range
from storage.model.redaction.unescape import readings

Secret = tuple[int, int, str]
"""The start, the end and the kind of a secret in a text."""

_STRICT_EDGE = r"(?:^|[^A-Za-z0-9+/_.~-])"
_SHAPES = "|".join(shape for shapes in KINDS.values() for shape in shapes)
_UNPREFIXED = "|".join(shape for shapes in UNPREFIXED.values() for shape in shapes)
_MARKED = "|".join(shape for shapes in MARKED.values() for shape in shapes)

_shapes = Pattern(rf"{EDGE}(?P<known>{_SHAPES})")
_unprefixed_hints = Pattern(UNPREFIXED_HINTS)
_unprefixed = Pattern(
    rf"{_STRICT_EDGE}(?:(?P<known>{_UNPREFIXED})|(?P<unknown>{UNKNOWN}))|(?P<marked>{_MARKED})"
)
_kinds = {
    kind: Pattern(rf"^(?:{'|'.join(shapes)})")
    for kind in {**KINDS, **UNPREFIXED, **MARKED}
    if (shapes := [shape for each in (KINDS, UNPREFIXED, MARKED) for shape in each.get(kind, ())])
}
_FINDERS = {find: patterns for place in PLACES for find, patterns in place.FINDERS.items()}
# A search for all at once has so many states that RE2 keeps forgetting and computing them anew.
_needed = {
    find: Pattern("|".join(f"(?:{each})" for each in patterns))
    for find, patterns in _FINDERS.items()
}


def secrets_in(text: str) -> Iterator[Secret]:
    """Yield what is secret in *text*. Two of them may overlap."""
    for reading in readings(text):
        if hints.in_text(reading.text):
            for start, end, kind in _found(reading.text):
                if start < end:
                    yield (*reading.original(start, end), kind)


def _found(text: str) -> Iterator[Secret]:
    for start, end in private_keys(text):
        yield start, end, "private_key"
    yield from _shaped(text)
    for start, end in _encoded(text):
        yield start, end, "secret"
    needed = (find for find, pattern in _needed.items() if pattern.in_text(text))
    finders = (hints.given_values, *needed)
    for start, end in chain.from_iterable(find(text) for find in finders):
        if not text.endswith("[redacted:", 0, start):  # A mark of ours is no password.
            yield start, end, "secret"


def _encoded(text: str) -> Iterator[Range]:
    pieces = [*encoded.decoded(text)]
    # Together: to search each of thousands for everything would take seconds.
    plain = "\n".join(piece for _, piece in pieces)
    ends = [*accumulate(len(piece) + 1 for _, piece in pieces)]
    for start, end, _ in _found(plain) if plain else ():
        for place in range(bisect_right(ends, start), bisect_right(ends, end - 1) + 1):
            yield pieces[place][0]


def _shaped(text: str) -> Iterator[Secret]:
    # Many words look like the beginning of a shape without a prefix, so that its search is slow.
    searched = (_shapes, _unprefixed) if _unprefixed_hints.in_text(text) else (_shapes,)
    for pattern in searched:
        for found in pattern.finditer(text):
            start, end = found.get("unknown") or found.get("known") or found["marked"]
            secret = text[start:end]
            if "unknown" in found:
                if plausible_unknown(secret):
                    yield start, end, "token"
            elif plausible(secret):
                yield start, end, _kind(secret)


def _kind(secret: str) -> str:
    return next(kind for kind, shape in _kinds.items() if shape.in_text(secret))
