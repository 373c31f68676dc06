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
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        WebServer(WEB, host="127.0.0.1", port=taken.getsockname()[1])


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
