"""Remove secrets from text before it is stored.

A secret is recognised by its shape (a Slack token, a private key), by its name (`password=…`) or by
its place (`curl -u ann:…`, `postgres://ann:…@host`). Three steps keep this fast and thorough:

1. RE2 searches for all hints at once, in time that is linear in the length of the text. Hardly any
   text has one.
2. A text with a hint is read as it is, with its lines joined and with its escapes undone
   (`unescape`). What is in base64 (`encoded`) is read, too.
3. In each reading, `kinds` and `key_files` find secrets by their shape, `names` by their name, and
   `command_lines`, `printed`, `urls`, `formats`, `calls`, `tables`, `chat` and `otp` by their
   place; `values` knows placeholders, code and prose, and `places` vaults, which are kept.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import accumulate, chain, islice
from typing import Any

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
from storage.model.redaction.key_files import BEGINS, private_keys
from storage.model.redaction.kinds import (
    KINDS,
    MARKED,
    UNKNOWN,
    UNPREFIXED,
    UNPREFIXED_HINTS,
    plausible,
    plausible_unknown,
)
from storage.model.redaction.names import is_secret_name
from storage.model.redaction.patterns import Pattern, Range
from storage.model.redaction.unescape import HINT as CONTINUED
from storage.model.redaction.unescape import INVISIBLE, readings
from storage.model.redaction.values import looks_chosen
from storage.model.text import as_key, storable

REDACTION_FAILED = "[redaction failed]"
"""Stored in place of a value if redaction itself fails."""

Secret = tuple[int, int, str]
"""The start, the end and the kind of a secret in a text."""

MAX_DEPTH = 8
MAX_ITEMS = 1_000
MAX_TEXT = 65_536
SHORTEST = 6
SHORTEST_REPEATED = 8
MOST_REPEATED = 50
"""Secrets that are looked for in the rest of their text. Each takes a search of its own."""
SHORT_NAME = 100
"""Names repeat, so the results for names of up to this length are cached."""

_EDGE = r"(?:^|[^A-Za-z0-9])"
_STRICT_EDGE = r"(?:^|[^A-Za-z0-9+/_.~-])"
_SHAPES = "|".join(shape for shapes in KINDS.values() for shape in shapes)
_UNPREFIXED = "|".join(shape for shapes in UNPREFIXED.values() for shape in shapes)
_MARKED = "|".join(shape for shapes in MARKED.values() for shape in shapes)

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


_shapes = Pattern(rf"{_EDGE}(?P<known>{_SHAPES})")
_unprefixed_hints = Pattern(UNPREFIXED_HINTS)
_unprefixed = Pattern(
    rf"{_STRICT_EDGE}(?:(?P<known>{_UNPREFIXED})|(?P<unknown>{UNKNOWN}))|(?P<marked>{_MARKED})"
)
_kinds = {
    kind: Pattern(rf"^(?:{'|'.join(shapes)})")
    for kind in {**KINDS, **UNPREFIXED, **MARKED}
    if (shapes := [shape for each in (KINDS, UNPREFIXED, MARKED) for shape in each.get(kind, ())])
}
_PLACES = (names, command_lines, printed, urls, formats, calls, tables, chat, otp)
_FINDERS = {find: patterns for place in _PLACES for find, patterns in place.FINDERS.items()}
# A search for all at once has so many states that RE2 keeps forgetting and computing them anew.
_needed = {
    find: Pattern("|".join(f"(?:{each})" for each in patterns))
    for find, patterns in _FINDERS.items()
}
_HINTS = (
    f"{_EDGE}(?:{_beginnings(chain.from_iterable(KINDS.values()))})",
    BEGINS,
    UNPREFIXED_HINTS,
    *(_as_hint(hint) for place in _PLACES for hint in place.HINTS),
    # Text that may read otherwise.
    encoded.HINT,
    CONTINUED,
    r"%[0-9A-Fa-f]{2}|&(?:[a-z]+|#\w+);|\x1b",
    "[" + re.sub(r"\\u(\w{4})", r"\\x{\1}", INVISIBLE) + "“”„‘’«»：＝]",
)
_hints = Pattern("|".join(_HINTS))
_own: Pattern | None = None


def redact_values(values: Iterable[str]) -> None:
    """Redact *values* from now on, whatever they look like, and none that were given before.

    They are the secrets of this process itself.
    """
    global _hints, _own
    own = sorted({re.escape(value) for value in values if len(value) >= SHORTEST})
    if (_own.pattern if _own is not None else "") == "|".join(own):
        return  # The patterns are not compiled again, which takes 10 ms.
    # Part of the hints, so that looking for them costs no search of its own.
    _own = Pattern("|".join(own)) if own else None
    _hints = Pattern("|".join((*_HINTS, *own)))
    _redact_short_name.cache_clear()


def redact(text: str) -> str:
    """Return `text` with each secret replaced by its kind, such as `[redacted:slack_token]`.

    Text that is longer than `MAX_TEXT` characters is cut after that.
    """
    return _cut(_uncut(text), MAX_TEXT)


def redacted_start(text: str, length: int) -> str:
    """Return at most the first `length` characters of `text`, without secrets if it is cut.

    Half a secret cannot be recognised any more, so nothing may be cut before it is redacted. Text
    that is short enough is redacted when it is stored.
    """
    return text if len(text) <= length else _uncut(text)[:length]


def redacted_end(text: str, length: int) -> str:
    """Return at most the last `length` characters of `text`, without secrets if it is cut."""
    return text if len(text) <= length else _uncut(text)[-length:]


def _uncut(text: str) -> str:
    try:
        return _redact(text)
    except Exception:
        return REDACTION_FAILED


def redact_value(value: object) -> Any:
    """Return `value` without secrets, as values that JSON can hold.

    In mappings, the whole value of a secret name is replaced.
    """
    try:
        return _redact_value(value, depth=0)
    except Exception:
        return REDACTION_FAILED


def redact_name(name: str) -> str:
    """Return `name` without secrets, and short enough for an index.

    Names repeat, so results for short ones are remembered.
    """
    return _redact_short_name(name) if len(name) <= SHORT_NAME else as_key(redact(name))


def suspicious(text: str) -> bool:
    """Return False if `redact` would change nothing in `text`, which may hold several strings.

    One search of a long text is faster than one for each string in it, such as those of a JSON
    document. No pattern depends on where a text begins or ends, so a secret that `redact` would
    find in a string is also found if other text surrounds that string, as long as no letter or
    digit touches it. True may be a false alarm.
    """
    try:
        return "\0" in text or "\\" in text or _hints.in_text(text)
    except Exception:  # Lone surrogates cannot be searched.
        return True


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments without secrets, such as X in `--token X` and `TOKEN=X`."""
    try:
        return _redact_arguments([storable(argument) for argument in arguments])
    except Exception:
        return [REDACTION_FAILED]


