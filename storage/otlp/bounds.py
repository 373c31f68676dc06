"""Bound what a received span claims by what can have happened since its parent began.

In: values that `storage.otlp.correlation` has attached to their place. Out: the same, without times
and figures that cannot be true. An agent knows the ids of the span that started it, so it can send
anything in the name of its turn: a start in 1970, a cost of trillions, a million spans.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeVar

from cachetools import LRUCache

from storage.model.clock import CLOCK, CLOCK_END, DAY_NS, LONG_AGO_NS, SECOND_NS, SKEW_NS, YEAR_NS
from storage.model.records import Log, Metric
from storage.model.span import Span

LONGEST_NS = YEAR_NS
"""If a span takes longer, its clock was set between its start and its end."""

MAX_ITEMS = 20_000
"""Spans, and as many log records and data points, that one trace of ours takes from others.

codex sends 600 spans for one prompt, before its noise is left out.
"""

REMEMBERED = 10_000
"""Traces whose received items and figures are remembered."""

REFUSED_FIGURES = "tracebot.refused"
"""The attribute with the names of figures that a span was sent with, and that cannot be true."""

Recorded = TypeVar("Recorded", Log, Metric)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that one turn can spend: at once, and in each second since it began."""

    at_once: int
    per_second: int

    def after(self, ns: int) -> int:
        return self.at_once + self.per_second * max(ns, 0) // SECOND_NS


INPUT = Limit(20_000_000, 2_000_000)
"""Twenty full contexts of a million tokens, and two in each second."""

LIMITS = {
    "input_tokens": INPUT,
    "cached_tokens": INPUT,
    # The fastest model writes 3,000 tokens a second; an agent may ask several at the same time.
    "output_tokens": Limit(2_000_000, 50_000),
    # Micro-dollars: 100 dollars, and ten in each second.
    "cost": Limit(100_000_000, 10_000_000),
}


_figures = attrgetter(*LIMITS)
NONE_SENT = (None,) * len(LIMITS)


@dataclass(slots=True)
class Received:
    """Count what a trace of ours has taken from others. `began` is when its first parent did."""

    began: int
    items: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)


class Bounds:
    """Check received values. For one thread at a time."""

    def __init__(self, *, now: Callable[[], int], refused: Callable[[str], object]) -> None:
        """Take `refused`, which is told the cause of each value that is left out."""
        self._now = now
        self._refused = refused
        self._received: LRUCache[str, Received] = LRUCache(REMEMBERED)

    def admits(self, parent: Span, kind: str) -> bool:
        """Return False if the parent's trace has taken enough items of this kind from others."""
        fresh = Received(parent.started_at)
        items = self._received.setdefault(parent.trace_id, fresh).items
        items[kind] += 1
        if items[kind] > MAX_ITEMS:
            self._refused(f"too many {kind}")
            return False
        return True

    def check(self, span: Span, parent: Span | None) -> None:
        """Correct the span's times, and remove figures that are too high for it or its trace.

        What several spans report of the same call counts here for each of them: the limits are far
        above what one turn spends, and no order of the spans gets around them.
        """
        self._check_times(span, parent)
        if _figures(span) == NONE_SENT:
            return
        elapsed = self._elapsed(span, (parent or span).started_at)
        # Without a parent of ours, its start is only a claim, and may be years ago.
        self._check_figures(span, elapsed if parent else min(elapsed, DAY_NS), {})
        received: Received | None = self._received.get(span.trace_id)
        if received is not None:
            self._check_figures(span, self._elapsed(span, received.began), received.figures)
            received.figures.update({name: getattr(span, name) or 0 for name in LIMITS})

    def dated(self, item: Recorded, parent: Span | None) -> Recorded:
        """Return the log record or data point with a time that can be true."""
        earliest, now = self._possible(parent)
        if earliest <= item.recorded_at <= now + SKEW_NS:
            return item
        dated = replace(item, recorded_at=now)
        if item.recorded_at and isinstance(dated, Log):  # 0 if it was sent without a time.
            return replace(dated, attributes={**dated.attributes, CLOCK: item.recorded_at})
        return dated

    def _possible(self, parent: Span | None) -> tuple[int, int]:
        """Return the earliest time at which something can have happened, and now."""
        now = self._now()
        return now - LONG_AGO_NS if parent is None else parent.started_at - SKEW_NS, now

    def _check_times(self, span: Span, parent: Span | None) -> None:
        earliest, now = self._possible(parent)
        start, end = span.started_at, span.ended_at or span.started_at
        if not (earliest <= start <= end <= now + SKEW_NS and end - start <= LONGEST_NS):
            self._refused("wrong clock")
            span.attributes = {**span.attributes, CLOCK: start, CLOCK_END: end}
            first = earliest if parent is None else min(parent.started_at, now)
            start, end = _likely_times(start, end, earliest, first, now)
            span.started_at = start
            if span.ended_at is not None:
                span.ended_at, span.duration_ns = end, end - start
        if span.events:
            span.events = [
                event if earliest <= _time_of(event) <= now + SKEW_NS else {**event, "at": start}
                for event in span.events
            ]

    def _elapsed(self, span: Span, began: int) -> int:
        return max(self._now(), span.ended_at or 0) - began

    def _check_figures(self, span: Span, elapsed: int, spent: Mapping[str, int]) -> None:
        refused = [
            name
            for name, limit in LIMITS.items()
            if (figure := getattr(span, name)) is not None
            and spent.get(name, 0) + figure > limit.after(elapsed)
        ]
        if not refused:
            return
        for name in refused:
            setattr(span, name, None)
            self._refused(f"impossible {name}")
        span.attributes = {**span.attributes, REFUSED_FIGURES: refused}
        span.cost_source = span.cost_source if span.cost is not None else None


def _likely_times(start: int, end: int, earliest: int, first: int, now: int) -> tuple[int, int]:
    """Return times for a span that begins not before `first`, whose clock is wrong.

    Such a clock still measures how long a span takes, unless it was set meanwhile.
    """
    length = end - start
    if not 0 <= length <= LONGEST_NS:
        if earliest <= start <= now + SKEW_NS:
            end = max(min(end, now), start)
            return (start if end - start <= LONGEST_NS else end), end
        length = 0
    # Of a span that has just come, its end is the better known time.
    end = end if earliest <= end <= now else now
    start = max(end - length, first)
    return start, max(end, start)


def _time_of(event: Mapping[str, object]) -> int:
    at = event["at"]
    return at if isinstance(at, int) else 0
