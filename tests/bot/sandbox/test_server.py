"""The sandbox's server: how it stops, and the undocumented parts of uvicorn that it relies on."""

import asyncio
import inspect
import socket

import pytest
import uvicorn
from starlette.applications import Starlette

from bot.sandbox.delivery.server import Server, listen

ADVICE = "uvicorn changed: adapt bot/sandbox/delivery/server.py"


def test_uvicorn_still_has_what_the_sandboxs_server_overrides() -> None:
    server = uvicorn.Server(uvicorn.Config(Starlette()))
    assert inspect.iscoroutinefunction(server.main_loop), ADVICE
    assert list(inspect.signature(server.shutdown).parameters) == ["sockets"], ADVICE
    assert server.server_state.connections == set(), ADVICE
    assert server.server_state.tasks == set(), ADVICE
    assert "self.servers" in inspect.getsource(uvicorn.Server.startup), ADVICE


@pytest.mark.parametrize("rounds", range(4))
def test_a_connection_opened_while_the_server_stops_is_closed(rounds: int) -> None:
    listener = listen(0)
    with socket.socket() as client:
        client.settimeout(5)

        async def connect() -> None:
            client.connect(listener.getsockname())
            # asyncio accepts it within the next rounds of its loop.
            for _ in range(rounds):
                await asyncio.sleep(0)

        server = Server(Starlette(), listener, on_start=lambda loop: None, before_stop=connect)
        server.start()
        server.stop()
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            """Closed before it was accepted."""
