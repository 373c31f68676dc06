"""Bound what one connection may cost: time, memory, and its place among the others.

uvicorn alone waits for the headers and the body of a request for as long as the connection stands,
and for a client that does not read its response. So a few hundred idle connections, which cost a
stranger nothing, would keep everybody else out.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.http.requests import CountRefusal

MAX_CONNECTIONS = 256
"""Connections that are open at once. One more closes the one that has kept us waiting longest."""

HEADERS_S = 10.0
"""How long a client may take for the headers of a request, from its first byte or the connection.

They may have 16 KiB in all, which is h11's own limit.
"""

BODY_S = 30.0
"""How long a client may take for the body of a request."""

UNREAD_S = 2.0
"""How long the rest of a refused body is still received, and ignored.

Closing at once would reset the connection, and the client might not see why it was refused.
"""

RESPONSE_S = 10.0
"""How long a client may leave a response unread once the buffers are full."""


TLS = b"\x16"
"""How a connection begins whose client believes that we speak HTTPS."""


class StrictParser(h11.Connection):
    """Refuses a request whose end is told in two ways.

    h11 believes the one, and a proxy in front may believe the other: to it a request that is hidden
    in the body of the first would be part of that (RFC 9112, 6.1).
    """

    def next_event(self) -> Any:
        """Return the next event. Raises `h11.RemoteProtocolError`."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding")
        return event


class BoundedConnection(H11Protocol):
    """One client's connection, as uvicorn's own but with limits on its time.

    `refused` is told why of each request that is not HTTP, and that no application sees.
    """

    def __init__(self, *args: Any, refused: CountRefusal, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused = refused
        self._first = b""
        self.conn = StrictParser(h11.SERVER)
        self._timer: asyncio.TimerHandle | None = None
        self._phase: object = None
        self._since = self.loop.time()
        """When this phase began, by the loop's clock."""
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._timer, self._unread):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        self._first = self._first or data[:1]
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _should_upgrade(self) -> bool:
        """Answer in HTTP/1.1, whatever the client offers.

        Java's offers HTTP/2 with its first request, for which uvicorn logs that it needs a library
        for WebSockets.
        """
        return False

    def send_400_response(self, msg: str) -> None:
        """Tell the client that this is not HTTP, unless its response has begun already."""
        if self.cycle is None:  # Else the application has counted its first request.
            self._refused("https" if self._first == TLS else "HTTP")
        else:
            # The application may be at work on the first part of it: its response is dropped.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(RESPONSE_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    @property
    def _keeps_us_waiting(self) -> bool:
        """True unless a whole request is here and we are at work on it."""
        return self.transport.is_closing() or self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _make_room(self) -> None:
        """Close the connection that has kept us waiting longest, or this one if all are at work."""
        waiting = (
            each
            for each in self.connections
            if isinstance(each, BoundedConnection) and each is not self and each._keeps_us_waiting
        )
        longest = min(waiting, key=lambda each: each._since, default=self)
        # The loop closes it in a moment. Of a burst each one more must choose another.
        self.connections.discard(longest)
        longest.transport.abort()

    def _watch(self) -> None:
        """Set the time limit of what the client does now: headers, a body, or nothing."""
        receiving = self.conn.their_state
        answered = self.cycle is not None and self.cycle.response_complete
        idle = receiving is h11.IDLE and answered and not self.conn.trailing_data[0]
        phase = (receiving, idle or (receiving is h11.SEND_BODY and answered))
        if phase == self._phase:
            return
        self._phase, self._since = phase, self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if receiving is h11.IDLE and not idle:  # uvicorn limits the time between two requests.
            self._timer = self.loop.call_later(HEADERS_S, self.transport.abort)
        elif receiving is h11.SEND_BODY:
            limit = UNREAD_S if answered else BODY_S
            self._timer = self.loop.call_later(limit, self.transport.abort)
