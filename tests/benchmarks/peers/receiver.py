"""A server on loopback that accepts everything, for SDKs that send what they recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.http_thread import serving_on_a_thread

PROJECT = b'{"project_name": "bench", "project_url": "http://127.0.0.1"}'
"""The answer to Logfire's check of its token; the other SDKs do not read it."""


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    received = 0
    """Bytes."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        self.server.received += len(self.rfile.read(int(self.headers.get("content-length", 0))))
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(PROJECT)))
        self.end_headers()
        self.wfile.write(PROJECT)

    def log_message(self, *arguments: object) -> None:
        return


@contextmanager
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Handler)
    with serving_on_a_thread(server):
        yield server
