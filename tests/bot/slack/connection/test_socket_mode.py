"""Socket Mode: a connection that fails in any way is replaced in seconds, and loses no event."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from websockets.sync.server import Server, ServerConnection, serve

from bot.retry import RetryPolicy
from bot.sandbox import Channel, Sandbox, User
from bot.sandbox.delivery import sockets
from bot.settings import SettingsError
from bot.slack.connection.credentials import socket_url
from bot.slack.connection.socket_connection import Connection, Timing
from bot.slack.connection.socket_mode import SocketMode
from bot.slack.connection.status import ConnectionStatus
from bot.slack.errors import SlackUnavailable
from tests.support.conversations import eventually

FAST = Timing(
    open_s=0.5,
    ping_s=0.2,
    close_s=0.1,
    leave_s=0.5,
    steady_s=0.0,
    backoff=RetryPolicy(attempts=None, first_wait_s=0.05, longest_wait_s=0.1),
)
HELLO = json.dumps({"type": "hello", "num_connections": 1})


class Line:
    """A line whose handler remembers each event and acknowledges it."""

    def __init__(self, open_url: Callable[[], str], **timing: Any) -> None:
        self.texts: list[str] = []
        self.stood = 0
        self.status = ConnectionStatus(self._stands)
        self.socket = SocketMode(
            open_url, self._handle, self.status, timing=replace(FAST, **timing)
        )

    def _stands(self) -> None:
        self.stood += 1

    def _handle(self, connection: Connection, request: SocketModeRequest) -> None:
        event = request.payload.get("event", {})
        if event.get("type") == "message":
            self.texts.append(event["text"])
        connection.send_socket_mode_response(SocketModeResponse(request.envelope_id))


@contextmanager
def running(line: Line) -> Iterator[Line]:
    line.socket.start()
    try:
        yield line
    finally:
        line.socket.close()


def line_to(sandbox: Sandbox, **timing: Any) -> Line:
    web = WebClient(base_url=sandbox.api_url)
    return Line(lambda: socket_url(web, sandbox.app_token), **timing)


@contextmanager
def slack(behave: Callable[[ServerConnection, int], None]) -> Iterator[str]:
    """Run a server whose connection number n, from 1, behaves as `behave(connection, n)` does."""
    numbers = iter(range(1, 1_000))
    with serve(lambda each: behave(each, next(numbers)), "127.0.0.1", 0, close_timeout=0.1) as run:
        threading.Thread(target=run.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{port(run)}/"


def port(server: Server) -> int:
    return int(server.socket.getsockname()[1])


@pytest.mark.parametrize("fault", ["reset", "end", "silence", "half a frame"])
def test_a_connection_that_fails_is_replaced(
    sandbox: Sandbox, alice: User, general: Channel, fault: str
) -> None:
    with running(line_to(sandbox)) as line:
        sandbox.wait_for_app()
        sandbox.break_sockets(fault)  # type: ignore[arg-type]
        sandbox.wait_for_app(opened=2, timeout=10)
        eventually(lambda: line.status.problem is None)
        if fault in ("reset", "end"):  # Of the others Slack knows nothing, and sends to both.
            sandbox.post(alice, general, "are you back?")
            eventually(lambda: line.texts == ["are you back?"])


def test_a_message_in_fragments_is_one_message(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    with running(line_to(sandbox)) as line:
        sandbox.wait_for_app()
        sandbox.break_sockets("fragments")
        sandbox.post(alice, general, "hello " * 1_000)
        sandbox.settle()
        assert line.texts == ["hello " * 1_000]


def test_a_refresh_loses_no_event_and_repeats_none(
    sandbox: Sandbox, alice: User, general: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    with running(line_to(sandbox)) as line:
        sandbox.wait_for_app()
        for number in range(30):
            sandbox.post(alice, general, str(number))
            if number % 10 == 5:
                # A connection that is warned takes events while its successor is opened.
                sandbox.refresh_sockets("warning" if number == 15 else "refresh_requested")
            if number % 10 == 9:
                sandbox.wait_for_app(opened=2 + number // 10)
        sandbox.settle()
        assert sorted(line.texts, key=int) == [str(number) for number in range(30)]
    assert not [each for each in caplog.records if each.levelno >= logging.INFO]


def test_a_replaced_connection_is_left_to_slack_for_a_while(sandbox: Sandbox) -> None:
    with running(line_to(sandbox, leave_s=10.0)) as line:
        sandbox.wait_for_app()
        sandbox.refresh_sockets("warning", leave_after=0.3)
        sandbox.wait_for_app(opened=2, connections=2)
        sandbox.wait_until(lambda: len(sandbox._slack.sockets.connections) == 1)
        assert line.status.problem is None


def test_a_replaced_connection_that_slack_leaves_open_is_closed(sandbox: Sandbox) -> None:
    with running(line_to(sandbox, leave_s=0.2)):
        sandbox.wait_for_app()
        sandbox.refresh_sockets("warning", leave_after=60.0)
        sandbox.wait_for_app(opened=2, connections=2)
        sandbox.wait_until(lambda: len(sandbox._slack.sockets.connections) == 1)


@pytest.mark.parametrize("slow", [1, 30])
def test_slow_listeners_keep_no_other_event_waiting(
    sandbox: Sandbox, alice: User, general: Channel, slow: int
) -> None:
    """Thirty messages that wait for a locked database, and a command."""
    line, go = line_to(sandbox), threading.Event()
    answer = line.socket._handle

    def handle(connection: Connection, request: SocketModeRequest) -> None:
        if request.payload["event"]["text"] == "slow":
            go.wait(20)
        answer(connection, request)

    line.socket._handle = handle
    with running(line):
        for _ in range(slow):
            sandbox.post(alice, general, "slow")
        sandbox.post(alice, general, "fast")
        eventually(lambda: line.texts == ["fast"])
        sandbox.refresh_sockets()
        sandbox.wait_for_app(opened=2)
        go.set()
        sandbox.settle()
        assert line.texts == ["fast", *["slow"] * slow]


def test_an_envelope_whose_listener_fails_comes_again(
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "ACK_SECONDS", 0.2)
    line, failures = line_to(sandbox), [ValueError("once")]
    answer = line.socket._handle

    def handle(connection: Connection, request: SocketModeRequest) -> None:
        if failures:
            raise failures.pop()
        answer(connection, request)

    line.socket._handle = handle
    with running(line):
        sandbox.post(alice, general, "hello")
        eventually(lambda: line.texts == ["hello"])
    assert "An envelope of type events_api failed" in caplog.text


def test_closing_acknowledges_what_was_taken(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    line, begun = line_to(sandbox), threading.Event()
    answer = line.socket._handle

    def handle(connection: Connection, request: SocketModeRequest) -> None:
        begun.set()
        time.sleep(0.2)
        answer(connection, request)

    line.socket._handle = handle
    line.socket.start()
    sandbox.post(alice, general, "hello")
    assert begun.wait(10)
    line.socket.close()
    sandbox.settle()
    assert line.texts == ["hello"]


def test_slack_that_is_away_costs_nothing_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    attempts = []

    def open_url() -> str:
        attempts.append(time.monotonic())
        raise SlackUnavailable("Slack cannot be reached: its name cannot be resolved")

    before = time.process_time()
    with running(Line(open_url)) as line:
        eventually(lambda: len(attempts) > 8)
        spent, took = time.process_time() - before, attempts[-1] - attempts[0]
        assert line.status.problem == "Slack cannot be reached: its name cannot be resolved"
    assert spent < took / 4
    (told,) = [each.getMessage() for each in caplog.records]
    assert told == (
        "Slack is not connected: Slack cannot be reached: its name cannot be resolved. "
        "I try again until it is."
    )


def test_a_token_that_slack_refuses_is_an_error_of_the_start() -> None:
    def open_url() -> str:
        raise SettingsError("Slack does not accept SLACK_APP_TOKEN")

    line = Line(open_url)
    with pytest.raises(SettingsError):
        line.socket.start()
    line.socket.close()


def test_a_fault_of_our_own_does_not_make_the_bot_deaf(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    urls = iter([5, sandbox])
    web = WebClient(base_url=sandbox.api_url)

    def open_url() -> str:
        return 5 if next(urls, None) == 5 else socket_url(web, sandbox.app_token)  # type: ignore[return-value]

    with running(Line(open_url)) as line:
        eventually(lambda: line.stood == 1)
    assert "Connecting to Slack failed unexpectedly" in caplog.text


def test_a_token_that_is_revoked_later_is_told_and_tried_rarely(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with running(line_to(sandbox)) as line:
        sandbox.wait_for_app()
        sandbox.revoke_tokens()
        sandbox.break_sockets("end")
        eventually(lambda: "SLACK_APP_TOKEN (token_revoked). Install the app" in caplog.text)
        time.sleep(0.3)
        assert len(sandbox.calls("apps.connections.open")) == 2
        assert line.status.problem is not None


def test_slack_asks_how_long_to_wait() -> None:
    attempts = []

    def open_url() -> str:
        attempts.append(time.monotonic())
        raise SlackUnavailable("Slack does not accept calls", wait_s=0.4)

    with running(Line(open_url)):
        eventually(lambda: len(attempts) >= 3)
    assert attempts[2] - attempts[1] >= 0.4


def test_connections_of_others_are_counted_when_slack_greets(sandbox: Sandbox) -> None:
    with running(line_to(sandbox)) as one:
        eventually(lambda: one.stood == 1)
        with running(line_to(sandbox)) as two:
            eventually(lambda: two.stood == 1)
            assert (one.status.others, two.status.others) == (0, 1)
            two.status.others = 0
            sandbox.break_sockets("end")
            sandbox.wait_for_app(opened=4, connections=2, timeout=10)
            eventually(lambda: one.status.problem is two.status.problem is None)
            # Slack may still count those that were lost.
            assert (one.status.others, two.status.others) == (0, 0)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (None, "it sent no greeting"),
        ("not JSON", "it sent no greeting"),
        ("[]", "it sent no greeting"),
        ('{"type": "disconnect", "reason": "too_many_websockets"}', "which is 10"),
        ('{"type": "disconnect", "reason": "link_disabled"}', "Socket Mode is switched off"),
    ],
)
def test_a_connection_stands_only_once_slack_greets(
    caplog: pytest.LogCaptureFixture, first: str | None, told: str
) -> None:
    def behave(connection: ServerConnection, number: int) -> None:
        if number > 1:
            connection.send(HELLO)
        elif first is not None:
            connection.send(first)
        list(connection)

    with slack(behave) as url, running(Line(lambda: url)) as line:
        eventually(lambda: line.stood == 1)
    assert told in caplog.text or "it does not answer in time" in caplog.text
    assert not [each for each in caplog.records if each.exc_info]


def test_a_connection_that_always_ends_at_once_is_not_opened_in_a_loop() -> None:
    opened: list[float] = []

    def behave(connection: ServerConnection, number: int) -> None:
        opened.append(time.monotonic())
        connection.send(HELLO)

    with slack(behave) as url, running(Line(lambda: url, steady_s=10.0)):
        eventually(lambda: len(opened) >= 6)
    waits = [later - earlier for earlier, later in zip(opened, opened[1:], strict=False)]
    assert all(wait > 0.03 for wait in waits)


def test_a_handshake_may_take_its_time() -> None:
    def behave(connection: ServerConnection, number: int) -> None:
        time.sleep(0.3)
        connection.send(HELLO)
        list(connection)

    with slack(behave) as url, running(Line(lambda: url)) as line:
        eventually(lambda: line.stood == 1)


@pytest.mark.parametrize("odd", ["", "null", "{}", '{"type": 5}', '{"type": "new"}', b"\xff\x00"])
def test_a_message_that_makes_no_sense_ends_nothing(odd: str | bytes) -> None:
    event = {"envelope_id": "e1", "type": "events_api", "payload": {"event": {"type": "message"}}}
    acknowledged: list[Any] = []

    def behave(connection: ServerConnection, number: int) -> None:
        connection.send(HELLO)
        connection.send(odd)
        event["payload"]["event"]["text"] = "hello"  # type: ignore[index]
        connection.send(json.dumps(event))
        acknowledged.extend(map(json.loads, connection))

    with slack(behave) as url, running(Line(lambda: url)) as line:
        eventually(lambda: line.texts == ["hello"])
    eventually(lambda: acknowledged == [{"envelope_id": "e1"}])


@contextmanager
def proxy(asked: list[bytes]) -> Iterator[str]:
    """Run an HTTP proxy for one connection, and remember what it was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            line = client.recv(65_536).partition(b"\r\n")[0]
            asked.append(line)
            host, _, port = line.split()[1].decode().partition(":")
            with client, socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=copy, args=(server, client), daemon=True).start()
                copy(client, server)

        def copy(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65_536):
                    target.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_connection_goes_through_the_proxy(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    asked: list[bytes] = []
    with proxy(asked) as address:
        line = line_to(sandbox)
        line.socket._proxy = address
        with running(line):
            sandbox.post(alice, general, "hello")
            sandbox.settle()
    assert line.texts == ["hello"]
    assert asked == [f"CONNECT {sandbox.base.removeprefix('http://')} HTTP/1.1".encode()]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nonsense", "socks5://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_told(
    sandbox: Sandbox, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = line_to(sandbox)
    line.socket._proxy = address
    with running(line):
        eventually(lambda: "Slack is not connected: no WebSocket can be opened" in caplog.text)


def test_no_thread_and_no_socket_stays_behind(sandbox: Sandbox) -> None:
    def ours() -> list[str]:
        return [each.name for each in threading.enumerate() if "tracebot-socket" in each.name]

    with running(line_to(sandbox)):
        for number in range(2, 6):
            sandbox.wait_for_app()
            sandbox.break_sockets("end")
            sandbox.wait_for_app(opened=number)
        eventually(lambda: len(ours()) == 2)
    eventually(lambda: ours() == [])
