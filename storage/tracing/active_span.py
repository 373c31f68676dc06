"""A span between its start and its end, as OpenTelemetry's API has it.

Nothing here touches the database: `sink` takes a span at its start and at its end, which costs
its caller microseconds.
"""

import time
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal

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


class ActiveSpan(trace.Span):
    """A span between its start and its end. Methods may be called from any thread."""

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
        "status",
        "stored",
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
        self.stored: Status | Literal["refused"] | None = None
        self.scope = scope
        self._sink = sink
        if attributes:
            self._update(attributes)
        self.started_at = started_at or now
        self._monotonic = time.perf_counter_ns() - (now - self.started_at)
        sink(self)

    @property
    def traceparent(self) -> str:
        """The W3C header that hangs another process's spans under this one."""
        return format_traceparent(self.trace_id, self.span_id)

    def set(self, **attributes: object) -> None:
        """Set attributes; the words of `storage.model.semconv` fill the span's columns."""
        if self.ended_at is None:
            self._update(attributes)

    def event(self, name: str, **attributes: object) -> None:
        """Note that something happened now."""
        self.add_event(name, attributes)

    def fail(self, error_type: str, message: str, *, status: Status = "error") -> None:
        """Say why this span did not do what it was to do; it ends with `status`."""
        if self.ended_at is None:
            self.status = status
            self.error = (error_type, message)

    def _update(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)
        if not INHERITED.isdisjoint(attributes):
            own = {word: attributes[word] for word in INHERITED.intersection(attributes)}
            self.context = {**self.context, **own}

    # OpenTelemetry's names for the same.

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
        if self.stored is not None:  # Else its start still waits to be taken.
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
        stack = "".join(traceback.format_exception(exception, limit=-20))
        details = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.stacktrace": stack[-4_000:],
        }
        self.add_event("exception", {**details, **(attributes or {})}, timestamp)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None:
            self.close_with(exc_val)
        self.end()

    def close_with(self, exception: BaseException) -> None:
        """Record an exception that leaves this span; a status set before stays."""
        if self.status != "running" or self.ended_at is not None:
            return
        self.record_exception(exception)
        status: Status = "error" if isinstance(exception, Exception) else "cancelled"
        self.fail(type(exception).__qualname__, str(exception), status=status)


class CurrentSpan:
    """`with` this, the span is the current one, and ends at the end of the block."""

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
            self._span.close_with(exc_val)
        self._span.end()
