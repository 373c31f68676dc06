"""Receive OpenTelemetry over HTTP from agents and other programs.

POST `/v1/traces`, `/v1/logs` and `/v1/metrics`, as https://opentelemetry.io/docs/specs/otlp/
defines them. On the loopback interface every program may send, but no web page in a browser on this
machine. On other interfaces a sender needs the token.
"""

import asyncio
import hmac
import logging
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

from peewee import PeeweeException
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.http.addresses import LOOPBACK
from bot.http.requests import BodyBudget, Refused, busy, read_body
from bot.http.server import WebServer
from bot.settings import Settings, SettingsError
from storage import Observability
from storage.model.records import Log, Metric
from storage.model.span import Span
from storage.otlp.correlation import TraceCorrelator
from storage.otlp.decoder import BadTelemetry, Encoding, Signal, Telemetry, answer, read, refusal
from storage.otlp.losses import Losses
from storage.otlp.request import TooManyItems
from storage.otlp.span_lookup import SpanLookup
from storage.writer.dropped import CUT, REFUSED
from storage.writer.waiting_items import QUEUE_SIZE

MAX_BODY = 20 * 1024 * 1024
"""Bytes, before and after decompression."""

MAX_BODIES = 16
"""How many requests may be received at once."""

MAX_WAITING = 3 * MAX_BODY
"""Bytes of bodies, as they were sent, that may be in memory at once."""

MAX_MEMBERS = 64
"""Members of one gzip body: each costs a copy of those that follow."""

MAX_QUEUED = 8 * 1024 * 1024
"""Bytes that are decoded before the next request waits until they are stored."""

STORED_S = 5.0
PARENT_S = 1.0
"""How often a parent is looked for that was not there yet."""

BODY_S = 30.0
RETRY_S = 2
RESERVED = QUEUE_SIZE // 2
"""The part of the queue that is kept for our own spans, which cannot be sent again."""

ENCODINGS: dict[str, Encoding] = {
    "application/x-protobuf": "protobuf",
    "application/json": "json",
}
TYPES = {encoding: content_type for content_type, encoding in ENCODINGS.items()}

logger = logging.getLogger("tracebot.collector")


