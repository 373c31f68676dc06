"""The HTTP server: it says if its port is taken, and stops in time."""

import asyncio
import contextlib
import socket
import threading
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.http import connection, server
from bot.http.server import WebServer
from tests.support.conversations import eventually


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def hang(request: Request) -> Response:
    await asyncio.sleep(60)
    return PlainTextResponse("late")


async def large(request: Request) -> Response:
    return PlainTextResponse("x" * MB)


MB = 1_000_000
WEB = Starlette(routes=[Route("/", hello), Route("/hang", hang), Route("/large", large)])


def test_a_request_sent_before_the_start_is_answered_after_it() -> None:
    web_server = WebServer(WEB, host="127.0.0.1", port=0)
    timer = threading.Timer(0.2, web_server.start)
    timer.start()
    assert httpx.get(f"http://127.0.0.1:{web_server.port}/").text == "hello"
    timer.join()
    web_server.stop()


def test_a_port_that_is_taken_is_an_error_of_the_caller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError) as refused:
        WebServer(WEB, host="127.0.0.1", port=taken.getsockname()[1])
    assert refused.value.strerror == "Address already in use"


def test_a_host_without_an_address_is_told_as_the_resolver_does() -> None:
    with pytest.raises(OSError) as refused:
        WebServer(WEB, host="nowhere.invalid", port=0)
    assert refused.value.strerror.endswith(("not known", "name resolution"))


def test_a_request_that_hangs_is_cut_off_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "STOP_S", 1.0)
    web_server = WebServer(WEB, host="127.0.0.1", port=0)
    web_server.start()
    answers: list[int | Exception] = []

    def ask() -> None:
        try:
            url = f"http://127.0.0.1:{web_server.port}/hang"
            answers.append(httpx.get(url, timeout=30).status_code)
        except httpx.HTTPError as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)  # The request is on its way.
    web_server.stop()
    asking.join(5.0)
    assert answers, "the request still hangs"
    assert answers != [200]


def test_a_client_that_does_not_read_its_responses_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "RESPONSE_S", 0.5)
    web_server = WebServer(WEB, host="127.0.0.1", port=0)
    web_server.start()
    received = 0
    with socket.create_connection(("127.0.0.1", web_server.port), timeout=20) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n" * 60)
        time.sleep(3.0)
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(MB):
                received += len(piece)
    web_server.stop()
    assert received < 60 * MB


HIDDEN = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ENDED_TWICE = (
    b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"transfer-Encoding:  Chunked \r\nContent-Length: 200\r\n\r\n0\r\n\r\n",
    b"content-length: 5\r\ncontent-length: 2\r\n\r\nhello",
    b"content-length: 5, 2\r\n\r\nhello",
    b"content-length: +5\r\n\r\nhello",
    b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"content-length : 5\r\n\r\nhello",
    b"x: a\rcontent-length: 2\r\ncontent-length: 5\r\n\r\nhello",
    b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
)


@pytest.mark.parametrize("rest", ENDED_TWICE)
def test_no_request_is_smuggled_in_the_body_of_another(rest: bytes) -> None:
    web_server = WebServer(WEB, host="127.0.0.1", port=0)
    web_server.start()
    with socket.create_connection(("127.0.0.1", web_server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n" + rest + HIDDEN)
        answer = b""
        while piece := client.recv(MB):
            answer += piece
    web_server.stop()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"hello" not in answer
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_burst_of_connections_leaves_descriptors_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Counted(connection.BoundedConnection):
        now, most = 0, 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            Counted.now += 1
            Counted.most = max(Counted.most, Counted.now)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            Counted.now -= 1
            super().connection_lost(exc)

    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(server, "BoundedConnection", Counted)
    web_server = WebServer(WEB, host="127.0.0.1", port=0)
    address = ("127.0.0.1", web_server.port)
    with contextlib.ExitStack() as stack:
        for _ in range(120):  # They wait in the listener's queue.
            stack.enter_context(socket.create_connection(address, timeout=10))
        web_server.start()
        url = f"http://127.0.0.1:{web_server.port}/"
        eventually(lambda: httpx.get(url, timeout=10).text == "hello" and Counted.now <= 20)
        assert Counted.most <= 20 + 2 * server.ACCEPTED_AT_ONCE
    web_server.stop()


def test_idle_connections_keep_nobody_out() -> None:
    web_server = WebServer(WEB, host="127.0.0.1", port=0)
    web_server.start()
    address = ("127.0.0.1", web_server.port)
    with contextlib.ExitStack() as stack:
        for number in range(3 * connection.MAX_CONNECTIONS):
            client = stack.enter_context(socket.create_connection(address, timeout=10))
            with contextlib.suppress(OSError):
                client.sendall(b"GET / HTTP/1.1\r\nho"[: number % 20])
        assert httpx.get(f"http://127.0.0.1:{web_server.port}/", timeout=10).text == "hello"
    web_server.stop()
