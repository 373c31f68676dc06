"""HTTP mode's door: what is not signed by Slack gets no further than its headers."""

import contextlib
import hashlib
import hmac
import json
import logging
import select
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.http import connection, server, slack_events
from bot.lifecycle import listen
from bot.sandbox import Channel, Sandbox, User
from bot.settings import Settings
from storage import Observability
from storage.health import health
from storage.queries.traces import recent_traces
from tests.support.ports import free_port

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def short_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close idle connections soon; named before `url`, whose server reads the limit."""
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 0.2)


@pytest.fixture
def url(sandbox: Sandbox, observability: Observability) -> Iterator[str]:
    """Run the bot in HTTP mode; return its base URL."""
    port = free_port()
    settings = Settings(
        _env_file=None,
        SLACK_BOT_TOKEN=sandbox.bot_token,
        SLACK_SIGNING_SECRET=sandbox.signing_secret,
        SLACK_API_URL=sandbox.api_url,
        PORT=port,
        database_url=str(observability.database.database),
    )
    bot = build_bot(settings, roster=load_roster(None), observability=observability)
    listen(bot, settings)
    yield f"http://127.0.0.1:{port}"
    bot.stop(grace=1.0)


def signed(
    sandbox: Sandbox, body: bytes, *, at: float | None = None, **changes: str | bytes
) -> dict[str, str | bytes]:
    """Return Slack's headers for a request, with *changes* to them."""
    timestamp = str(int(time.time() if at is None else at))
    content = b"v0:%s:%s" % (timestamp.encode(), body)
    digest = hmac.new(sandbox.signing_secret.encode(), content, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={digest}",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }


def post(url: str, body: bytes, headers: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{url}/slack/events", content=body, headers=headers, timeout=20)


def event(sandbox: Sandbox, **inner: Any) -> bytes:
    content = {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event_id": f"Ev{time.time_ns()}",
        "event_time": int(time.time()),
        "event": {"event_ts": "1.2", **inner},
    }
    return json.dumps(content).encode()


def causes(observability: Observability) -> dict[str, int]:
    assert observability.flush()
    return dict(health(observability.database, now=time.time_ns()).refused)


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_signed_mention_is_answered(
    url: str, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    inner = {
        "type": "app_mention",
        "user": alice.id,
        "text": question.text,
        "ts": question.ts,
        "channel": general.id,
        "channel_type": "channel",
    }
    body = event(sandbox, **inner)
    assert post(url, body, signed(sandbox, body)).status_code == 200
    sandbox.wait_for_reply(general, question.ts, containing="hello", timeout=60)


def test_a_message_with_parts_that_are_no_objects_is_answered(
    url: str, sandbox: Sandbox, alice: User, general: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    question = sandbox.post(alice, general, "hello")
    inner = {
        "type": "message",
        "user": alice.id,
        "text": f"{sandbox.mention} hello",
        "ts": question.ts,
        "thread_ts": "",
        "channel": general.id,
        "channel_type": "channel",
        "attachments": [None, "a", {"blocks": None}],
        "blocks": [7],
        "files": "none",
    }
    body = event(sandbox, **inner)
    assert post(url, body, signed(sandbox, body)).status_code == 200
    sandbox.wait_for_reply(general, question.ts, containing="hello", timeout=60)
    assert warnings(caplog) == []


NOT_A_TIME = ("", "soon", "²", "١٢٣", "-5", "1e9", "9" * 5_000, "nan", str(2**70))


@pytest.mark.parametrize("timestamp", NOT_A_TIME)
def test_a_timestamp_that_is_no_number_is_refused(
    url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, timestamp: str
) -> None:
    changes = {"x_slack_request_timestamp": timestamp.encode()}
    assert post(url, b"{}", signed(sandbox, b"{}", **changes)).status_code == 401
    assert not [each for each in caplog.records if each.exc_info]


# Of a time to come, more than the seconds that a busy machine may take.
@pytest.mark.parametrize("late", [-301, 330, -(10**9), 10**9])
def test_a_signature_of_another_time_is_refused(url: str, sandbox: Sandbox, late: int) -> None:
    headers = signed(sandbox, b"{}", at=time.time() + late)
    assert post(url, b"{}", headers).status_code == 401


@pytest.mark.parametrize(
    "signature", [b"", b"v0=", b"v0=\xff\xfe", "v0=é".encode(), b"v1=00", b"x" * 9_000]
)
def test_a_wrong_signature_is_refused_without_a_traceback(
    url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, signature: bytes
) -> None:
    told = post(url, b"{}", signed(sandbox, b"{}", x_slack_signature=signature))
    assert (told.status_code, "signed" in told.json()["error"]) == (401, True)
    assert not [each for each in caplog.records if each.exc_info]


def test_no_signature_and_no_time_are_refused(url: str) -> None:
    assert post(url, b"{}", {}).status_code == 401


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type": ', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"5", "application/json"),
        (b'"text"', "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b'{"event": 5, "type": "event_callback"}', "application/json"),
        (b"payload=%7B", FORM),
        (b"payload=5", FORM),
        (b"payload=[]", FORM),
        (b"\xff\xfe", FORM),
        (b"", FORM),
        (b'{"event": {"type": "message"}, "authorizations": {"id": 1}}', "application/json"),
        (b'payload={"type":"view_submission","view":{"callback_id":"x"}}', FORM),
        (b'payload={"type":"view_submission","view":5}', FORM),
    ],
    ids=range(15),
)
def test_signed_nonsense_is_answered_without_a_traceback(
    url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, body: bytes, kind: str
) -> None:
    told = post(url, body, signed(sandbox, body, content_type=kind))
    assert told.status_code in (200, 400, 401)
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize(
    "inner", [{"type": "team_join"}, {"type": "pin_added", "channel_id": "C1"}, {"type": "new"}]
)
def test_an_event_that_nobody_asked_for_is_accepted(
    url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, inner: dict[str, str]
) -> None:
    body = event(sandbox, **inner)
    assert post(url, body, signed(sandbox, body)).status_code == 200
    assert not warnings(caplog)


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "message"},
        {"type": "app_mention", "text": "hi", "ts": "1.2"},
        {"type": "message", "channel": "C1", "ts": "1.2", "user": "U1", "text": 5},
        {"type": "message", "channel": "C1", "ts": ["1.2"], "user": "U1", "text": "hi"},
        {"type": "message", "channel": "C1", "ts": "1.2", "user": "U1", "edited": 5},
        {"type": "reaction_added", "user": "U1", "reaction": "+1", "item": []},
        {"type": "reaction_removed"},
        {"type": "agent_session_stopped", "channel": "C1"},
        {"type": "app_home_opened", "tab": "home"},
    ],
    ids=range(9),
)
def test_an_event_that_lacks_what_it_is_about_is_accepted(
    url: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, inner: dict[str, Any]
) -> None:
    body = event(sandbox, **inner)
    assert post(url, body, signed(sandbox, body)).status_code == 200
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize("kind", ["app_uninstalled_team", "unheard_of"])
def test_a_signed_request_of_an_unknown_type_is_accepted(
    url: str, sandbox: Sandbox, kind: str
) -> None:
    body = json.dumps({"type": kind, "team_id": "T1"}).encode()
    assert post(url, body, signed(sandbox, body)).status_code == 200


