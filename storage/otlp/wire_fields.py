"""Find the fields of a protobuf message without decoding it."""

from collections.abc import Iterator

from storage.otlp.losses import Malformed

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""How a value is written: as a number of 1 to 10 bytes, 8 bytes, its length and it, 4 bytes."""

WIDTHS = {FIXED64: 8, FIXED32: 4}

Field = tuple[int, int, int, int, int]
"""A field's number, how its value is written, and where it, its value and the next field begin."""


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message between two positions. Raises `Malformed`."""
    try:
        while at < end:
            begin = at
            # Almost all tags and lengths are one byte.
            tag, at = (data[at], at + 1) if data[at] < 128 else read_varint(data, at)
            kind = tag & 7
            value = at
            if kind == LENGTH:
                length, value = (data[at], at + 1) if data[at] < 128 else read_varint(data, at)
                at = value + length
            elif kind == VARINT:
                _, at = read_varint(data, at)
            else:
                at += WIDTHS[kind]
            if at > end:
                raise Malformed("a field is cut off")
            yield tag >> 3, kind, begin, value, at
    except IndexError:
        raise Malformed("a field is cut off") from None
    except KeyError:  # Groups, which OTLP has never had.
        raise Malformed(f"a field is written as type {kind}") from None


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends.

    Raises IndexError if the data ends before it does, and `Malformed`.
    """
    number = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise Malformed("a number is longer than ten bytes")


def varint(number: int) -> bytes:
    """Return a number as it is written in a message."""
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)
