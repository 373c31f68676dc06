"""Implement OpenTelemetry's `Span` for spans between their start and their end.

Nothing here touches the database. A span hands itself to `sink`, the writer's queue, at its start
and again at its end, which costs its caller microseconds.
"""

import time
import traceback
from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.span import SpanContext, TraceFlags
from opentelemetry.trace.status import Status as ApiStatus
from opentelemetry.trace.status import StatusCode

from storage.model.semconv import INHERITED
from storage.model.span import Kind, Status
from storage.model.trace_context import Ids, format_traceparent, new_span_id, new_trace_id

Sink = Callable[["ActiveSpan"], None]
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
MAX_EVENTS = 128


class SpanState(Enum):
    """How far a span has come on its way to the database. `ActiveSpan.advance` changes it."""

    QUEUED = auto()
    """Its start waits in the writer's queue."""
    REFUSED = auto()
    """The queue was full at its start, so only its end will be queued."""
    STARTED = auto()
    """The writer has taken its start, which is stored as running."""
    ENDED = auto()
    """The writer has taken its end. Nothing is left to store."""


class ActiveSpan(trace.Span):
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
        *,
        kind: Kind = "internal",
        parent: "ActiveSpan | Ids | None" = None,
        context: Mapping[str, object],
        attributes: Mapping[str, Any] | None = None,
        started_at: int | None = None,
        scope: str | None = None,
        ids: Ids | None = None,
    ) -> None:
        now = time.time_ns()
        self.name = name
        self.kind: Kind = kind
        self.attributes: dict[str, object] = {}
        self.context = context
        self.trace_id: str
        self.parent_id: str | None
        self.span_id: str = new_span_id()
        self.entry = isinstance(parent, tuple)
        if parent is None:
            self.trace_id, self.parent_id = new_trace_id(now), None
        elif isinstance(parent, ActiveSpan):
            self.trace_id, self.parent_id = parent.trace_id, parent.span_id
            self.context = parent.context
        else:
            self.trace_id, self.parent_id = parent
        if ids is not None:
            self.trace_id, self.span_id = ids
        self.status: Status = "running"
        self.error: tuple[str, str] | None = None
        self.events: list[dict[str, object]] | None = None
        self.links: list[dict[str, object]] | None = None
        self.ended_at: int | None = None
        self.duration_ns: int | None = None
        self.state = SpanState.QUEUED
        self.scope = scope
        self._sink = sink
        if attributes:
            self._update(attributes)
        self.started_at = started_at or now
        self._monotonic = time.perf_counter_ns() - (now - self.started_at)
        sink(self)

    @property
    def traceparent(self) -> str:
        """Return the W3C header that makes this span the parent of another process's spans."""
        return format_traceparent(self.trace_id, self.span_id)

    def set(self, **attributes: object) -> None:
        """Set attributes. The names in `storage.model.semconv.FIELDS` fill the span's columns."""
        if self.ended_at is None:
            self._update(attributes)

    def event(self, name: str, **attributes: object) -> None:
        """Add an event that happened now."""
        self.add_event(name, attributes)

    def fail(self, error_type: str, message: str, *, status: Status = "error") -> None:
        """Mark the span as failed. It ends with `status`."""
        if self.ended_at is None:
            self.status = status
            self.error = (error_type, message)

    def _update(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)
        if not INHERITED.isdisjoint(attributes):
            own = {word: attributes[word] for word in INHERITED.intersection(attributes)}
            self.context = {**self.context, **own}

    def advance(self, *, accepted: bool) -> SpanState:
        """Move to the next state and return it.

        `accepted` is True when the writer takes the span from its queue, and False when the queue
        has no room for its start. The state stays as it is if there is nothing new to store.
        """
        before = self.state
        if before is SpanState.ENDED:
            return before
        if not accepted:
            self.state = SpanState.REFUSED
            return self.state
        # Before `ended_at` is read, so that an end from now on queues itself: see the class.
        self.state = SpanState.STARTED
        if self.ended_at is not None:
            self.state = SpanState.ENDED
        return self.state

    # The methods of OpenTelemetry's API.

    def end(self, end_time: int | None = None) -> None:
        if self.ended_at is not None:
            return
        self.duration_ns = (
            time.perf_counter_ns() - self._monotonic
            if end_time is None
            else max(end_time - self.started_at, 0)
        )
        if self.status == "running":
            self.status = "ok"
        # Last: the writer takes a span with an end as complete.
        self.ended_at = self.started_at + self.duration_ns
        if self.state is not SpanState.QUEUED:  # Otherwise its start, still queued, brings the end.
            self._sink(self)

    def get_span_context(self) -> SpanContext:
        return SpanContext(int(self.trace_id, 16), int(self.span_id, 16), False, SAMPLED)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.set(**attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        if self.ended_at is None:
            self._update({key: value})

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        if self.ended_at is not None:
            return
        if self.events is None:
            self.events = []
        if len(self.events) < MAX_EVENTS:
            at = timestamp or time.time_ns()
            self.events.append({"name": name, "at": at, "attributes": dict(attributes or {})})

    def link(self, ids: Ids) -> None:
        """Link to another span by its ids, such as to the one that this one repeats."""
        self.links = [
            *(self.links or ()),
            {"trace_id": ids[0], "span_id": ids[1], "attributes": {}},
        ]

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        self.links = [
            *(self.links or ()),
            {
                "trace_id": f"{context.trace_id:032x}",
                "span_id": f"{context.span_id:016x}",
                "attributes": dict(attributes or {}),
            },
        ]

    def update_name(self, name: str) -> None:
        self.name = name

    def is_recording(self) -> bool:
        return self.ended_at is None

    def set_status(self, status: ApiStatus | StatusCode, description: str | None = None) -> None:
        code = status if isinstance(status, StatusCode) else status.status_code
        text = description if isinstance(status, StatusCode) else status.description
        if code is StatusCode.ERROR:
            self.fail(self.error[0] if self.error else "error", text or "")
        elif code is StatusCode.OK and self.ended_at is None:
            self.status, self.error = "ok", None

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
            "exception.message": str(exception),
            "exception.stacktrace": redacted_end(stack, 4_000),
        }
        self.add_event("exception", {**details, **(attributes or {})}, timestamp)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None:
            self.record_failure(exc_val)
        self.end()

    def record_failure(self, exception: BaseException) -> None:
        """Record an exception that leaves the span's block. A status set earlier stays."""
        if self.status != "running" or self.ended_at is not None:
            return
        self.record_exception(exception)
        status: Status = "error" if isinstance(exception, Exception) else "cancelled"
        self.fail(type(exception).__qualname__, str(exception), status=status)


class CurrentSpan:
    """Make a span the current one for a `with` block, and end it with the block."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: ActiveSpan) -> None:
        self._span = span

    def __enter__(self) -> ActiveSpan:
        self._token = attach(set_span_in_context(self._span))
        return self._span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        detach(self._token)
        if exc_val is not None:
            self._span.record_failure(exc_val)
        self._span.end()
