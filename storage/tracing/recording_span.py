"""A span between its start and its end, on its way to the database.

Nothing here touches the database. A span hands itself to `sink`, the writer's queue, at its start
and again at its end, which costs its caller microseconds.

OpenTelemetry is not needed for this: `tracebot run` records its one span without importing it.
"""

import time
import traceback
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, TypeGuard, get_args

from storage.model.clock import CLOCK, CLOCK_END, LONG_AGO_NS, SKEW_NS
from storage.model.semconv import PASSED_ON, PASSED_ON_BY_LIBRARIES
from storage.model.span import Kind, Status
from storage.model.trace_context import (
    Ids,
    format_traceparent,
    is_valid,
    new_span_id,
    new_trace_id,
)
from storage.tracing.failures import never_raises
from storage.tracing.values import PLAIN, plain_attributes, text_of

Sink = Callable[["RecordingSpan"], None]
NO_CONTEXT: Mapping[str, object] = {}
STATUSES = frozenset(get_args(Status))

_PASSED_ON = frozenset(PASSED_ON)
"""As a set, which is compared with a dict in two thirds of the time that keys take."""

MAX_EVENTS = 128
"""How many events and how many links a span keeps: the last ones, as OpenTelemetry's SDKs do, and
exceptions before others."""

EXCEPTION = "exception"
"""The name of an event that records an exception."""

LEFT_OUT = {
    "events": "otel.dropped_events_count",
    "links": "otel.dropped_links_count",
}
"""The attributes that say how many are left out, by the names that OpenTelemetry gives them:
https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/"""


class SpanState(Enum):
    """How far a span has come on its way to the database. `RecordingSpan.advance` changes it."""

    QUEUED = auto()
    """Its start waits in the writer's queue."""
    REFUSED = auto()
    """The queue was full at its start, so only its end will be queued."""
    STARTED = auto()
    """The writer has taken its start, which is stored as running."""
    ENDED = auto()
    """The writer has taken its end. Nothing is left to store."""


QUEUED, REFUSED, STARTED, ENDED = SpanState
"""Python 3.11 finds a member of an enum only after a search that takes longer than a call."""


