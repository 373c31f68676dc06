"""Stand-ins for the model APIs on loopback: real sockets and scripted answers.

What the real APIs refuse is refused here too, and noted: a test's server has no complaints.
"""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.http_thread import serving_on_a_thread

KEY = "sk-secret-0123456789"
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
PATIENCE_S = 20.0

Json = dict[str, Any]
Step = Callable[["Exchange"], object]
"""Handles one request."""


class Exchange:
    """One request and its answer, piece by piece."""

    def __init__(self, handler: BaseHTTPRequestHandler, server: "ModelServer") -> None:
        self._handler = handler
        self.server = server

    def start(
        self, status: int = 200, *, kind: str = "text/event-stream", **headers: str
    ) -> "Exchange":
        """Send the head; the body ends with the connection."""
        self._handler.send_response_only(status)
        self._handler.send_header("Content-Type", kind)
        self._handler.send_header("Connection", "close")
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()
        self._handler.wfile.flush()
        return self

    def send(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def events(self, *events: Json | str) -> "Exchange":
        for event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            name = event["type"] if isinstance(event, dict) and "type" in event else None
            self.send((f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode())
        return self

    def wait_for_hang_up(self) -> None:
        """Wait until the client closes its end."""
        self._handler.connection.settimeout(PATIENCE_S)
        while self._handler.connection.recv(1_000):
            pass
        self.server.hung_up.set()

    def cut(self) -> None:
        """Break the connection, as a crashing server does."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.connection.close()


class ModelServer:
    """Answers each request with the next step, and with the last one from then on."""

    def __init__(self, dialect: str, key: str | None) -> None:
        self.dialect = dialect
        self.key = key
        self.bodies: list[Json] = []
        self.headers: list[Mapping[str, str]] = []
        self.complaints: list[str] = []
        self.asked = threading.Event()
        self.hung_up = threading.Event()
        self._steps: list[Step] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        end = "/v1" if self.dialect == "openai" else ""
        return f"http://127.0.0.1:{self._http.server_port}{end}"

    def will(self, *steps: Step) -> None:
        self._steps = list(steps)

    @contextmanager
    def serving(self) -> Iterator["ModelServer"]:
        with serving_on_a_thread(self._http):
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        body = handler.rfile.read(int(handler.headers.get("content-length", "0")))
        with self._lock:
            step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
            complaint = self._complaint(handler, body)
            self.headers.append(dict(handler.headers))
        self.asked.set()
        if complaint:
            self.complaints.append(complaint)
            Exchange(handler, self).start(400, kind="text/plain").send(complaint.encode())
            return
        self.bodies.append(json.loads(body))
        try:
            step(Exchange(handler, self))
        except (BrokenPipeError, ConnectionResetError):
            self.hung_up.set()

    def _complaint(self, handler: BaseHTTPRequestHandler, body: bytes) -> str | None:
        """Return why the real API would refuse the request, or None."""
        if (handler.command, handler.path) != ("POST", PATHS[self.dialect]):
            return f"no such method and path: {handler.command} {handler.path}"
        if handler.headers.get("content-type") != "application/json":
            return "the body is to be JSON"
        shown = handler.headers.get(
            "authorization" if self.dialect == "openai" else "x-api-key", ""
        ).removeprefix("Bearer ")
        if shown != (self.key or ""):
            return "another key was expected"
        if self.dialect == "anthropic" and handler.headers.get("anthropic-version") is None:
            return "anthropic-version: header is required"
        try:
            return CHECKS[self.dialect](json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            return f"the body makes no sense: {error!r}"


def _check_openai(body: Json) -> str | None:
    known = {"model", "messages", "stream", "stream_options", "max_tokens", "temperature"}
    if set(body) - known or body["stream"] is not True:
        return f"unknown keys, or no stream: {sorted(body)}"
    if body["stream_options"] != {"include_usage": True}:
        return "no usage is asked for"
    messages = body["messages"]
    return _check_turns(messages[1:] if messages[0]["role"] == "system" else messages)


def _check_anthropic(body: Json) -> str | None:
    known = {"model", "messages", "stream", "max_tokens", "system", "temperature"}
    if set(body) - known or body["stream"] is not True or not body["max_tokens"] >= 1:
        return f"unknown keys, no stream or no max_tokens: {sorted(body)}"
    return _check_turns(body["messages"])


def _check_turns(messages: list[Json]) -> str | None:
    roles = [message["role"] for message in messages]
    if roles != [("user", "assistant")[place % 2] for place in range(len(roles))]:
        return f"roles must alternate, and begin with user: {roles}"
    if roles[-1] != "user":
        return "the last turn is the user's"
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not parts or not all(map(_good, parts)):
            return f"content makes no sense: {content!r:.200}"
    return None


def _good(part: Json) -> bool:
    if part["type"] == "text":
        return bool(part["text"].strip())
    if part["type"] == "image":
        source = part["source"]
        data, kind = source["data"], source["media_type"]
    else:
        head, _, data = part["image_url"]["url"].partition(";base64,")
        kind = head.removeprefix("data:")
    return bool(base64.b64decode(data, validate=True)) and kind.startswith("image/")


CHECKS = {"openai": _check_openai, "anthropic": _check_anthropic}


# The events that the APIs send, as in their documentation.


def openai_events(*pieces: str, model: str = "gpt-5-mini", stop: str = "stop") -> list[Json | str]:
    def chunk(choices: list[Json], usage: Json | None = None) -> Json:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": model,
            "choices": choices,
            "usage": usage,
        }

    def choice(delta: Json, finish: str | None = None) -> list[Json]:
        return [{"index": 0, "delta": delta, "finish_reason": finish}]

    usage = {
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "total_tokens": 1_100,
        "prompt_tokens_details": {"cached_tokens": 600},
    }
    return [
        chunk(choice({"role": "assistant", "content": ""})),
        *(chunk(choice({"content": piece})) for piece in pieces),
        chunk(choice({}, stop)),
        chunk([], usage),
        "[DONE]",
    ]


def anthropic_events(
    *pieces: str, model: str = "claude-sonnet-4-5-20250929", stop: str = "end_turn"
) -> list[Json | str]:
    usage = {
        "input_tokens": 300,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 600,
        "output_tokens": 1,
    }
    message = {"id": "msg_1", "role": "assistant", "model": model, "content": [], "usage": usage}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": piece},
            }
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 100}},
        {"type": "message_stop"},
    ]


EVENTS = {"openai": openai_events, "anthropic": anthropic_events}


def say(*pieces: str, **options: str) -> Step:
    """Answer well."""

    def step(exchange: Exchange) -> None:
        events = EVENTS[exchange.server.dialect](*pieces, **options)
        exchange.start().events(*events)

    return step


def refuse(status: int, error: Json | str = "", **headers: str) -> Step:
    """Answer with an error in the shape of both APIs."""

    def step(exchange: Exchange) -> None:
        body = {"type": "error", "error": error}
        exchange.start(status, kind="application/json", **headers).send(json.dumps(body).encode())

    return step


def begin(*pieces: str) -> Callable[[Exchange], Exchange]:
    """Send the beginning of an answer, without its end."""

    def step(exchange: Exchange) -> Exchange:
        events = EVENTS[exchange.server.dialect](*pieces)
        end = {"openai": 3, "anthropic": 3}[exchange.server.dialect]
        return exchange.start().events(*events[:-end])

    return step


def stall(*pieces: str) -> Step:
    """Begin an answer, then send nothing more."""
    return lambda exchange: begin(*pieces)(exchange).wait_for_hang_up()
