"""Receive OpenTelemetry over HTTP from agents and other programs.

POST `/v1/traces`, `/v1/logs` and `/v1/metrics`, as https://opentelemetry.io/docs/specs/otlp/
defines them. On the loopback interface every program may send, but no web page in a browser on this
machine. On other interfaces a sender needs the token.
"""

import asyncio
import hmac
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.http.addresses import LOOPBACK
from bot.http.requests import BodyBudget, Refused, busy, decompressed, read_body
from bot.http.server import WebServer
from bot.http.telemetry_store import TelemetryStore
from bot.http.turn_address import turn_of
from bot.settings import Settings, SettingsError
from storage import Observability
from storage.otlp.decoder import Encoding, Signal, refusal

MAX_BODY = 20 * 1024 * 1024
"""Bytes, before and after decompression."""

MAX_BODIES = 16
"""How many requests may be received at once."""

MAX_WAITING = 3 * MAX_BODY
"""Bytes of bodies, as they were sent, that may be in memory at once."""

PARENT_S = 1.0
"""How often a parent is looked for that was not there yet."""

BODY_S = 30.0
RETRY_S = 2

BEARER = re.compile("^Bearer +", re.IGNORECASE)
"""The scheme before a token, which HTTP lets a sender write in any case."""

ENCODINGS: dict[str, Encoding] = {
    "application/x-protobuf": "protobuf",
    "application/json": "json",
}
TYPES = {encoding: content_type for content_type, encoding in ENCODINGS.items()}

POST_TO = "Send POST requests to /v1/traces, /v1/logs or /v1/metrics."
NOT_FOR_OTHERS = (
    "This receiver is for the agents of a bot: start tracebot collect for other programs."
)