@dataclass(slots=True)
class ReceivedCounts:
    """The numbers of what came in so far. Items are spans, log records and data points."""

    stored: int = 0
    filtered: int = 0
    """Left out as noise, see `storage.otlp.sources`."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Items that cannot be stored, by cause."""
    cut: Counter[str] = field(default_factory=Counter)
    """Values that were left out or replaced, by cause."""
    refused: Counter[str] = field(default_factory=Counter)
    """Whole requests, by cause."""


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
        retry_s: int = RETRY_S,
    ) -> None:
        """Take `capture`, which decides what is kept of texts. Without a `token`, loopback only.

        With a `key`, only those who have it may send. It is a part of the path, as every program
        that takes an address takes one with a path; codex sends it as the token, because its
        address is an argument, which other users can read.
        """
        self.counts = ReceivedCounts()
        self._observability = observability
        self._capture = capture
        self._token = token
        self._key = key
        self._path = f"/{key}" if key else ""
        self._retry_s = retry_s
        self._bodies = 0
        self._budget = BodyBudget(MAX_WAITING)
        self._queued = 0
        """Bytes of what was decoded since the last wait for the database."""
        self._server: WebServer | None = None
        self._waiter: asyncio.Task[None] | None = None
        """Stores the spans that wait for their parent, while there are any."""
        lookup = SpanLookup(observability.database, flush=lambda: observability.flush(1.0))
        self._correlator = TraceCorrelator(lookup, refused=self._count_impossible)
        # One thread: Python decodes no faster with more, and they would slow the bot's own down.
        # The correlator and its lookup are used by this thread alone, so they need no locks.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tracebot-collector")

    def web(self) -> Starlette:
        names: tuple[Signal, ...] = ("traces", "logs", "metrics")
        routes = [
            Route(f"{path}/v1/{name}", self._endpoint(name), methods=["POST"])
            for path in {"", self._path}
            for name in names
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
        self._server = WebServer(self.web(), host=host, port=port)
        self._server.start()
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{self._server.port}{self._path}"

    def stop(self) -> None:
        """Stop receiving. What was received is stored when the recording is flushed."""
        if self._server is not None:
            self._server.stop()
        self._thread.shutdown()
        self._store_waited(at_once=True)  # The thread has ended.

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
        message = NOT_FOR_OTHERS if self._path else POST_TO
        response = self._refusal(Refused(error.status_code, cause, message), "json")
        response.headers.update(error.headers or {})
        return response

    async def _take(self, request: Request, signal: Signal, encoding: Encoding | None) -> Response:
        self._check_sender(request)
        if encoding is None:
            raise Refused(415, "encoding", f"Send {' or '.join(ENCODINGS)}.")
        compression = request.headers.get("content-encoding", "identity").lower()
        if compression not in ("gzip", "identity"):
            raise Refused(415, "encoding", "Compress the body with gzip, or not at all.")
        self._check_room(1)
        if self._bodies >= MAX_BODIES:
            raise busy()
        self._bodies += 1
        try:
            with self._budget.body() as received:
                body = await read_body(request, limit=MAX_BODY, seconds=BODY_S, received=received)
                told = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._store, body, signal, encoding, compression == "gzip"
                )
        finally:
            self._bodies -= 1
        self._wait_for_parents()
        return Response(told, media_type=TYPES[encoding])

    def _check_sender(self, request: Request) -> None:
        """Refuse web pages: a browser sends an Origin, or uses a host name that is not loopback."""
        if "origin" in request.headers:
            raise Refused(403, "origin", "Web pages may not send telemetry here.")
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self._token:
            if not hmac.compare_digest(given, self._token.encode()):
                raise Refused(
                    401,
                    "token",
                    "The token is missing or wrong. Send it as Authorization: Bearer TOKEN.",
                )
        elif _host(request) not in LOOPBACK:
            raise Refused(403, "host", "Without a token, send to 127.0.0.1 and no other host name.")
        elif not (self._is_addressed(request) or hmac.compare_digest(given, self._key.encode())):
            raise Refused(404, "path", NOT_FOR_OTHERS)

    def _is_addressed(self, request: Request) -> bool:
        """Return True if the path has the key, or if there is none."""
        return request.url.path.startswith(f"{self._path}/v1/")

    def _check_room(self, items: int) -> None:
        if self._observability.room - items < RESERVED:
            raise Refused(503, "queue", "The queue is full. Send it again later.")

    def _store(self, body: bytes, signal: Signal, encoding: Encoding, compressed: bool) -> bytes:
        """On the thread: store a request and return the response. Raises `Refused`."""
        try:
            content = _decompressed(body) if compressed else body
            telemetry = read(content, signal, encoding=encoding, capture=self._capture)
            self._queue(telemetry)
            self._count_losses(telemetry.losses)
            self._wait_for_storage(len(content))
        except BadTelemetry as error:
            raise Refused(400, "body", str(error)) from error
        except TooManyItems as error:
            raise Refused(413, "items", str(error)) from error
        except PeeweeException as error:
            logger.warning(
                "The database cannot be read, so a sender has to send its telemetry again: %s",
                error,
            )
            raise Refused(
                503, "database", "The database cannot be read. Send it again later."
            ) from error
        return answer(signal, telemetry.losses, encoding=encoding)

    def _queue(self, telemetry: Telemetry) -> None:
        correlator, before = self._correlator, self._correlator.filtered.total()
        items: list[Span | Metric | Log] = [
            *correlator.spans(telemetry.spans),
            *chain.from_iterable(correlator.logs(*sent) for sent in telemetry.logs),
            *chain.from_iterable(correlator.metrics(*sent) for sent in telemetry.metrics),
        ]
        self._check_room(len(items))
        self._observability.receive(items)
        self.counts.stored += len(items)
        self.counts.filtered += correlator.filtered.total() - before

    def _wait_for_parents(self) -> None:
        """On the event loop: see to it that spans which wait for their parent are stored."""
        if self._correlator.waiting and (self._waiter is None or self._waiter.done()):
            self._waiter = asyncio.create_task(self._store_waited_each_second())

    async def _store_waited_each_second(self) -> None:
        loop = asyncio.get_running_loop()
        while self._correlator.waiting:
            await asyncio.sleep(PARENT_S)
            await loop.run_in_executor(self._thread, self._store_waited)

    def _store_waited(self, *, at_once: bool = False) -> None:
        """Store the spans that need not wait any longer for their parent."""
        try:
            spans = self._correlator.waited(at_once=at_once)
        except PeeweeException as error:
            logger.warning("The database cannot be read, so spans go on waiting: %s", error)
            return
        self._observability.receive(spans)
        self.counts.stored += len(spans)

    def _wait_for_storage(self, size: int) -> None:
        """Keep what is decoded but not stored small: its objects take up to 20 times its bytes."""
        self._queued += size
        if self._queued > MAX_QUEUED:
            self._observability.flush(STORED_S)
            self._queued = 0

    def _count_losses(self, losses: Losses) -> None:
        self.counts.rejected += losses.refused
        self.counts.cut += losses.cuts
        for cause, number in (losses.refused + losses.cuts).items():
            self._count(CUT, cause, number)

    def _count_impossible(self, cause: str) -> None:
        """Count a value, or an item beyond a limit, that `storage.otlp.bounds` left out."""
        self.counts.cut[cause] += 1
        self._count(REFUSED, cause)

    def _count(self, metric: str, cause: str, number: int = 1) -> None:
        self._observability.count(metric, f"otlp: {cause}", number)

    def _refusal(self, error: Refused, encoding: Encoding) -> Response:
        self.counts.refused[error.cause] += 1
        self._count(REFUSED, error.cause)
        headers = {"Retry-After": str(self._retry_s)} if error.status == 503 else {}
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


def _decompressed(body: bytes) -> bytes:
    """Decompress gzip up to MAX_BODY. Raises `Refused` if it is more, and `BadTelemetry`."""
    content = bytearray()
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            content += member.decompress(body, MAX_BODY + 1 - len(content))
        except zlib.error as error:
            raise BadTelemetry(f"The body is not valid gzip: {error}.") from None
        if len(content) > MAX_BODY:
            raise Refused(
                413, "size", f"Send at most {MAX_BODY} bytes at once, also when compressed."
            )
        if not member.eof:
            raise BadTelemetry("The gzip body is cut off: its end is missing.")
        body = member.unused_data
        if not body:
            return bytes(content)
    raise BadTelemetry(f"The gzip body has more than {MAX_MEMBERS} members.")


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
