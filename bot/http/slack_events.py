"""HTTP mode: Slack's events at `/slack/events`, and `/health` for monitoring."""

from slack_bolt import App
from slack_bolt.adapter.starlette import SlackRequestHandler
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def events_app(app: App) -> Starlette:
    """Return the web application. Bolt verifies Slack's signature on each request to it."""
    handler = SlackRequestHandler(app)

    async def events(request: Request) -> Response:
        if not request.headers.get("x-slack-request-timestamp", "").isdecimal():
            # Bolt converts this header to a number without a check, and would answer 500.
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
