"""The sandbox's own web server: uvicorn on loopback, in a thread of its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

STARTING_SECONDS = 10.0
LAST_SECONDS = 1.0
PING_SECONDS = 0.2
AT_ONCE = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""The socket option that makes closing a reset, instead of a polite end."""


def listen(port: int) -> socket.socket:
    """A bound socket, so that the address is known before anything runs."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


class _Uvicorn(uvicorn.Server):
    """Stops when it is told to, and at once, where uvicorn looks ten times a second.

    A suite starts a hundred of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=LAST_SECONDS)
        # A closed transport says goodbye in the loop's next round.
        await asyncio.sleep(0)


class Server:
    """Runs until `stop`. `before_stop` runs on the loop, while connections still stand."""

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
            # slack_sdk's own client waits for the next frame before it can hang up.
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
            raise RuntimeError("The sandbox's server did not start.")

    def stop(self) -> None:
        if self._thread.is_alive():
            self.run(self._end())
        self._thread.join(STARTING_SECONDS)
        self._listener.close()

    def run(self, work: Awaitable[None]) -> None:
        """Run something on the server's loop, and wait for it."""
        assert self._loop is not None, "start comes first"

        async def wait() -> None:
            await work

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(STARTING_SECONDS)

    async def abort_sockets(self) -> None:
        """Cut every WebSocket off with a TCP reset, as a broken network does."""
        for protocol in list(self._server.server_state.connections):
            transport: Any = getattr(protocol, "transport", None)
            if "websocket" in type(protocol).__module__ and transport is not None:
                transport.get_extra_info("socket").setsockopt(*AT_ONCE)
                transport.abort()

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
