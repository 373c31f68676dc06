"""Decode received telemetry, and hand it to the writer."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from peewee import PeeweeException

from bot.http.requests import Refused
from storage import Observability
from storage.model.records import Log, Metric
from storage.model.span import Span
from storage.otlp.correlation import TraceCorrelator
from storage.otlp.decoder import BadTelemetry, Encoding, Signal, Telemetry, answer, read
from storage.otlp.losses import Losses
from storage.otlp.request import TooManyItems
from storage.otlp.span_lookup import SpanLookup
from storage.store.rootless import count_rootless
from storage.writer.dropped import CUT, REFUSED
from storage.writer.waiting_items import QUEUE_SIZE

MAX_QUEUED = 8 * 1024 * 1024
"""Bytes that are decoded before the next request waits until they are stored."""

STORED_S = 5.0
"""How long it waits. After that the queue decides, which has its own limit."""

LAST_S = 1.0
"""How long the end waits until what came last is stored, so that it can be counted."""

RESERVED = QUEUE_SIZE // 2
"""The part of the queue that is kept for our own spans, which cannot be sent again."""

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


class TelemetryStore:
    """Store what is received. For one thread at a time, so its correlator needs no locks."""

    def __init__(
        self, observability: Observability, *, capture: Callable[[str], str | None]
    ) -> None:
        """Take `capture`, which decides what is kept of texts."""
        self.counts = ReceivedCounts()
        self._observability = observability
        self._capture = capture
        self._queued = 0
        """Bytes of what was decoded since the last wait for the database."""
        lookup = SpanLookup(observability.database, flush=lambda: observability.flush(1.0))
        self._correlator = TraceCorrelator(lookup, refused=self._count_impossible)

    @property
    def waiting(self) -> int:
        """Return how many spans wait for their parent, and traces for their root."""
        return self._correlator.waiting + self._correlator.rootless

    def check_room(self, items: int) -> None:
        """Raise `Refused` if the queue has no room for more items. May be called on any thread."""
        if self._observability.room - items < RESERVED:
            raise Refused(503, "queue", "The queue is full. Send it again later.")

    def store(
        self, content: bytes, *, signal: Signal, encoding: Encoding, within: str | None = None
    ) -> bytes:
        """Store the body of a request, and return that of its response. Raises `Refused`.

        *within* is the only trace of ours that it may add to; None lets it add to any.
        """
        try:
            telemetry = read(
                content, signal, encoding=encoding, capture=self._capture, within=within
            )
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
        # First: what has waited for these spans is not sent again with them, and needs no check, as
        # it is little beside what is kept for our own spans.
        self.check_room(telemetry.items)
        items: list[Span | Metric | Log] = [
            *correlator.spans(telemetry.spans),
            *chain.from_iterable(correlator.logs(*sent) for sent in telemetry.logs),
            *chain.from_iterable(correlator.metrics(*sent) for sent in telemetry.metrics),
        ]
        self._observability.receive(items)
        self.counts.stored += len(items)
        self.counts.filtered += correlator.filtered.total() - before

    def store_waited(self, *, at_once: bool = False) -> None:
        """Store the spans that need not wait any longer for their parent."""
        try:
            spans = self._correlator.waited(at_once=at_once)
        except PeeweeException as error:
            if not at_once:
                logger.warning("The database cannot be read, so spans go on waiting: %s", error)
                return
            # Their senders were told that they are stored, and the spool can take them.
            logger.warning("The database cannot be read, so spans that wait stay apart: %s", error)
            spans = self._correlator.rest()
        self._observability.receive(spans)
        self.counts.stored += len(spans)
        self._count_rootless(at_once=at_once)

    def _count_rootless(self, *, at_once: bool) -> None:
        """Count the traces whose root has not come."""
        trace_ids = self._correlator.take_rootless(at_once=at_once)
        # Before the end, they were stored long ago.
        if not trace_ids or (at_once and not self._observability.flush(LAST_S)):
            return
        try:
            count_rootless(self._observability.database, trace_ids)
        except PeeweeException as error:
            number = len(trace_ids)
            logger.warning("%d traces without a root are not counted yet: %s", number, error)
            self._correlator.keep_rootless(trace_ids)

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

    def count_refusal(self, cause: str) -> None:
        """Count a request that was refused as a whole. May be called on any thread."""
        self.counts.refused[cause] += 1
        self._count(REFUSED, cause)

    def _count(self, metric: str, cause: str, number: int = 1) -> None:
        self._observability.count(metric, f"otlp: {cause}", number)
