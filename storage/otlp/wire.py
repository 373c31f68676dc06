"""Take a protobuf request apart item by item, so that only one item at a time becomes objects.

In: the body of a request. Out: the same messages as from `json_encoding`, for
`storage.otlp.decoder`. protobuf's own decoder makes an object of 50 to 200 bytes of each two bytes
of a hostile body, and gives up a whole request for one bad item.

The wire format: https://protobuf.dev/programming-guides/encoding/. A field is a tag, which is its
number times 8 plus how its value is written, and the value.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError

from storage.otlp.attributes import Envelope, Malformed, Reject, check_number

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}

HEAD, PARTS = 1, 2
"""Fields of the messages around items: what all their parts share, and the parts.

In a request itself, the parts have the first number.
"""

FEW_BYTES = 65_536
"""A message of this size cannot become more than a few megabytes of objects."""

MAX_FIELDS = 100_000
"""Fields within one larger item, at any depth."""

MAX_DEPTH = 100
"""How deep messages may be nested; protobuf's own limit."""

Field = tuple[int, memoryview, memoryview]
"""A field's number, all its bytes, and its value."""


def fields(data: memoryview) -> Iterator[Field]:
    """Yield the fields of a message. The value of a number is empty. Raises `Malformed`."""
    at, end = 0, len(data)
    while at < end:
        begin = at
        tag, at = _varint(data, at)
        kind = tag & 7
        value = at
        if kind == LENGTH:
            length, value = _varint(data, at)
            at = value + length
        elif kind == VARINT:
            _, at = _varint(data, at)
            value = at
        elif kind in WIDTHS:
            at = value = at + WIDTHS[kind]
        else:  # Groups, which OTLP has never had.
            raise Malformed(f"a field is written as type {kind}")
        if at > end:
            raise Malformed("a field is cut off")
        yield tag >> 3, data[begin:at], data[value:at]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where the next field begins."""
    try:
        number = data[at]
        if number < 128:  # As almost always.
            return number, at + 1
        number &= 127
        for shift in range(7, 70, 7):
            at += 1
            number |= (data[at] & 127) << shift
            if data[at] < 128:
                return number, at + 1
    except IndexError:
        raise Malformed("a field is cut off") from None
    raise Malformed("a number is longer than ten bytes")


def read_protobuf(
    body: bytes, messages: tuple[Any, Any, Any], reject: Reject
) -> Iterator[Envelope]:
    """Yield each scope's items, as messages of three classes: resource, scope and item.

    Passes the reason to `reject` for each item that cannot be decoded. Raises `Malformed`, and
    `TooManyItems` before the first one.
    """
    resource_kind, scope_kind, item_kind = messages
    content = memoryview(body)
    _check_items(content)
    for sent in _values(content, HEAD):
        resource = _without_parts(sent, resource_kind).resource
        for sent_scope in _values(sent, PARTS):
            scope = _without_parts(sent_scope, scope_kind)
            yield resource, scope, _items(_values(sent_scope, PARTS), item_kind, reject)


def _check_items(content: memoryview) -> None:
    """Raise `TooManyItems` if there are too many resources, scopes, items and other fields."""
    found = 0
    level = [content]
    for parts in (HEAD, PARTS, PARTS):
        below = []
        for data in level:
            for number, _, value in fields(data):
                found += 1
                check_number(found)
                if number == parts:
                    below.append(value)
        level = below


def _values(data: memoryview, number: int) -> Iterator[memoryview]:
    return (value for found, _, value in fields(data) if found == number)


def _without_parts(data: memoryview, kind: Any) -> Any:
    """Decode a message without its parts. Raises `Malformed`."""
    return _decoded(b"".join(field for number, field, _ in fields(data) if number != PARTS), kind)


def _items(values: Iterable[memoryview], kind: Any, reject: Reject) -> Iterator[Any]:
    for value in values:
        try:
            yield _decoded(bytes(value), kind)
        except Malformed as error:
            reject(str(error))


def _decoded(data: bytes, kind: Any) -> Any:
    if len(data) > FEW_BYTES:
        _check_fields(memoryview(data), kind.DESCRIPTOR)
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise Malformed(f"a message cannot be decoded: {error}") from None


def _check_fields(data: memoryview, descriptor: Any) -> None:
    """Raise `Malformed` if a message holds more than MAX_FIELDS or is nested too deeply."""
    found = 0
    level = [(data, descriptor)]
    for _ in range(MAX_DEPTH):
        below = []
        for content, kind in level:
            known = kind.fields_by_number
            for number, _, value in fields(content):
                found += 1
                if found > MAX_FIELDS:
                    raise Malformed(f"an item holds more than {MAX_FIELDS} values")
                if number in known and known[number].message_type is not None:
                    below.append((value, known[number].message_type))
        level = below
    if level:
        raise Malformed(f"an item is nested deeper than {MAX_DEPTH}")
