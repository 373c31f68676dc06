"""A balancer in front of replicas in HTTP mode, as docs/how-to/scale.md wants it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.http_thread import serving_on_a_thread

ANSWER_S = 3.0
"""How long a replica may take for a request. Slack waits no longer."""

OUT_S = 5.0
"""How long a replica that refused a connection is not asked."""

OF_A_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


class Balancer:
    """Hand requests to replicas in turn, on loopback.

    A replica that refuses a connection is left out for a while, and the next one is asked. What was
    sent is given to no other one, as it may have been carried out: without an answer the client is
    told, and Slack sends an event again.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        """How many requests were handed on, sent again by Slack, refused and not answered."""
        self._ports: list[int] = []
        self._out_until: dict[int, float] = {}
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def add(self, port: int) -> None:
        """Add a replica on this port. Those that are down are found out."""
        self._ports.append(port)

    @contextmanager
    def serving(self) -> Iterator["Balancer"]:
        with serving_on_a_thread(self._http):
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        balancer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                balancer._hand_on(self)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        return Handler

    def _hand_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self._count("sent again", "X-Slack-Retry-Num" in handler.headers)
        for port in self._in_turn():
            with closing(HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)) as replica:
                try:
                    replica.connect()
                except OSError:
                    self._out_until[port] = time.monotonic() + OUT_S
                    self._count("refused")
                    continue
                self._exchange(handler, replica, body)
                return
        handler.send_error(503)

    def _exchange(
        self, handler: BaseHTTPRequestHandler, replica: HTTPConnection, body: bytes
    ) -> None:
        headers = {name: value for name, value in handler.headers.items() if _is_passed_on(name)}
        try:
            replica.request("POST", handler.path, body, headers)
            answer = replica.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self._count("not answered")
            handler.send_error(502)
            return
        self._count("handed on")
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if _is_passed_on(name):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _in_turn(self) -> list[int]:
        """Return all replicas, the next one first, and those that are left out last."""
        with self._lock:
            self._ports.append(self._ports.pop(0))
            now = time.monotonic()
            return sorted(self._ports, key=lambda port: self._out_until.get(port, 0.0) > now)

    def _count(self, what: str, holds: bool = True) -> None:
        with self._lock:
            self.seen[what] += holds


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that waited no longer."""


def _is_passed_on(header: str) -> bool:
    return header.lower() not in OF_A_CONNECTION
