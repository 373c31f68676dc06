"""HTTP mode: Slack's events at `/slack/events`, and `/health` for whoever watches the process."""

import socket
import threading

import uvicorn
from slack_bolt import App
from slack_bolt.adapter.starlette import SlackRequestHandler
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def build_web(app: App) -> Starlette:
    """Bolt verifies Slack's signature on everything that arrives at `/slack/events`."""
    handler = SlackRequestHandler(app)

    async def events(request: Request) -> Response:
        if not request.headers.get("x-slack-request-timestamp", "").isdecimal():
            # Bolt reads it as a number, and fails where it is none.
            return JSONResponse({"error": "This request is not signed by Slack."}, 401)
        return await handler.handle(request)

    async def health(request: Request) -> Response:
        return JSONResponse({"ok": True})

    return Starlette(
        routes=[
            Route("/slack/events", events, methods=["POST"]),
            Route("/health", health),
        ]
    )


class WebServer:
    """Serves on a thread of its own, so that stopping is the same in both modes."""

    def __init__(self, web: Starlette, *, host: str, port: int) -> None:
        """Raises OSError where the port cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self._server = uvicorn.Server(uvicorn.Config(web, log_level="warning", ws="none"))
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="tracebot-web",
            daemon=True,
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5.0)
        self._listener.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])
