"""The sandbox's web server: uvicorn on loopback, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from bot.sandbox.delivery.line_faults import LINE_FAULTS, LineFault

STARTING_SECONDS = 10.0
LAST_SECONDS = 1.0
ACCEPTING_ROUNDS = 5
PING_SECONDS = 0.2


def listen(port: int) -> socket.socket:
    """Return a listening socket, so that the address is known before the server runs."""
    return socket.create_server(("127.0.0.1", port), backlog=128)


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that stops at once instead of polling for it ten times a second.

    A test suite starts hundreds of them. `main_loop`, `shutdown`, `servers` and `server_state` are
    not documented; `tests/bot/sandbox/test_server.py` says if a new uvicorn changes them.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # First accept nothing more, then let asyncio hand over what it has accepted. If its server
        # is closed in between, it forgets those connections without closing their sockets, and
        # Python warns of that during whichever test is next.
        for listener in sockets or ():
            asyncio.get_running_loop().remove_reader(listener)
        for _ in range(ACCEPTING_ROUNDS):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        connections = self.server_state.connections
        for connection in list(connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=LAST_SECONDS)
        for connection in connections:
            transport: Any = connection.transport
            transport.abort()
        # An aborted transport closes its socket in the next round.
        await asyncio.sleep(0)


class Server:
    """Serve in a thread until `stop`.

    `on_start` and `before_stop` run on the server's loop; the second while connections are still
    open.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        on_start: Callable[[asyncio.AbstractEventLoop], None],
        before_stop: Callable[[], Awaitable[None]],
    ) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            ws="websockets-sansio",
            # slack_sdk's client can only hang up after it has received another frame: frequent
            # pings keep that wait, and with it every test, short.
            ws_ping_interval=PING_SECONDS,
            lifespan="off",
        )
        self._server = _Uvicorn(config)
        self._listener = listener
        self._on_start = on_start
        self._before_stop = before_stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._started.wait(STARTING_SECONDS):
            raise RuntimeError(f"The sandbox's server did not start within {STARTING_SECONDS:g} s.")

    def stop(self) -> None:
        if self._thread.is_alive():
            self.run(self._end())
        self._thread.join(STARTING_SECONDS)
        self._listener.close()

    def run(self, work: Awaitable[None]) -> None:
        """Run something on the server's loop and wait until it is done."""
        assert self._loop is not None, "start comes first"

        async def wait() -> None:
            await work

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(STARTING_SECONDS)

    async def break_sockets(self, fault: LineFault) -> None:
        """Do something to the TCP connection of every WebSocket."""
        for protocol in list(self._server.server_state.connections):
            transport: Any = getattr(protocol, "transport", None)
            if "websocket" in type(protocol).__module__ and transport is not None:
                LINE_FAULTS[fault](transport)

    async def _end(self) -> None:
        await self._before_stop()
        self._server.told_to_stop.set()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_start(self._loop)
        self._started.set()
        await self._server.serve(sockets=[self._listener])
