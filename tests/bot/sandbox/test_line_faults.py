"""The sandbox's connections fail as those of Slack do, below WebSockets and without a word."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from slack_sdk import WebClient
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from bot.sandbox import Channel, Sandbox, User


@contextmanager
def connected(sandbox: Sandbox) -> Iterator[ClientConnection]:
    web = WebClient(base_url=sandbox.api_url)
    url = web.apps_connections_open(app_token=sandbox.app_token)["url"]
    with connect(url, proxy=None, ping_interval=None, close_timeout=0.1) as connection:
        assert json.loads(connection.recv(5))["type"] == "hello"
        yield connection


def test_a_connection_can_end_without_a_close_frame(sandbox: Sandbox) -> None:
    with connected(sandbox) as connection:
        sandbox.break_sockets("end")
        with pytest.raises(ConnectionClosedError) as caught:
            connection.recv(5)
    assert caught.value.rcvd is None


@pytest.mark.parametrize("fault", ["silence", "half a frame"])
def test_a_connection_can_stand_while_nobody_is_there(sandbox: Sandbox, fault: str) -> None:
    with connected(sandbox) as connection:
        assert connection.ping().wait(5)
        sandbox.break_sockets(fault)  # type: ignore[arg-type]
        assert not connection.ping().wait(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(0.1)


def test_messages_can_come_in_fragments(sandbox: Sandbox, alice: User, general: Channel) -> None:
    with connected(sandbox) as connection:
        sandbox.break_sockets("fragments")
        sandbox.post(alice, general, "hello " * 100)
        pieces = list(connection.recv_streaming())
        assert len(pieces) == 3
        assert json.loads("".join(map(str, pieces)))["type"] == "events_api"


def test_slack_ends_a_connection_that_it_asked_to_replace(sandbox: Sandbox) -> None:
    with connected(sandbox) as connection:
        sandbox.refresh_sockets(leave_after=0.2)
        told = time.monotonic()
        assert json.loads(connection.recv(5))["reason"] == "refresh_requested"
        with pytest.raises(ConnectionClosed):
            connection.recv(5)
        assert time.monotonic() - told >= 0.1


@pytest.mark.parametrize("name", ["X-OAuth-Scopes", "x-oauth-scopes", "X-OAUTH-SCOPES"])
def test_the_scopes_are_told_under_any_name(sandbox: Sandbox, web: WebClient, name: str) -> None:
    sandbox.scopes_header = name
    assert "chat:write" in web.auth_test().headers[name]
    sandbox.scopes_header = None
    assert "scopes" not in str(web.auth_test().headers).lower()


def test_the_app_is_told_that_its_events_are_withheld(sandbox: Sandbox) -> None:
    with connected(sandbox) as connection:
        sandbox.withhold_events()
        payload = json.loads(connection.recv(5))["payload"]
    assert payload["type"] == "app_rate_limited"
    assert payload["minute_rate_limited"] % 60 == 0
    assert "event" not in payload
