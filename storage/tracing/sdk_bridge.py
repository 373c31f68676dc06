"""Record the spans of an application that runs OpenTelemetry's SDK as if they were ours.

The SDK is the application's, not ours, so nothing is imported from it here. It calls a processor by
the names of its methods: https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-processor.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol, cast
from weakref import finalize

from opentelemetry.trace import StatusCode

from storage.model.span import Kind
from storage.tracing.active_span import ActiveSpan
from storage.tracing.current import MIRRORED, current_span
from storage.tracing.recording_span import LEFT_OUT
from storage.tracing.tracer import Tracer

logger = logging.getLogger("tracebot.storage")


class Recorder(Protocol):
    """The one who records what a processor sees: see `storage.tracing.provider`."""

    @property
    def tracer(self) -> Tracer | None: ...
    def flush(self, timeout: float) -> bool: ...


class SpanProcessor:
    """Start a span with the same ids as each span of the SDK, and end it with that span.

    Has every method of the SDK's own `SpanProcessor`: a test compares the two.
    """

    def __init__(self, recorder: Recorder, *, at_shutdown: Callable[[], object]) -> None:
        self._recorder: Recorder | None = recorder
        self._at_shutdown = at_shutdown

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        tracer = None if self._recorder is None else self._recorder.tracer
        if tracer is not None:
            try:
                span_id = span.context.span_id
                MIRRORED[span_id] = _begin(tracer, span, parent_context)
                # One that nobody ends, such as that of an abandoned stream, is not kept for ever.
                finalize(span, MIRRORED.pop, span_id, None).atexit = False
            except Exception:
                logger.exception("A span of the application's OpenTelemetry SDK was not recorded.")

    def on_end(self, span: Any) -> None:
        ours = MIRRORED.pop(span.context.span_id, None)
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
        """Take nothing more. Logfire gives its provider new processors when it is configured."""
        self.force_flush()
        self._recorder = None
        self._at_shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._recorder is None or self._recorder.flush(timeout_millis / 1_000)


def _begin(tracer: Tracer, span: Any, parent_context: Any) -> ActiveSpan:
    above = current_span(parent_context)
    parent = above if isinstance(above, ActiveSpan) else None
    ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
    far = span.parent and (ids[0], f"{span.parent.span_id:016x}")
    return tracer.follow(
        span.name,
        ids=ids,
        kind=cast(Kind, span.kind.name.lower()),
        parent=parent or far,
        attributes=dict(span.attributes or {}),
        started_at=span.start_time,
        scope=span.instrumentation_scope and span.instrumentation_scope.name,
    )


def _end_like(ours: ActiveSpan, span: Any) -> None:
    ours.update_name(span.name)
    ours.set_attributes(span.attributes or {})
    for event in span.events:
        ours.add_event(event.name, event.attributes, event.timestamp)
    for link in span.links:
        ours.add_link(link.context, link.attributes)
    for what, attribute in LEFT_OUT.items():
        if left_out := getattr(span, f"dropped_{what}", 0):
            ours.set_attribute(attribute, left_out)
    if span.status.status_code is StatusCode.ERROR:
        ours.fail("", span.status.description or "")
    ours.end(span.end_time)