class Collector:
    """Receive into one recording. Reads bodies on the event loop and decodes them on a thread."""

    def __init__(
        self,
        observability: Observability,
        *,
        capture: Callable[[str], str | None],
        token: str = "",
        key: str = "",
    ) -> None:
        """Take `capture`, which decides what is kept of texts. Without a `token`, loopback only.

        With a `key`, only those who have it may send, or that of a turn (`turn_address`). It is a
        part of the path, as every program that takes an address takes one with a path; codex sends
        it as the token, because its address is an argument, which other users can read.
        """
        self._store = TelemetryStore(observability, capture=capture)
        self.counts = self._store.counts
        self._token = token
        self._key = key
        self._path = f"/{key}" if key else ""
        self._bodies = 0
        self._budget = BodyBudget(MAX_WAITING)
        self._server: WebServer | None = None
        self._waiter: asyncio.Task[None] | None = None
        """Stores the spans that wait for their parent, while there are any."""
        # One thread: Python decodes no faster with more, and they would slow the bot's own down.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tracebot-collector")

    def web(self) -> Starlette:
        names: tuple[Signal, ...] = ("traces", "logs", "metrics")
        routes = [
            Route(f"{path}/v1/{name}{end}", self._endpoint(name), methods=["POST"])
            for path in ("", *(["/{key}"] if self._key else []))
            for name in names
            for end in ("", "/")  # Not every exporter follows the redirect of a POST.
        ]
        # Counted, too: nobody would notice a sender that has the wrong path.
        return Starlette(
            routes=[*routes, Route(f"{self._path}/health", _health)],
            exception_handlers={HTTPException: self._refuse_unknown},
        )

    def listen(self, *, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; return the base URL. Raises OSError if the port is in use. 0 means any port.

        The URL is as secret as the key in it.
        """
        refused = self._store.count_refusal
        self._server = WebServer(self.web(), host=host, port=port, refused=refused)
        self._server.start()
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{self._server.port}{self._path}"

    def stop(self) -> None:
        """Stop receiving. What was received is stored when the recording is flushed."""
        if self._server is not None:
            self._server.stop()
        self._thread.shutdown()
        self._store.store_waited(at_once=True)  # The thread has ended.

    def _endpoint(self, signal: Signal) -> Callable[[Request], object]:
        async def take(request: Request) -> Response:
            encoding = ENCODINGS.get(_essence(request.headers.get("content-type", "")))
            try:
                return await self._take(request, signal, encoding)
            except Refused as error:
                return self._refusal(error, encoding or "json")

        return take

    async def _refuse_unknown(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        cause = "path" if error.status_code == 404 else "method"
        if request.method == "PRI":  # HTTP/2 begins with it, which only gRPC does without asking.
            cause = "gRPC"
        message = NOT_FOR_OTHERS if self._path else POST_TO
        response = self._refusal(Refused(error.status_code, cause, message), "json")
        response.headers.update(error.headers or {})
        return response

    async def _take(self, request: Request, signal: Signal, encoding: Encoding | None) -> Response:
        within = self._turn_of_sender(request)
        if encoding is None:
            raise Refused(415, "encoding", f"Send {' or '.join(ENCODINGS)}.")
        compression = request.headers.get("content-encoding", "identity").lower()
        if compression not in ("gzip", "identity"):
            raise Refused(415, "encoding", "Compress the body with gzip, or not at all.")
        self._store.check_room(1)
        if self._bodies >= MAX_BODIES:
            raise busy()
        self._bodies += 1
        store = partial(self._store.store, signal=signal, encoding=encoding, within=within)
        try:
            with self._budget.body() as received:
                body = await read_body(request, limit=MAX_BODY, seconds=BODY_S, received=received)
                told = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._stored, body, compression == "gzip", store
                )
        finally:
            self._bodies -= 1
        self._wait_for_parents()
        return Response(told, media_type=TYPES[encoding])

    def _turn_of_sender(self, request: Request) -> str | None:
        """Return the only trace of ours that a sender may add to, None if it may add to any.

        Refuse web pages: a browser sends an Origin, or uses a host name that is not loopback.
        """
        if "origin" in request.headers:
            raise Refused(403, "origin", "Web pages may not send telemetry here.")
        given = BEARER.sub("", request.headers.get("authorization", ""))
        if self._token:
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                raise Refused(
                    401,
                    "token",
                    "The token is missing or wrong. Send it as Authorization: Bearer TOKEN.",
                )
            return None
        if _host(request) not in LOOPBACK:
            raise Refused(403, "host", "Without a token, send to 127.0.0.1 and no other host name.")
        sent = request.path_params.get("key", given)
        if hmac.compare_digest(sent.encode(), self._key.encode()) or not self._key:
            return None
        if (trace_id := turn_of(sent, receiver=self._key)) is None:
            raise Refused(404, "path", NOT_FOR_OTHERS)
        return trace_id

    def _stored(self, body: bytes, compressed: bool, store: Callable[[bytes], bytes]) -> bytes:
        """On the thread: store a request, and return the body of the response."""
        return store(decompressed(body, limit=MAX_BODY) if compressed else body)

    def _wait_for_parents(self) -> None:
        """On the event loop: see to it that spans which wait for their parent are stored."""
        if self._store.waiting and (self._waiter is None or self._waiter.done()):
            self._waiter = asyncio.create_task(self._store_waited_each_second())

    async def _store_waited_each_second(self) -> None:
        loop = asyncio.get_running_loop()
        while self._store.waiting:
            await asyncio.sleep(PARENT_S)
            await loop.run_in_executor(self._thread, self._store.store_waited)

    def _refusal(self, error: Refused, encoding: Encoding) -> Response:
        self._store.count_refusal(error.cause)
        headers = {"Retry-After": str(RETRY_S)} if error.status == 503 else {}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        content = refusal(error.message, encoding=encoding)
        return Response(content, error.status, headers, media_type=TYPES[encoding])


def _host(request: Request) -> str | None:
    try:
        return request.url.hostname
    except ValueError:  # As for "Host: [".
        return None


async def _health(request: Request) -> Response:
    return JSONResponse({"ok": True})


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def listen_to_agents(collector: Collector, settings: Settings) -> str | None:
    """Start to receive the agents' telemetry. Return the base URL, None if it is switched off."""
    if settings.otlp_port == "off":
        return None
    try:
        return collector.listen(port=settings.otlp_port)
    except OSError as error:
        raise SettingsError(
            f"Port {settings.otlp_port} of 127.0.0.1 cannot be opened ({error.strerror}). Set "
            "TRACEBOT_OTLP_PORT to another port, to 0 for any free one, or to off."
        ) from error
