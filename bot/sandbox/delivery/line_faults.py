"""Break TCP connections as networks do: below WebSockets, and without a word."""

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any, Literal

LineFault = Literal["reset", "end", "silence", "half a frame", "fragments"]

AT_ONCE = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""The socket option that makes closing send a TCP reset instead of a regular end."""

TEXT, CONTINUATION, PING, COMPRESSED, FINAL = 0x1, 0x0, 0x9, 0x40, 0x80
PIECES = 3


def _reset(transport: Any) -> None:
    transport.get_extra_info("socket").setsockopt(*AT_ONCE)
    transport.abort()


def _end(transport: Any) -> None:
    """Close regularly, but without a close frame."""
    transport.close()


def _silence(transport: Any) -> None:
    """Neither receive nor send anything more, and stay open: the other end is gone for good."""
    transport.pause_reading()
    transport.write = lambda data: None


def _half_a_frame(transport: Any) -> None:
    """Announce a message of 5,000 bytes, and send only its beginning."""
    transport.write(struct.pack("!BBH", FINAL | TEXT, 126, 5_000) + b'{"type":')
    _silence(transport)


def _fragments(transport: Any) -> None:
    """Send each message in pieces from now on, with a ping between them."""
    write = transport.write

    def write_in_pieces(data: bytes) -> None:
        if not data or data[0] & ~COMPRESSED != FINAL | TEXT:
            write(data)
            return
        content = data[{126: 4, 127: 10}.get(data[1], 2) :]
        size = len(content) // PIECES + 1
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        for number, piece in enumerate(pieces):
            opcode = data[0] & ~FINAL if number == 0 else CONTINUATION
            last = FINAL if number == len(pieces) - 1 else 0
            write(struct.pack("!BBH", last | opcode, 126, len(piece)) + piece)
            write(bytes([FINAL | PING, 0]))

    transport.write = write_in_pieces


LINE_FAULTS: Mapping[LineFault, Callable[[Any], None]] = {
    "reset": _reset,
    "end": _end,
    "silence": _silence,
    "half a frame": _half_a_frame,
    "fragments": _fragments,
}
