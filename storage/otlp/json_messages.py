"""Fill protobuf messages from JSON. A bad value is left out, and costs nothing else.

In: an object of JSON and an empty message, from `storage.otlp.json_encoding`. Out: the message. It
is not quite protobuf's own JSON, which refuses a whole message for one bad value: ids are hex
instead of Base64, and may be absent or "".
"""

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from storage.model.redaction import redacted_start
from storage.model.token_counts import LAST
from storage.otlp.losses import (
    INVALID_ID,
    INVALID_TEXT,
    INVALID_VALUE,
    TOO_DEEP,
    UNKNOWN_ENUM,
    Losses,
)
from storage.otlp.repair import MAX_DEPTH

IDS = ("trace_id", "span_id", "parent_span_id")

END = "end_time_unix_nano"

MAX_DIGITS = 40


def fill(message: Any, sent: Mapping[str, Any], losses: Losses, depth: int = 0) -> Any:
    """Set the fields of a message, and return it. What it does not know is ignored."""
    known = _fields(message.DESCRIPTOR)
    for name, value in sent.items():
        field = known.get(name)
        if field is None or value is None:
            continue
        if field.is_repeated:
            if isinstance(value, list):
                _extend(getattr(message, field.name), field, value, losses, depth)
            else:
                _cut(losses, name, value)
        elif field.message_type is None:
            _set(message, field, value, losses)
        elif not isinstance(value, dict):
            _cut(losses, name, value)
        elif depth >= MAX_DEPTH:
            losses.cut(TOO_DEEP)
        else:
            inner = getattr(message, field.name)
            inner.SetInParent()  # An empty list is a value, too.
            fill(inner, value, losses, depth + 1)
    return message


@lru_cache(maxsize=128)
def _fields(descriptor: Any) -> Mapping[str, Any]:
    """Return the fields of a kind of message by both of their names."""
    return {name: field for field in descriptor.fields for name in (field.name, field.json_name)}


def _extend(items: Any, field: Any, sent: list[Any], losses: Losses, depth: int) -> None:
    if field.message_type is not None and depth >= MAX_DEPTH:
        losses.cut(TOO_DEEP)
        return
    for value in sent:
        if field.message_type is None:
            try:
                items.append(_scalar(field, value, losses))
            except (TypeError, ValueError, OverflowError):
                _cut(losses, field.json_name, value)
        elif value is None or isinstance(value, dict):
            fill(items.add(), value or {}, losses, depth + 1)
        else:
            _cut(losses, field.json_name, value)


def _set(message: Any, field: Any, value: Any, losses: Losses) -> None:
    try:
        setattr(message, field.name, _scalar(field, value, losses))
    except (TypeError, ValueError, OverflowError):
        if field.enum_type is not None:
            losses.cut(UNKNOWN_ENUM)
        elif field.name in IDS:
            losses.cut(INVALID_ID, reason=f"{_shown(value)} is not a valid {field.json_name}")
        else:
            _cut(losses, field.json_name, value)
            if field.name == END and value:  # It has ended: `storage.otlp.bounds` says when.
                message.end_time_unix_nano = LAST


def _cut(losses: Losses, name: str, value: Any) -> None:
    losses.cut(INVALID_VALUE, reason=f"{name} cannot be {_shown(value)}")


def _shown(value: Any) -> str:
    """Describe a value for its sender."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return redacted_start(repr(value), 40)


def _scalar(field: Any, value: Any, losses: Losses) -> Any:
    """Return what a field is set to. Raises TypeError, ValueError and OverflowError."""
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return bytes.fromhex(value) if field.name in IDS else _from_base64(value)
        return _text(value, losses)
    if kind in (field.CPPTYPE_BOOL, field.CPPTYPE_ENUM):
        return value  # Enums are also told by name.
    if isinstance(value, bool):
        raise TypeError
    return float(value) if kind == field.CPPTYPE_DOUBLE else _integer(value)


def _text(value: Any, losses: Losses) -> str:
    if not isinstance(value, str):
        raise TypeError
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # Half of a surrogate pair.
        losses.cut(INVALID_TEXT)
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, str):
        digits = value[:MAX_DIGITS]
        # The JSON of protobuf may write a number as 1.7e18, also as a string.
        value = float(digits) if "." in digits or "e" in digits.lower() else int(digits)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return value if type(value) is int else int(value)


def _from_base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    standard = value.replace("-", "+").replace("_", "/")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
