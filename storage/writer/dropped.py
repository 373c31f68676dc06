"""Count what recording had to drop, log it once a minute, and store the counts as metrics."""

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
"""The metric's name. Its label `kind` is one of spans, events, attributes, metrics, logs, scores.

`events` and `attributes` count spans that were stored without their events, or without the
attributes that fill no column.
"""

WRITE_FAILED = "tracebot.write_failed"
"""The metric's name. It counts how often the database began to fail, by `cause` (see
`error_causes.cause_of`). Nothing is lost by that: what is recorded waits in the spool."""

LOG_EVERY_S = 60.0

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True)
class DropCount:
    """How often something was dropped or a write failed: `metric` is DROPPED or WRITE_FAILED.

    `label` is the kind of what was dropped, or the cause of the failure.
    """

    metric: str
    label: str
    count: int


class DropCounters:
    """The counts of one writer. Any thread may add to them."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may record, and drop, while the thread that it interrupts
        # holds the lock.
        self._lock = threading.RLock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._logged: Counter[tuple[str, str]] = Counter()
        self._logged_at = float("-inf")

    def add_dropped(self, kind: str, number: int = 1) -> None:
        with self._lock:
            self._counts[DROPPED, kind] += number

    def add_write_failure(self, cause: str) -> None:
        with self._lock:
            self._counts[WRITE_FAILED, cause] += 1

    def __getitem__(self, kind: str) -> int:
        """Return how many of a kind were dropped."""
        return self._counts[DROPPED, kind]

    def take_new(self, *, at_once: bool = False) -> list[Metric]:
        """Return the counts since the last call, to be stored: once a minute, or `at_once`."""
        now = time.monotonic()
        if self._counts == self._logged or (now < self._logged_at + LOG_EVERY_S and not at_once):
            return []
        with self._lock:
            new = self._counts - self._logged
            self._logged, self._logged_at = self._counts.copy(), now
        _log(new)
        return [_metric(name, what, number) for (name, what), number in new.items()]


def drop_counts(database: Database, *, since: int, until: int | None = None) -> list[DropCount]:
    """Return what all writers counted from `since` until `until` (ns), the largest count first."""
    query = (
        MetricRow.select(MetricRow.name, MetricRow.labels, fn.SUM(MetricRow.value))
        .where(MetricRow.name.in_((DROPPED, WRITE_FAILED)), MetricRow.recorded_at >= since)
        .group_by(MetricRow.name, MetricRow.labels)
    )
    if until is not None:
        query = query.where(MetricRow.recorded_at < until)
    found = [
        DropCount(name, "".join(json.loads(labels or "{}").values()), int(number))
        for name, labels, number in query.tuples().execute(database)
    ]
    return sorted(found, key=lambda found: -found.count)


def _log(counts: Counter[tuple[str, str]]) -> None:
    dropped = {what: number for (name, what), number in counts.items() if name == DROPPED}
    if dropped:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(dropped.items()))
        logger.warning(
            "Recording dropped %s: its queue was full, or the database refused them.", kinds
        )


def _metric(name: str, what: str, number: int) -> Metric:
    return Metric(
        name=name,
        value=float(number),
        labels={"kind" if name == DROPPED else "cause": what},
        recorded_at=time.time_ns(),
        trace_id=None,
        span_id=None,
    )
