"""Server-sent events out of bytes as they come.

Only `data` is read: the model APIs repeat an event's name in it.
https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from collections.abc import Iterator

MAX_EVENT = 1_000_000
"""Bytes of one event: a piece of an answer is a few hundred."""

LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A CR at the end may be half of a CRLF."""


class EventTooLarge(ValueError):
    """An event that does not end would fill the memory."""


class EventStreamReader:
    """Fed with pieces of a stream, cut anywhere; gives the data of each event that is whole."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[str]:
        """Raises `EventTooLarge`."""
        for line in self._lines(piece):
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data).decode("utf-8", "replace")
                self._data, self._size = [], 0
        self._check(self._size + len(self._unread))

    def _lines(self, piece: bytes) -> list[bytes]:
        """Those that are whole now."""
        waiting = self._unread.endswith(b"\r")
        self._unread += piece
        if not (waiting or b"\n" in piece or b"\r" in piece):
            return []  # A long line is not searched from its beginning with each of its pieces.
        *lines, rest = LINE_END.split(bytes(self._unread))
        self._unread = bytearray(rest)
        return lines

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.removeprefix(b"\xef\xbb\xbf") == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
            self._check(self._size)

    def _check(self, size: int) -> None:
        if size > MAX_EVENT:
            raise EventTooLarge(f"an event of more than {MAX_EVENT:,} bytes")