class RecordingSpan:
    """A span between its start and its end. Methods may be called from any thread.

    The span is shared between the threads that record it and the writer's thread, and has no lock:
    a lock would cost each call more than the call itself. Three things make this safe:

    - Each attribute is replaced or updated in one step of the interpreter.
    - `ended_at` is set last, so that a reader who sees it sees a complete span.
    - `end` first sets `ended_at` and then reads `state`; `advance`, on the writer's thread, first
      sets `state` and then reads `ended_at`. So at least one of the two sees the other: an end
      cannot be missed. If both do, the end comes up twice and `advance` ignores the second.
    """

    __slots__ = (
        "_monotonic",
        "_passes_on",
        "_sink",
        "attributes",
        "context",
        "duration_ns",
        "ended_at",
        "entry",
        "error",
        "events",
        "kind",
        "links",
        "name",
        "parent_id",
        "scope",
        "span_id",
        "started_at",
        "state",
        "status",
        "trace_id",
    )

    def __init__(
        self,
        name: str,
        sink: Sink,
        kind: Kind = "internal",
        parent: "RecordingSpan | Ids | None" = None,
        context: Mapping[str, object] = NO_CONTEXT,
        attributes: dict[str, Any] | None = None,
        started_at: int | None = None,
        scope: str | None = None,
        ids: Ids | None = None,
    ) -> None:
        """Start the span, and hand it to `sink`. `attributes` become its own: pass a new dict."""
        now = time.time_ns()
        self.name = name if type(name) is str else text_of(name)
        self.kind: Kind = kind
        self.context = context
        self.trace_id: str
        self.parent_id: str | None
        self.span_id: str = new_span_id()
        self.entry = False
        if parent is None:
            self.trace_id, self.parent_id = new_trace_id(now), None
        elif isinstance(parent, tuple):
            self.trace_id, self.parent_id = parent
            self.entry = True
        else:
            self.trace_id, self.parent_id = parent.trace_id, parent.span_id
            self.context = parent._for_children()
        if ids is not None:
            self.trace_id, self.span_id = ids
        self.status: Status = "running"
        self.error: tuple[str, str] | None = None
        self.events: list[dict[str, object]] = []
        self.links: list[dict[str, object]] = []
        self.ended_at: int | None = None
        self.duration_ns: int | None = None
        self.state = QUEUED
        self.scope = scope
        self._sink = sink
        self.attributes: dict[str, object] = {}
        self._passes_on = False
        if attributes:
            # Not copied if that is not needed: it takes a thirtieth of what a span takes.
            plain = PLAIN.issuperset(map(type, attributes.values()))
            self.attributes = attributes if plain else plain_attributes(attributes)
            self._passes_on = not _PASSED_ON.isdisjoint(attributes)
        self._monotonic = time.perf_counter_ns()
        self.started_at = now
        if started_at is not None and (instant := instant_of(started_at)) is not None:
            if -SKEW_NS <= now - instant <= LONG_AGO_NS:
                self._monotonic -= max(now - instant, 0)
                self.started_at = instant
            else:  # As of a library that gives seconds.
                self.attributes[CLOCK] = instant
        sink(self)

    @property
    def traceparent(self) -> str:
        """Return the W3C header that makes this span the parent of another process's spans."""
        return format_traceparent(self.trace_id, self.span_id)

    # Positional-only, here and below, so that attributes may have the same names.
    @never_raises("Attributes of a span")
    def set(self, /, **attributes: object) -> None:
        """Set attributes. The names in `storage.model.semconv.FIELDS` fill the span's columns."""
        if self.ended_at is None:
            self._update(attributes)

    def event(self, name: str, /, **attributes: object) -> None:
        """Add an event that happened now."""
        self.add_event(name, attributes)

    @never_raises("The failure of a span")
    def fail(self, error_type: str, message: str, *, status: Status = "error") -> None:
        """Mark the span as failed. It ends with `status`.

        An empty type or message is that of the span's attributes, else of its last exception.
        """
        if self.ended_at is None:
            self.status = status if is_status(status) else "error"
            self.error = (text_of(error_type), text_of(message))

    def _update(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes, whose names are text."""
        if not PLAIN.issuperset(map(type, attributes.values())):
            attributes = plain_attributes(attributes)
        self.attributes.update(attributes)
        if not _PASSED_ON.isdisjoint(attributes):
            self._passes_on = True

    def _for_children(self) -> Mapping[str, object]:
        """Return the fields that a child which starts now inherits."""
        if not self._passes_on:
            return self.context
        given = self.attributes
        # Anew for each child, as most spans have none.
        passed_on = PASSED_ON if self.scope is None else PASSED_ON_BY_LIBRARIES
        own = {field: given[name] for name, field in passed_on.items() if name in given}
        return {**self.context, **own}

    def advance(self, *, accepted: bool) -> SpanState:
        """Move to the next state and return it.

        `accepted` is True when the writer takes the span from its queue, and False when the queue
        has no room for its start. The state stays as it is if there is nothing new to store.
        """
        before = self.state
        if before is ENDED:
            return before
        if not accepted:
            self.state = REFUSED
            return self.state
        # Before `ended_at` is read, so that an end from now on queues itself: see the class.
        self.state = STARTED
        if self.ended_at is not None:
            self.state = ENDED
        return self.state

    def end(self, end_time: int | None = None) -> None:
        # Of two threads that end it at once both may pass: `advance` takes only one end.
        if self.ended_at is not None:
            return
        if end_time is None:
            self.duration_ns = time.perf_counter_ns() - self._monotonic
        else:
            self.duration_ns = self._length_to(end_time)
        if self.status == "running":
            self.status = "ok"
        # Last: the writer takes a span with an end as complete.
        self.ended_at = self.started_at + self.duration_ns
        if self.state is not QUEUED:  # Otherwise its start, still queued, brings the end.
            self._sink(self)

    def _length_to(self, end_time: object) -> int:
        """Return how long the span took until an end that a library gives, or until now."""
        instant = None if CLOCK in self.attributes else instant_of(end_time)
        if instant is not None:
            if instant <= time.time_ns() + SKEW_NS:
                return max(instant - self.started_at, 0)
            self.attributes[CLOCK_END] = instant
        return time.perf_counter_ns() - self._monotonic

    @never_raises("An event of a span")
    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        at = instant_of(timestamp) or time.time_ns()
        details = plain_attributes(attributes or {})
        self._append(
            self.events, "events", {"name": text_of(name), "at": at, "attributes": details}
        )

    def link(self, ids: Ids) -> None:
        """Link to another span by its ids, such as to the one that this one repeats."""
        if is_valid(ids):
            link: dict[str, object] = {"trace_id": ids[0], "span_id": ids[1], "attributes": {}}
            self._append(self.links, "links", link)

    def _append(self, items: list[dict[str, object]], what: str, item: dict[str, object]) -> None:
        """Append to the events or links. The first of too many is left out and counted.

        Exceptions stay, as they tell why the span failed.
        """
        if self.ended_at is not None:
            return
        items.append(item)
        if len(items) > MAX_EVENTS:
            del items[next((n for n, each in enumerate(items) if each.get("name") != EXCEPTION), 0)]
            left_out = self.attributes.get(LEFT_OUT[what])
            self.attributes[LEFT_OUT[what]] = left_out + 1 if isinstance(left_out, int) else 1

    def update_name(self, name: str) -> None:
        if self.ended_at is None:
            self.name = text_of(name)

    def is_recording(self) -> bool:
        return self.ended_at is None

    @never_raises("An exception")
    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        from storage.model.redaction import redacted_end  # Not needed by most processes.

        stack = "".join(traceback.format_exception(exception, limit=-20))
        details = {
            "exception.type": type(exception).__qualname__,
            "exception.message": text_of(exception),
            "exception.stacktrace": redacted_end(stack, 4_000),
        }
        self.add_event(EXCEPTION, {**details, **plain_attributes(attributes or {})}, timestamp)

    @never_raises("The failure of a span")
    def record_failure(
        self, exception: BaseException, *, event: bool = True, status: bool = True
    ) -> None:
        """Record an exception that leaves the span's block, as an `event` and as the `status`.

        A status set earlier stays, and a failure whose type was told needs no event.
        """
        if self.ended_at is not None or (self.error is not None and self.error[0]):
            return
        if event and not self._has_recorded(exception):
            self.record_exception(exception)
        if status and self.status == "running":
            outcome: Status = "error" if isinstance(exception, Exception) else "cancelled"
            self.fail(type(exception).__qualname__, text_of(exception), status=outcome)

    def _has_recorded(self, exception: BaseException) -> bool:
        last: Any = self.events[-1]["attributes"] if self.events else {}
        of = type(exception).__qualname__, text_of(exception)
        return of == (last.get("exception.type"), last.get("exception.message"))


def is_status(value: object) -> TypeGuard[Status]:
    return type(value) is str and value in STATUSES


def instant_of(value: object) -> int | None:
    """Return a time in nanoseconds since the epoch, None if `value` is not one."""
    if type(value) is not int and type(value) is not float:  # A subclass may have odd methods.
        return None
    return int(value) if 0 < value < 2**63 else None
