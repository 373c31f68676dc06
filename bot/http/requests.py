"""Read a request within limits, or refuse it with a reason."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

MAX_MEMBERS = 64
"""Members of one gzip body: each costs a copy of those that follow."""

CountRefusal = Callable[[str], object]
"""Count one refused request, by its cause such as `slack: signature`."""


class Refused(Exception):
    """The request is refused. The message tells its sender why.

    `cause` is one word for the log and for `health`.
    """

    def __init__(self, status: int, cause: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.cause = cause
        self.message = message


class BodyBudget:
    """Bound the bytes of all bodies that are in memory at once. Used on one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """Return what to call with the size of each piece; it raises `Refused` if all is used.

        The bytes count until the end of the block.
        """
        used = 0

        def received(size: int) -> None:
            nonlocal used
            if self._used + size > self._limit:
                raise busy()
            used += size
            self._used += size

        try:
            yield received
        finally:
            self._used -= used


def busy() -> Refused:
    return Refused(503, "busy", "Too many requests at once. Send it again later.")


async def read_body(
    request: Request,
    *,
    limit: int,
    seconds: float,
    received: Callable[[int], None],
) -> bytes:
    """Return the body of at most `limit` bytes. Raises `Refused`.

    `received` is called with the size of each piece, and may refuse it.
    """
    too_large = Refused(413, "size", f"Send at most {limit} bytes at once.")
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                received(len(piece))
                body += piece
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise Refused(408, "time", f"The body did not arrive within {seconds:.0f} s.") from None
    except ClientDisconnect:
        raise Refused(400, "body", "The connection closed before the body was complete.") from None
    return bytes(body)


def decompressed(body: bytes, *, limit: int) -> bytes:
    """Return what a gzip body holds, at most `limit` bytes. Raises `Refused`."""
    content = bytearray()
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            content += member.decompress(body, limit + 1 - len(content))
        except zlib.error as error:
            raise Refused(400, "body", f"The body is not valid gzip: {error}.") from None
        if len(content) > limit:
            raise Refused(413, "size", f"Send at most {limit} bytes at once, also when compressed.")
        if not member.eof:
            raise Refused(400, "body", "The gzip body is cut off: its end is missing.")
        body = member.unused_data
        if not body:
            return bytes(content)
    raise Refused(400, "body", f"The gzip body has more than {MAX_MEMBERS} members.")