def test_withheld_events_are_shown_in_health(
    url: str, sandbox: Sandbox, observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    content = {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1_518_467_820}
    body = json.dumps({**content, "api_app_id": "A1", "token": "x"}).encode()
    assert post(url, body, signed(sandbox, body)).status_code == 200
    assert observability.flush()
    assert health(observability.database, now=time.time_ns()).rate_limited == 1
    assert "Slack withheld events for 1 min: the workspace" in caplog.text


def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    url: str, sandbox: Sandbox, observability: Observability
) -> None:
    size = slack_events.MAX_BODY + 1
    assert post(url, b" " * size, signed(sandbox, b" " * size)).status_code == 413
    pieces = (b" " * 65_536 for _ in range(32))
    with httpx.Client() as client:
        told = client.post(
            f"{url}/slack/events", content=pieces, headers=signed(sandbox, b""), timeout=20
        )
    assert told.status_code == 413
    observability.close()
    assert causes(observability) == {"slack: size": 2}


def test_refused_requests_are_counted_and_logged_once(
    url: str, observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        assert post(url, b"{}", {}).status_code == 401
    observability.close()
    assert causes(observability) == {"slack: signature": 50}
    assert 1 <= len(warnings(caplog)) <= 2
    assert "slack: signature" in warnings(caplog)[0].getMessage()


def test_other_paths_and_methods_are_not_there(url: str) -> None:
    assert httpx.get(f"{url}/").status_code == 404
    assert httpx.get(f"{url}/slack/events").status_code == 405
    assert httpx.get(f"{url}/slack/events?ssl_check=1&token=x").status_code == 200
    assert httpx.post(f"{url}/health").status_code == 405
    assert httpx.get(f"{url}/health").json() == {"ok": True}


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def closed(client: socket.socket) -> bool:
    """Wait until the server ends the connection."""
    try:
        while client.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


HEAD = b"POST /slack/events HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    "start", [b"", b"POST", HEAD, HEAD + b"x-slack-signature: v0=1\r\n"], ids=range(4)
)
def test_headers_that_never_end_are_cut_off(
    url: str, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(connection, "HEADERS_S", 0.5)
    with connect(url) as client:
        client.sendall(start)
        assert closed(client)


def test_headers_that_drip_are_cut_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADERS_S", 0.5)
    with connect(url) as client, pytest.raises(OSError):
        client.sendall(HEAD)
        for number in range(200):
            client.sendall(b"x-%d: y\r\n" % number)
            time.sleep(0.05)


def test_a_second_request_that_never_ends_is_cut_off(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEADERS_S", 0.5)
    with connect(url) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.recv(1_000).startswith(b"HTTP/1.1 200")
        client.sendall(HEAD)
        assert closed(client)


def test_a_proxy_may_keep_a_connection_idle_between_two_requests(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEADERS_S", 0.5)
    host, _, port = url.removeprefix("http://").partition(":")
    with contextlib.closing(HTTPConnection(host, int(port), timeout=20)) as kept:
        kept.auto_open = 0  # Or it would connect again.
        kept.connect()
        for _ in range(2):
            kept.request("GET", "/health")
            assert kept.getresponse().read() == b'{"ok":true}'
            with connect(url) as unused:
                assert closed(unused)


def test_a_body_that_never_ends_is_cut_off(
    url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_events, "BODY_S", 0.5)
    monkeypatch.setattr(connection, "UNREAD_S", 0.5)
    names = ("x-slack-request-timestamp", "x-slack-signature")
    headers = signed(sandbox, b"{}")
    lines = "".join(f"{name}: {headers[name]!s}\r\n" for name in names).encode()
    with connect(url) as client:
        client.sendall(HEAD + lines + b"content-length: 900\r\n\r\n{")
        assert client.recv(1_000).startswith(b"HTTP/1.1 408")
        assert closed(client)


def test_bodies_that_wait_for_their_end_are_bounded_together(url: str, sandbox: Sandbox) -> None:
    names = ("x-slack-request-timestamp", "x-slack-signature")
    headers = signed(sandbox, b"{}")
    lines = "".join(f"{name}: {headers[name]!s}\r\n" for name in names).encode()
    start = HEAD + lines + b"content-length: 1000000\r\n\r\n" + b" " * 990_000
    clients = []
    try:
        for _ in range(66):
            clients.append(connect(url))
            clients[-1].sendall(start)
        # Which of them the server reads first is open, but one is refused before any is late.
        answered, _, _ = select.select(clients, [], [], 20)
        assert answered[0].recv(12) == b"HTTP/1.1 503"
    finally:
        for client in clients:
            client.close()
    body = event(sandbox, type="team_join")
    assert post(url, body, signed(sandbox, body)).status_code == 200


def test_an_unsigned_body_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "UNREAD_S", 0.5)
    with connect(url) as client:
        client.sendall(HEAD + b"content-length: 400000000\r\n\r\n{")
        assert client.recv(1_000).startswith(b"HTTP/1.1 401")
        assert closed(client)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 200,
        b"GET / HTTP/9.9\r\n\r\n",
        b"a" * 100_000,
        HEAD + b"x: " + b"y" * 100_000,
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nnot a size\r\n",
        b"GET /health HTTP/1.1\r\nhost: [\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=range(9),
)
def test_rubbish_leaves_no_traceback(
    short_keep_alive: None,
    url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    rubbish: bytes,
) -> None:
    monkeypatch.setattr(connection, "UNREAD_S", 0.5)
    with connect(url) as client:
        with contextlib.suppress(OSError):
            client.sendall(rubbish)
        assert closed(client)
    assert not [each for each in caplog.records if each.exc_info]
    assert httpx.get(f"{url}/health").status_code == 200


def test_idle_connections_do_not_keep_others_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 20)
    idle = [connect(url) for _ in range(60)]
    try:
        assert httpx.get(f"{url}/health", timeout=10).status_code == 200
        assert closed(idle[0])
    finally:
        for client in idle:
            client.close()


def test_the_bot_does_not_stop_for_a_flood(
    url: str, sandbox: Sandbox, observability: Observability
) -> None:
    body = event(sandbox, type="team_join")
    for _ in range(20):
        assert post(url, body, signed(sandbox, body)).status_code == 200
    assert not recent_traces(observability.database).traces
