"""The HTTP server: it says if its port is taken, and stops in time."""

import asyncio
import socket
import threading
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.http import server
from bot.http.server import WebServer


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def hang(request: Request) -> Response:
    await asyncio.sleep(60)
    return PlainTextResponse("late")


WEB = Starlette(routes=[Route("/", hello), Route("/hang", hang)])


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
