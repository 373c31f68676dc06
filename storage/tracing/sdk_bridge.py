"""Record the spans of an application that runs OpenTelemetry's SDK as if they were ours.

The SDK is the application's, not ours, so nothing is imported from it here. It calls a processor by
the names of its methods: https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-processor.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from weakref import WeakKeyDictionary

from opentelemetry.trace import StatusCode, TracerProvider
from opentelemetry.trace.propagation import get_current_span

from storage.model.span import Kind
from storage.tracing.active_span import ActiveSpan
from storage.tracing.tracer import Tracer

logger = logging.getLogger("tracebot.storage")


class SpanProcessor:
    """Start a span with the same ids as each span of the SDK, and end it with that span.

    Has every method of the SDK's own `SpanProcessor`: a test compares the two.
    """

    def __init__(self) -> None:
        self._tracer: Tracer | None = None
        self._flush: Callable[[float], bool] = lambda timeout: True
        self._open: dict[int, ActiveSpan] = {}

    def attach(self, tracer: Tracer, flush: Callable[[float], bool]) -> None:
        """Record through `tracer` from now on."""
        self._tracer, self._flush = tracer, flush

    def detach(self, tracer: Tracer) -> None:
        if self._tracer is tracer:
            self._tracer = None
            self._open.clear()

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self._tracer is not None:
            try:
                self._open[span.context.span_id] = self._begin(self._tracer, span, parent_context)
            except Exception:
                logger.exception("A span of the application's OpenTelemetry SDK was not recorded.")

    def on_end(self, span: Any) -> None:
        ours = self._open.pop(span.context.span_id, None)
        if ours is not None:
            try:
                _end_like(ours, span)
            except Exception:
                logger.exception(
                    "A span of the application's OpenTelemetry SDK was recorded without its end."
                )

    def _on_ending(self, span: Any) -> None:
        """Do nothing before `on_end`.

        The SDK calls this private name on every processor, so it has to be here.
        """

    def shutdown(self) -> None:
        self.force_flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._tracer is None or self._flush(timeout_millis / 1_000)

    def _begin(self, tracer: Tracer, span: Any, parent_context: Any) -> ActiveSpan:
        above = get_current_span(parent_context)
        parent = above if isinstance(above, ActiveSpan) else None
        if parent is None and span.parent is not None:
            parent = self._open.get(span.parent.span_id)
        ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
        far = span.parent and (ids[0], f"{span.parent.span_id:016x}")
        return tracer.follow(
            span.name,
            ids=ids,
            kind=cast(Kind, span.kind.name.lower()),
            parent=parent or far,
            attributes=span.attributes,
            started_at=span.start_time,
            scope=span.instrumentation_scope and span.instrumentation_scope.name,
        )


def _end_like(ours: ActiveSpan, span: Any) -> None:
    ours.update_name(span.name)
    ours.set(**dict(span.attributes or {}))
    for event in span.events:
        ours.add_event(event.name, event.attributes, event.timestamp)
    for link in span.links:
        ours.add_link(link.context, link.attributes)
    if span.status.status_code is StatusCode.ERROR:
        raised = [(event.attributes or {}).get("exception.type") for event in span.events]
        ours.fail(str(next(filter(None, raised), "error")), span.status.description or "")
    ours.end(span.end_time)


_attached: WeakKeyDictionary[TracerProvider, SpanProcessor] = WeakKeyDictionary()


def processor_of(provider: TracerProvider) -> SpanProcessor | None:
    """Return our processor of an SDK's provider, which is added to it at the first call.

    None if the provider takes no processors.
    """
    if provider not in _attached and hasattr(provider, "add_span_processor"):
        processor = SpanProcessor()
        with suppress(Exception):
            provider.add_span_processor(processor)
            _attached[provider] = processor
    return _attached.get(provider)
