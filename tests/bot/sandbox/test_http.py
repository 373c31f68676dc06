"""The sandbox's signed delivery over HTTP, to the real Bolt and to a server that misbehaves."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import Ack, App, Say
from slack_bolt.request import BoltRequest
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier

from bot.sandbox import Channel, Sandbox, SandboxError, User
from tests.support.certificates import NAME
from tests.support.certificates import certificate as certificate
from tests.support.connections import ALERT, BROKEN, accepting, breaking


@dataclass
class Listener:
    """A server that answers each request with the next of `statuses`, then with 200."""

    statuses: list[int] = field(default_factory=list)
    no_retry: bool = False
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if b"url_verification" in body:
            return 200, {"Content-Type": "application/json"}, body
        self.requests.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else 200
        return status, {"X-Slack-No-Retry": "1"} if self.no_retry else {}, b""


@dataclass
class BoltListener:
    """A Bolt app behind a plain server, as its adapters run it."""

    app: App

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        request = BoltRequest(body=body.decode(), headers={k: [v] for k, v in headers.items()})
        response = self.app.dispatch(request)
        return response.status, response.first_headers(), response.body.encode()


@contextmanager
def serving(listener: Listener | BoltListener) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answered, content = listener.answer(headers, body)
            self.send_response(status)
            for name, value in answered.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/slack/events"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_bolt_accepts_signed_requests_and_answers(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    client = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    app = App(client=client, signing_secret=sandbox.signing_secret)

    @app.event("app_mention")
    def answer(event: dict[str, Any], say: Say) -> None:
        say(text="hello", thread_ts=event["ts"])

    @app.event("message")
    def ignore() -> None:
        """Accept the event without an answer."""

    @app.command("/trace")
    def trace(ack: Ack, command: dict[str, Any]) -> None:
        ack(f"traces: {command['text']}")

    with serving(BoltListener(app)) as url:
        sandbox.deliver_to(url)
        question = sandbox.post(alice, general, f"{sandbox.mention} hi")
        sandbox.wait_for_reply(general, question.ts, containing="hello")
        (shown,) = sandbox.command(alice, general, "/trace", "ls & more")
        sandbox.settle()
    assert shown.text == "traces: ls & more"


def test_each_request_is_signed_with_the_current_time(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    listener = Listener()
    with serving(listener) as url:
        sandbox.deliver_to(url)
        sandbox.post(alice, general, "hello")
        sandbox.settle()
    ((headers, body),) = listener.requests
    assert SignatureVerifier(sandbox.signing_secret).is_valid_request(body, headers)
    assert abs(time.time() - int(headers["x-slack-request-timestamp"])) < 5
    assert "x-slack-retry-num" not in headers


def test_an_event_is_delivered_at_most_four_times(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.retry_waits = (0, 0, 0)
    listener = Listener(statuses=[500] * 4)
    with serving(listener) as url:
        sandbox.deliver_to(url)
        sandbox.post(alice, general, "hello")
        sandbox.settle()
    retries = [headers.get("x-slack-retry-num") for headers, _ in listener.requests]
    assert retries == [None, "1", "2", "3"]
    assert listener.requests[1][0]["x-slack-retry-reason"] == "http_error"
    assert len({body for _, body in listener.requests}) == 1


def test_an_app_can_decline_further_attempts(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.retry_waits = (0, 0, 0)
    listener = Listener(statuses=[500] * 4, no_retry=True)
    with serving(listener) as url:
        sandbox.deliver_to(url)
        sandbox.post(alice, general, "hello")
        sandbox.settle()
    assert len(listener.requests) == 1


def test_a_command_is_delivered_once(sandbox: Sandbox, alice: User, general: Channel) -> None:
    listener = Listener(statuses=[500])
    with serving(listener) as url:
        sandbox.deliver_to(url)
        (shown,) = sandbox.command(alice, general, "/trace", "ls")
    assert "http_error" in shown.text
    assert len(listener.requests) == 1


def test_a_request_url_that_does_not_answer_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="connection_failed"):
        sandbox.deliver_to("http://127.0.0.1:9/slack/events")


@pytest.mark.parametrize("record", [BROKEN, ALERT])
def test_a_request_url_whose_encryption_breaks_is_refused(
    sandbox: Sandbox, certificate: Path, monkeypatch: pytest.MonkeyPatch, record: bytes
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    with (
        accepting(breaking(certificate, b"", record)) as port,
        pytest.raises(SandboxError, match="connection_failed"),
    ):
        sandbox.deliver_to(f"https://{NAME}:{port}/slack/events")
