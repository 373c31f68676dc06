"""The sandbox's server: how it stops, and the undocumented parts of uvicorn that it relies on."""

import asyncio
import inspect
import socket
from collections.abc import Iterator

import pytest
import uvicorn
from slack_sdk import WebClient
from starlette.applications import Starlette
from websockets.sync.client import ClientConnection, connect

from bot.sandbox import Channel, Sandbox, User
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


@pytest.fixture
def connection(sandbox: Sandbox, web: WebClient) -> Iterator[ClientConnection]:
    url = web.apps_connections_open(app_token=sandbox.app_token)["url"]
    with connect(url, proxy=None) as opened:
        opened.recv(5)  # The greeting.
        yield opened


def test_a_connection_that_ends_while_the_sandbox_stops_does_not_delay_it(
    sandbox: Sandbox, connection: ClientConnection, alice: User, general: Channel
) -> None:
    sandbox.post(alice, general, "hello")
    connection.recv(5)  # The event, which stays unacknowledged.

    async def end() -> None:
        for each in sandbox._slack.sockets.connections:
            each.hang_up()
        await sandbox._slack.outbox.stop()

    sandbox._server.run(end())


def test_a_connection_that_is_lost_while_the_sandbox_stops_does_not_fail_it(
    sandbox: Sandbox, connection: ClientConnection
) -> None:
    sandbox.wait_for_app()

    async def end() -> None:
        await sandbox._server.break_sockets("reset")
        await asyncio.sleep(0)  # Now uvicorn knows that it is lost, and our reader does not yet.
        await sandbox._slack.sockets.close()

    sandbox._server.run(end())
