"""Implement OpenTelemetry's `Span`."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.trace.span import SpanContext, TraceFlags
from opentelemetry.trace.status import Status as ApiStatus
from opentelemetry.trace.status import StatusCode

from storage.tracing.failures import never_raises
from storage.tracing.recording_span import RecordingSpan
from storage.tracing.values import plain, plain_attributes, text_of

SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class ActiveSpan(RecordingSpan, trace.Span):
    """A recording span with the rest of OpenTelemetry's methods. Any thread may call them."""

    __slots__ = ()

    def get_span_context(self) -> SpanContext:
        return SpanContext(int(self.trace_id, 16), int(self.span_id, 16), False, SAMPLED)

    @never_raises("Attributes of a span")
    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self.ended_at is None:
            self._update(plain_attributes(attributes))

    @never_raises("Attributes of a span")
    def set_attribute(self, key: str, value: Any) -> None:
        if self.ended_at is None:
            self._update({text_of(key): plain(value)})

    @never_raises("A link of a span")
    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        details = plain_attributes(attributes or {})
        self._append(self.links, "links", {**ids, "attributes": details})

    @never_raises("The status of a span")
    def set_status(self, status: ApiStatus | StatusCode, description: str | None = None) -> None:
        if self.status == "ok":  # Which is final, as OpenTelemetry has it.
            return
        code = status if isinstance(status, StatusCode) else status.status_code
        text = description if isinstance(status, StatusCode) else status.description
        if code is StatusCode.ERROR:
            self.fail(self.error[0] if self.error else "", text or "")
        elif code is StatusCode.OK and self.ended_at is None:
            self.status, self.error = "ok", None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None:
            self.record_failure(exc_val)
        self.end()


class LeftSpan(ActiveSpan):
    """A span that one task entered, where it is still current, and that another task has left.

    As of an asynchronous generator that is not taken to its end: the event loop closes it in a task
    of its own. What the first task starts from then on belongs to `former`.
    """

    __slots__ = ()

    former: trace.Span
    """The span that was current before this one."""
