"""Repair a protobuf message that cannot be decoded, so that a bad value costs only itself.

In: the bytes of an item, a resource or a scope, from `storage.otlp.wire`. Out: bytes that protobuf
decodes. Text that is not UTF-8 is corrected; what is cut off, nested too deeply or too numerous is
left out. The time is linear in the number of fields, which has a limit for each request.
"""

from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from storage.otlp.losses import (
    INVALID_TEXT,
    INVALID_VALUE,
    TOO_DEEP,
    TOO_MANY_VALUES,
    Losses,
    Malformed,
)
from storage.otlp.wire_fields import LENGTH, VARINT, fields, read_varint, varint

MAX_DEPTH = 96
"""How deep messages may be nested in an item: 32 lists of names and values, or 48 plain lists.

protobuf takes 100.
"""

MAX_VALUES = 10_000
"""Fields within one attribute's value, or within a log record's body, at any depth."""

MAX_FIELDS = 100_000
"""Fields within one item, at any depth."""

MAX_REPAIRED = 2_000_000
"""Fields in the items of one request that are looked at one by one: about two seconds."""

VALUE = AnyValue.DESCRIPTOR


class ItemTooLarge(Malformed):
    """An item holds more than MAX_FIELDS."""


class _TooManyValues(Exception):
    """A value holds more than MAX_VALUES."""


class Repair:
    """Repair messages of one request."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._left = MAX_REPAIRED
        self._left_in_item = 0
        self._left_in_value: int | None = None
        """Of MAX_VALUES, None outside of values."""

    def message(self, data: bytes, descriptor: Any) -> bytes:
        """Return the message in a form that can be decoded.

        Raises `Malformed` if it holds too much, or if too much of the request has been repaired.
        """
        self._left_in_item = MAX_FIELDS
        return self._repaired(data, 0, len(data), descriptor, 0)

    def _repaired(self, data: bytes, at: int, end: int, descriptor: Any, depth: int) -> bytes:
        pieces: list[bytes] = []
        known = descriptor.fields_by_number
        try:
            for number, kind, _, value, after in fields(data, at, end):
                self._count()
                if number not in known:
                    continue  # It would be ignored.
                content = self._content(data, value, after, kind, known[number], depth)
                if content is not None:
                    pieces += varint(number << 3 | kind), content
        except Malformed as error:
            if min(self._left, self._left_in_item) < 0:
                raise
            self._losses.cut(INVALID_VALUE, reason=str(error))
        return b"".join(pieces)

    def _content(
        self, data: bytes, at: int, end: int, kind: int, field: Any, depth: int
    ) -> bytes | None:
        """Return the bytes behind a field's tag, None if it has to be left out."""
        if kind == VARINT:  # Shortened: protobuf refuses numbers of more than 64 bits.
            return varint(read_varint(data, at)[0] % 2**64)
        if kind != LENGTH:
            return data[at:end]
        if field.message_type is not None:
            inner = self._inner(data, at, end, field.message_type, depth + 1)
        elif field.type == field.TYPE_STRING:
            inner = self._text(data[at:end])
        elif field.type == field.TYPE_BYTES:
            inner = data[at:end]
        else:
            # Numbers without tags, such as the buckets of a histogram: nobody reads them, and
            # each of a byte becomes eight or more.
            inner = None
        return None if inner is None else varint(len(inner)) + inner

    def _inner(self, data: bytes, at: int, end: int, descriptor: Any, depth: int) -> bytes | None:
        """Return a message within another, None if it has to be left out."""
        if depth > MAX_DEPTH:
            self._losses.cut(TOO_DEEP)
            return None
        if descriptor is not VALUE or self._left_in_value is not None:
            return self._repaired(data, at, end, descriptor, depth)
        self._left_in_value = MAX_VALUES
        try:
            return self._repaired(data, at, end, descriptor, depth)
        except _TooManyValues:
            self._losses.cut(TOO_MANY_VALUES)
            return None
        finally:
            self._left_in_value = None

    def _count(self) -> None:
        self._left -= 1
        self._left_in_item -= 1
        if self._left_in_item < 0:
            raise ItemTooLarge(f"an item holds more than {MAX_FIELDS} values")
        if self._left < 0:
            raise Malformed("too many values of one request have to be looked at")
        if self._left_in_value is not None:
            self._left_in_value -= 1
            if self._left_in_value < 0:
                raise _TooManyValues

    def _text(self, text: bytes) -> bytes:
        try:
            text.decode()
        except UnicodeDecodeError:
            self._losses.cut(INVALID_TEXT)
            return text.decode("utf-8", "replace").encode()
        return text
