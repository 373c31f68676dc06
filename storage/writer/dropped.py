"""Count what may come in floods, log it once a minute, and store the counts as metrics.

That is what recording had to drop, writes that failed, and requests that were refused.
"""

import json
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

from peewee import fn

from storage.database.base import Database
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

REFUSED = "tracebot.refused"
"""The metric's name. It counts refused requests, and values of received telemetry that cannot be
true, by `cause`, such as `slack: signature` or `otlp: impossible cost`."""

CUT = "tracebot.cut"
"""The metric's name. It counts items of received telemetry that are not valid, and values in valid
ones that were left out or replaced, by `cause`, such as `otlp: invalid text`."""

RATE_LIMITED = "tracebot.rate_limited"
"""The metric's name. It counts the minutes of which Slack withheld events from the bot."""

COUNTED = (DROPPED, WRITE_FAILED, REFUSED, CUT, RATE_LIMITED)

LOG_EVERY_S = 60.0
"""A flood of refused requests must not become a flood of lines and rows."""

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True)
class DropCount:
    """How often something was dropped, failed or was refused: `metric` is one of COUNTED.

    `label` is the kind of what was dropped, or the cause of the failure or refusal.
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
        self.add(DROPPED, kind, number)

    def add_write_failure(self, cause: str) -> None:
        self.add(WRITE_FAILED, cause)

    def add(self, metric: str, label: str, number: int = 1) -> None:
        """Add to one of COUNTED. `label` comes from a small set: each makes a row a minute."""
        with self._lock:
            self._counts[metric, label] += number

    @property
    def due_in(self) -> float | None:
        """Return in how many seconds `take_new` will return something, None if there is nothing."""
        with self._lock:
            if self._counts == self._logged:
                return None
        return max(self._logged_at + LOG_EVERY_S - time.monotonic(), 0.0)

    def __getitem__(self, kind: str) -> int:
        """Return how many of a kind were dropped."""
        return self._counts[DROPPED, kind]

    def take_new(self, *, at_once: bool = False) -> list[Metric]:
        """Return the counts since the last call, to be stored: once a minute, or `at_once`."""
        due_in = self.due_in
        if due_in is None or (due_in > 0 and not at_once):
            return []
        # Only the writer's thread takes: between the two locks the counts can only grow.
        with self._lock:
            new = self._counts - self._logged
            self._logged, self._logged_at = self._counts.copy(), time.monotonic()
        _log(new)
        return [_metric(name, what, number) for (name, what), number in new.items()]


def drop_counts(database: Database, *, since: int, until: int | None = None) -> list[DropCount]:
    """Return what all writers counted from `since` until `until` (ns), the largest count first."""
    query = (
        MetricRow.select(MetricRow.name, MetricRow.labels, fn.SUM(MetricRow.value))
        .where(MetricRow.name.in_(COUNTED), MetricRow.recorded_at >= since)
        .group_by(MetricRow.name, MetricRow.labels)
    )
    if until is not None:
        query = query.where(MetricRow.recorded_at < until)
    found = [
        DropCount(name, "".join(json.loads(labels or "{}").values()), int(number))
        for name, labels, number in query.tuples().execute(database)
    ]
    return sorted(found, key=lambda found: -found.count)


LOGGED = {
    DROPPED: "Recording dropped %s: its queue was full, or the database refused them.",
    REFUSED: 'Refused requests, and values of received telemetry: %s. See "Security" in the '
    "documentation.",
    CUT: "Items and values of received telemetry that are not valid, or too many, were left out: "
    '%s. See "Receive telemetry" in the documentation.',
    RATE_LIMITED: "Slack withheld events for %s: the workspace sends more than it delivers to "
    "one app, 30,000 in an hour. Some messages were not seen.",
}


def _log(counts: Counter[tuple[str, str]]) -> None:
    for metric, text in LOGGED.items():
        found = {what: number for (name, what), number in counts.items() if name == metric}
        if found:
            logger.warning(
                text, ", ".join(f"{number:,} {what}" for what, number in sorted(found.items()))
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
