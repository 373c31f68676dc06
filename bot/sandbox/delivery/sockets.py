"""Socket Mode: the app's connections, the envelopes sent on them and their acknowledgements."""

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.sandbox.delivery.outbox import Kind, Undelivered
from bot.sandbox.state.values import Json
from bot.sandbox.state.workspace import APP, Workspace

MOST_CONNECTIONS = 10
ACK_SECONDS = 3.0


class Connection:
    """One WebSocket of the app. `waiting` maps an envelope's id to its acknowledgement."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.waiting: dict[str, asyncio.Future[Json | None]] = {}

    async def send(self, envelope: Json) -> Json | None:
        """Return the acknowledgement's payload. Raises `TimeoutError` or `WebSocketDisconnect`."""
        acknowledged: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self.waiting[envelope["envelope_id"]] = acknowledged
        try:
            await self.socket.send_text(json.dumps(envelope))
            # Python 3.11's `wait_for` can swallow a cancellation that comes with the future's end.
            async with asyncio.timeout(ACK_SECONDS):
                return await acknowledged
        finally:
            self.waiting.pop(envelope["envelope_id"], None)

    async def read(self) -> None:
        """Match acknowledgements to envelopes until the app hangs up."""
        async for text in self.socket.iter_text():
            message = json.loads(text)
            acknowledged = self.waiting.get(message.get("envelope_id"))
            if acknowledged is not None and not acknowledged.done():
                acknowledged.set_result(message.get("payload"))

    async def leave(self, after: float) -> None:
        await asyncio.sleep(after)
        # The app may have hung up meanwhile.
        with suppress(RuntimeError, WebSocketDisconnect):
            await self.socket.close()

    def hang_up(self) -> None:
        for acknowledged in self.waiting.values():
            if not acknowledged.done():
                acknowledged.set_exception(WebSocketDisconnect(1006))


class SocketHub:
    """All of the app's connections. Each envelope goes to one of them, in turn.

    Everything here runs on the server's loop, so the lists need no lock of their own; changes are
    made under the workspace's lock only to wake the threads that wait for them.
    """

    late = "timeout"

    def __init__(self, workspace: Workspace) -> None:
        self.connections: list[Connection] = []
        self.opened = 0
        """How many connections were opened so far."""
        self._tickets: set[str] = set()
        self._workspace = workspace
        self._connected = asyncio.Event()
        self._turn = 0
        self._leaving: set[asyncio.Task[None]] = set()

    def new_ticket(self) -> str:
        ticket = secrets.token_hex(12)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, socket: WebSocket) -> None:
        """Serve the URL that `apps.connections.open` returned; a ticket opens it once."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await socket.close(code=4001)
            return
        self._tickets.discard(ticket)
        await socket.accept()
        if len(self.connections) >= MOST_CONNECTIONS:
            await socket.send_text(json.dumps(_disconnect("too_many_websockets")))
            await socket.close()
            return
        await self._attend(Connection(socket))

    async def _attend(self, connection: Connection) -> None:
        await connection.socket.send_text(json.dumps(_hello(len(self.connections) + 1)))
        self.opened += 1  # First: the change wakes those who wait for both.
        self._change(lambda: self.connections.append(connection))
        try:
            with suppress(WebSocketDisconnect):
                await connection.read()
        finally:
            connection.hang_up()
            self._change(lambda: self._remove(connection))

    async def deliver(self, kind: Kind, payload: Json, *, attempt: int, reason: str) -> Json | None:
        connection = await self._next_connection(patient=kind == "events_api")
        envelope: Json = {
            "envelope_id": str(uuid4()),
            "type": kind,
            "accepts_response_payload": kind != "events_api",
            "payload": payload,
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        try:
            return await connection.send(envelope)
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as failure:
            raise Undelivered(self.late) from failure

    async def refresh(self, reason: str, leave_after: float) -> None:
        """Ask the app to replace every connection, as Slack does every few hours.

        A connection that was sent a `warning` stays in use; after any other reason nothing more
        is sent on it. Each of them ends `leave_after` seconds later.
        """
        asked = list(self.connections)
        if reason != "warning":
            self._change(self.connections.clear)
        for connection in asked:
            await connection.socket.send_text(json.dumps(_disconnect(reason)))
            leaving = asyncio.create_task(connection.leave(leave_after))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        for leaving in self._leaving:
            leaving.cancel()
        for connection in list(self.connections):
            # The app may have hung up at this moment.
            with suppress(RuntimeError, WebSocketDisconnect):
                await connection.socket.close(code=1001)

    async def _next_connection(self, *, patient: bool) -> Connection:
        if not self.connections and not patient:
            raise Undelivered("dispatch_failed")
        # One that came may be gone again before this goes on.
        while not self.connections:
            await self._connected.wait()
        connection = self.connections[self._turn % len(self.connections)]
        self._turn += 1
        return connection

    def _remove(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)

    def _change(self, change: Callable[[], None]) -> None:
        with self._workspace.changing():
            change()
        (self._connected.set if self.connections else self._connected.clear)()


def _hello(connections: int) -> Json:
    return {
        "type": "hello",
        "num_connections": connections,
        "debug_info": {"host": "sandbox", "approximate_connection_time": 18060},
        "connection_info": {"app_id": APP},
    }


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