def _redact_arguments(arguments: Sequence[str]) -> list[str]:
    # A secret may be known by the argument before it. As one line, in which no argument has spaces.
    joined = [re.sub(r"\s", "_", argument) for argument in arguments]
    hidden = list(_secrets(" ".join(joined)))
    redacted = []
    start = 0
    for argument in arguments:
        end = start + len(argument)
        here = [
            (max(first, start) - start, min(last, end) - start, kind)
            for first, last, kind in hidden
            if first < end and last > start
        ]
        redacted.append(_cut(_replaced(argument, [*here, *_secrets(argument)]), MAX_TEXT))
        start = end + 1
    return redacted


def _redact(text: str) -> str:
    text = storable(text)
    if len(text) < SHORTEST or not suspicious(text):
        return text
    return _replaced(text, _repeated(text, list(_secrets(text))))


def _repeated(text: str, secrets: Sequence[Secret]) -> Iterator[Secret]:
    """Yield `secrets`, and wherever else in `text` one of them stands without its name."""
    yield from secrets
    for value in islice(dict.fromkeys(text[start:end] for start, end, _ in secrets), MOST_REPEATED):
        if text.count(value) > 1 and looks_chosen(value) and len(value) >= SHORTEST_REPEATED:
            for found in re.finditer(re.escape(value), text):
                yield *found.span(), "secret"


def _secrets(text: str) -> Iterator[Secret]:
    for reading in readings(text):
        if _hints.in_text(reading.text):
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
    finders = (_own_secrets, *needed)
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


def _own_secrets(text: str) -> Iterator[Range]:
    return (found[""] for found in _own.finditer(text)) if _own is not None else iter(())


def _kind(secret: str) -> str:
    return next(kind for kind, shape in _kinds.items() if shape.in_text(secret))


def _replaced(text: str, secrets: Iterable[Secret]) -> str:
    """Return `text` with one mark in place of secrets that touch or overlap."""
    pieces: list[str] = []
    copied = 0
    for start, end, kind in sorted(secrets, key=lambda secret: (secret[0], -secret[1])):
        if start >= copied and text[start:end] != f"[redacted:{kind}]":
            pieces += text[copied:start], f"[redacted:{kind}]"
            copied = end
        elif end > copied:  # It overlaps the one before, whose mark stands for both.
            copied = end
    return "".join((*pieces, text[copied:]))


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    kept = length - len(" [… 1234567890 characters more]")
    return f"{text[:kept]} [… {len(text) - kept} characters more]"


@lru_cache(maxsize=4_096)
def _redact_short_name(name: str) -> str:
    return redact(name)


def _redact_value(value: object, *, depth: int) -> Any:
    if isinstance(value, str):
        return _cut(_redact(value), MAX_TEXT)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(item, depth=depth + 1) for item in list(value)[:MAX_ITEMS]]
    return _redact_other(value, depth)


def _redact_other(value: object, depth: int) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Enum):
        return _redact_value(value.value, depth=depth + 1)
    return _cut(_redact(str(value)), MAX_TEXT)


def _redact_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    redacted = {
        redact_name(str(name)): _redact_pair(str(name), item, depth)
        for name, item in list(value.items())[:MAX_ITEMS]
    }
    # {"name": "API_KEY", "value": "…"}
    label = value.get("name", value.get("key"))
    if isinstance(label, str) and "value" in value:
        redacted["value"] = _redact_pair(label, value["value"], depth)
    return redacted


def _redact_pair(name: str, value: object, depth: int) -> Any:
    if isinstance(value, str):
        # No search reads lone surrogates, and none should lose the values beside this one.
        if names.names_a_secret(storable(name), storable(value)):
            return "[redacted:secret]"
    elif isinstance(value, list | tuple | set | frozenset | bytes) and is_secret_name(name):
        return "[redacted:secret]"
    return _redact_value(value, depth=depth + 1)
