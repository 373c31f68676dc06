"""Read server-sent events from bytes as they arrive.

Only `data` is read: the model APIs repeat an event's name in it.
https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from collections.abc import Iterator

MAX_EVENT = 1_000_000
"""Bytes of one event; the events of an answer have a few hundred."""

LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A CR at the end of what has arrived may be the first half of a CRLF."""


class EventTooLarge(ValueError):
    """An event is larger than `MAX_EVENT`: without a limit it could fill the memory."""


class EventStreamReader:
    """Turns the pieces of a stream, cut anywhere, into the data of complete events."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the data of each event that `piece` completes. Raise `EventTooLarge`."""
        for line in self._lines(piece):
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data).decode("utf-8", "replace")
                self._data, self._size = [], 0
        self._check(self._size + len(self._unread))

    def _lines(self, piece: bytes) -> list[bytes]:
        """Return the lines that `piece` completes."""
        waiting = self._unread.endswith(b"\r")
        self._unread += piece
        if not (waiting or b"\n" in piece or b"\r" in piece):
            # Searching a long line from its beginning with each of its pieces would take time that
            # grows with the square of its length.
            return []
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
