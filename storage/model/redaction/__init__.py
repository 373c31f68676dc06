"""Remove secrets from text before it is stored.

A secret is recognised by its shape (a Slack token, a private key), by its name (`password=…`) or by
its place (`curl -u ann:…`, `postgres://ann:…@host`). Three steps keep this fast and thorough:

1. `hints` has RE2 search for all of them at once, in time that is linear in the length of the text.
   Hardly any text has one.
2. `search` reads a text with a hint as it is, with its lines joined and with its escapes undone
   (`unescape`). What is in base64 (`encoded`) is read, too.
3. In each reading, `kinds` and `key_files` find secrets by their shape, `names` by their name, and
   `command_lines`, `printed`, `urls`, `formats`, `calls`, `tables`, `chat` and `otp` by their
   place; `values` knows placeholders, code and prose, and `places` vaults, which are kept.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Any

from storage.model.redaction import hints
from storage.model.redaction.hints import SHORTEST
from storage.model.redaction.names import is_secret_name, names_a_secret
from storage.model.redaction.search import Secret, secrets_in
from storage.model.redaction.values import looks_chosen
from storage.model.text import as_key, storable

REDACTION_FAILED = "[redaction failed]"
"""Stored in place of a value if redaction itself fails."""

MAX_DEPTH = 8
MAX_ITEMS = 1_000
MAX_TEXT = 65_536
SHORTEST_REPEATED = 8
MOST_REPEATED = 50
"""Secrets that are looked for in the rest of their text. Each takes a search of its own."""
VALUES = frozenset(("value", "default", "stringValue", "string_value"))
"""Names in a mapping of what another name there, or the name of the mapping, is about."""
BETWEEN = (" ", '","')
"""Separators of the texts of a list, if they are the arguments of a command, and in JSON."""
LONGEST_NUMBER, LONGEST_WRITTEN = 64, 256
"""Bits of a whole number that is stored as one, and of one that is stored as text."""
SHORT_NAME = 100
"""Names repeat, so the results for names of up to this length are cached."""


def redact_values(values: Iterable[str]) -> None:
    """Redact *values* from now on, whatever they look like, and none that were given before.

    They are the secrets of this process itself.
    """
    if hints.look_for(values):
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
        return "\0" in text or "\\" in text or hints.in_text(text)
    except Exception:  # Lone surrogates cannot be searched.
        return True


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments without secrets, such as X in `--token X` and `TOKEN=X`."""
    try:
        return _redact_arguments([storable(argument) for argument in arguments])
    except Exception:
        return [REDACTION_FAILED]


def _redact_arguments(arguments: Sequence[str], between: Sequence[str] = (" ",)) -> list[str]:
    # A secret may be known by the argument before it. As one line, in which no argument has spaces.
    joined = [re.sub(r"\s", "_", argument) for argument in arguments]
    hidden = [(len(mark), [*secrets_in(mark.join(joined))]) for mark in between]
    redacted = []
    before = 0
    for number, argument in enumerate(arguments):
        found = [*secrets_in(argument)]
        for length, secrets in hidden:
            start = before + number * length
            end = start + len(argument)
            found += [
                (max(first, start) - start, min(last, end) - start, kind)
                for first, last, kind in secrets
                if first < end and last > start
            ]
        redacted.append(_cut(_replaced(argument, _repeated(argument, found)), MAX_TEXT))
        before += len(argument)
    return redacted


def _redact(text: str) -> str:
    text = storable(text)
    if len(text) < SHORTEST or not suspicious(text):
        return text
    return _replaced(text, _repeated(text, list(secrets_in(text))))


def _repeated(text: str, secrets: Sequence[Secret]) -> Iterator[Secret]:
    """Yield `secrets`, and wherever else in `text` one of them stands without its name."""
    yield from secrets
    for value in islice(dict.fromkeys(text[start:end] for start, end, _ in secrets), MOST_REPEATED):
        if text.count(value) > 1 and looks_chosen(value) and len(value) >= SHORTEST_REPEATED:
            for found in re.finditer(re.escape(value), text):
                yield *found.span(), "secret"


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
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= LONGEST_NUMBER else _number(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        return _redact_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _redact_items(list(value)[:MAX_ITEMS], depth)
    return _redact_other(value, depth)


def _redact_items(items: Sequence[Any], depth: int) -> list[Any]:
    texts = [storable(item) for item in items if isinstance(item, str)]
    if len(texts) > 1:  # The arguments of a command, for example.
        redacted = iter(_redact_arguments(texts, BETWEEN))
        return [
            next(redacted) if isinstance(item, str) else _redact_value(item, depth=depth + 1)
            for item in items
        ]
    if all(isinstance(item, list | tuple) and len(item) == 2 for item in items):
        # [["X-API-Key", "…"], …]
        return [
            [_redact_value(name, depth=depth + 2), _redact_pair(str(name), value, depth + 1)]
            for name, value in items
        ]
    return [_redact_value(item, depth=depth + 1) for item in items]


def _number(value: int) -> str:
    # Python turns none of more than 4,300 digits into text.
    bits = value.bit_length()
    return str(value) if bits <= LONGEST_WRITTEN else f"[number of {bits:,} bits]"


def _redact_other(value: object, depth: int) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Enum):
        return _redact_value(value.value, depth=depth + 1)
    return _cut(_redact(str(value)), MAX_TEXT)


def _redact_mapping(value: Mapping[Any, Any], depth: int, above: str = "") -> dict[str, Any]:
    """Return a mapping without secrets, which has the name `above` in another one."""
    redacted = {
        redact_name(str(name)): _redact_pair(str(name), item, depth)
        for name, item in list(value.items())[:MAX_ITEMS]
    }
    # {"name": "API_KEY", "value": "…"}, {"password": {"value": "…"}}
    label = above if is_secret_name(above) else value.get("name", value.get("key"))
    if isinstance(label, str):
        redacted |= {name: _redact_pair(label, value[name], depth) for name in VALUES & {*value}}
    return redacted


def _redact_pair(name: str, value: object, depth: int) -> Any:
    if isinstance(value, str):
        # No search reads lone surrogates, and none should lose the values beside this one.
        if names_a_secret(storable(name), storable(value)):
            return "[redacted:secret]"
    elif isinstance(value, list | tuple | set | frozenset | bytes) and is_secret_name(name):
        return "[redacted:secret]"
    elif isinstance(value, Mapping) and depth + 1 < MAX_DEPTH:
        return _redact_mapping(value, depth + 1, name)
    return _redact_value(value, depth=depth + 1)
