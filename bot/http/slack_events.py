"""HTTP mode: Slack's events at `/slack/events`, and `/health` for monitoring.

Anyone who can reach the port can send something. What is not signed by Slack is refused before it
is parsed, and what is too large or too slow before it is read.
"""

import time
from collections.abc import Callable, Mapping

from slack_bolt import App, BoltRequest
from slack_bolt.adapter.starlette.handler import to_bolt_request, to_starlette_response
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.http.requests import BodyBudget, CountRefusal, Refused, read_body

MAX_BODY = 1_000_000
"""Bytes. Slack's own requests have a few kilobytes, and at most some hundred with long messages."""

MAX_WAITING = 64 * MAX_BODY
"""Bytes of bodies that may wait at once for the rest of them, and for their verification."""

BODY_S = 10.0

SIGNED_S = 5 * 60
"""How old a signature may be: https://docs.slack.dev/authentication/verifying-requests-from-slack.

Also how far in the future, for a clock that is behind.
"""


def events_app(app: App, *, signing_secret: str, refused: CountRefusal) -> Starlette:
    """Return the web application, which hands Slack's signed requests to Bolt.

    Bolt verifies them once more, but only after it has parsed them.
    """
    verifier = SignatureVerifier(signing_secret)
    budget = BodyBudget(MAX_WAITING)

    async def events(request: Request) -> Response:
        try:
            with budget.body() as received:
                bolt_request = await _signed_request(request, verifier, received)
        except Refused as error:
            refused(f"slack: {error.cause}")
            return JSONResponse({"error": error.message}, error.status)
        # On a thread: Bolt waits for the listener, and all other connections would wait with it.
        return to_starlette_response(await run_in_threadpool(app.dispatch, bolt_request))

    async def certificate(request: Request) -> Response:
        """Answer Slack, which looks now and then whether the address has a valid certificate."""
        return Response(status_code=200 if request.query_params.get("ssl_check") == "1" else 405)

    async def health(request: Request) -> Response:
        return JSONResponse({"ok": True})

    return Starlette(
        routes=[
            Route("/slack/events", events, methods=["POST"]),
            Route("/slack/events", certificate, methods=["GET"]),
            Route("/health", health),
        ]
    )


async def _signed_request(
    request: Request, verifier: SignatureVerifier, received: Callable[[int], None]
) -> BoltRequest:
    """Return the request for Bolt. Raises `Refused`, before the body is read if that is enough."""
    unsigned = Refused(401, "signature", "This request is not signed by Slack.")
    timestamp, signature = _signature(request.headers)
    if not timestamp or not signature:
        raise unsigned
    body = await read_body(request, limit=MAX_BODY, seconds=BODY_S, received=received)
    try:
        signed = verifier.is_valid(body, timestamp, signature)
    except UnicodeDecodeError:  # It takes the body as text.
        signed = False
    if not signed:
        raise unsigned
    try:
        bolt_request = to_bolt_request(request, body)
        valid = isinstance(bolt_request.body.get("event", {}), dict)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise Refused(400, "body", "The body is not what Slack sends.")
    return bolt_request


def _signature(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the timestamp and the signature, each "" if Slack cannot have sent it."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    signature = headers.get("x-slack-signature", "")
    # Checked here: the verifier converts and compares them without a check, and would raise.
    if (
        not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 20)
        or abs(time.time() - int(timestamp)) > SIGNED_S
    ):
        timestamp = ""
    return timestamp, signature if signature.isascii() else ""
