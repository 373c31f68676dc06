"""What recording could not keep: counted by kind, said once a minute, and stored as metrics."""

import json
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

from peewee import Database, fn

from storage.database.models import MetricRow
from storage.model.records import Metric

DROPPED = "tracebot.dropped"
"""Labels: `kind`, one of spans, events, attributes, metrics, logs, scores. The last but two are
spans that kept everything but their events, or their attributes without a column."""

WRITE_FAILED = "tracebot.write_failed"
"""Labels: `cause`, see `error_causes.cause_of`. How often the database began to fail. Nothing
is lost by it: what is recorded waits in the spool."""

SAID_EVERY_S = 60.0

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True)
class Loss:
    """`number` times something was `dropped` or a write `failed`; `what` is the kind or cause."""

    name: str
    what: str
    number: int


class Losses:
    """The counts of one writer. Any thread may count."""

    def __init__(self) -> None:
        # Reentrant, as a signal handler may record while its own thread counts.
        self._lock = threading.RLock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._said: Counter[tuple[str, str]] = Counter()
        self._said_at = float("-inf")

    def dropped(self, kind: str, number: int = 1) -> None:
        with self._lock:
            self._counts[DROPPED, kind] += number

    def failed(self, cause: str) -> None:
        with self._lock:
            self._counts[WRITE_FAILED, cause] += 1

    def __getitem__(self, kind: str) -> int:
        """How many of a kind were dropped."""
        return self._counts[DROPPED, kind]

    def due(self, *, at_once: bool = False) -> list[Metric]:
        """What was counted since the last time, to be stored: once a minute, or `at_once`."""
        now = time.monotonic()
        if self._counts == self._said or (now < self._said_at + SAID_EVERY_S and not at_once):
            return []
        with self._lock:
            new = self._counts - self._said
            self._said, self._said_at = self._counts.copy(), now
        _say(new)
        return [_metric(name, what, number) for (name, what), number in new.items()]


def losses(database: Database, *, since: int, until: int | None = None) -> list[Loss]:
    """What all writers noted from `since` until `until` (ns), most first."""
    query = (
        MetricRow.select(MetricRow.name, MetricRow.labels, fn.SUM(MetricRow.value))
        .where(MetricRow.name.in_((DROPPED, WRITE_FAILED)), MetricRow.recorded_at >= since)
        .group_by(MetricRow.name, MetricRow.labels)
    )
    if until is not None:
        query = query.where(MetricRow.recorded_at < until)
    found = [
        Loss(name, "".join(json.loads(labels or "{}").values()), int(number))
        for name, labels, number in query.tuples().execute(database)
    ]
    return sorted(found, key=lambda loss: -loss.number)


def _say(counts: Counter[tuple[str, str]]) -> None:
    dropped = {what: number for (name, what), number in counts.items() if name == DROPPED}
    if dropped:
        words = ", ".join(f"{number:,} {kind}" for kind, number in sorted(dropped.items()))
        logger.warning("Recording could not keep everything and dropped: %s.", words)


def _metric(name: str, what: str, number: int) -> Metric:
    return Metric(
        name=name,
        value=float(number),
        labels={"kind" if name == DROPPED else "cause": what},
        recorded_at=time.time_ns(),
        trace_id=None,
        span_id=None,
    )
