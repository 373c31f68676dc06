"""OpenTelemetry's tracing API on our own queue.

Libraries that call `opentelemetry.trace.get_tracer` nest under our spans, because their spans and
ours are the same and stand in the same context.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation import get_current_span
from opentelemetry.util._decorator import _agnosticcontextmanager

from storage.model.span import Kind
from storage.model.trace_context import Ids
from storage.tracing.active_span import ActiveSpan, Sink


class Tracer(trace.Tracer):
    """Starts spans for whoever calls OpenTelemetry's API, or ours."""

    def __init__(
        self,
        sink: Sink,
        *,
        context: Mapping[str, object],
        remote_parent: Ids | None = None,
        scope: str | None = None,
    ) -> None:
        self._sink = sink
        self._context = context
        self._remote_parent = remote_parent
        self._scope = scope

    def named(self, scope: str) -> "Tracer":
        return Tracer(
            self._sink, context=self._context, remote_parent=self._remote_parent, scope=scope
        )

    def begin(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        kind: Kind = "internal",
        parent: ActiveSpan | Ids | None = None,
        context: Context | None = None,
        started_at: int | None = None,
        ids: Ids | None = None,
    ) -> ActiveSpan:
        """Start a span under `parent`, else the current span, else what called this process.

        `ids` are for a span that was named before it could be recorded.
        """
        return ActiveSpan(
            name,
            self._sink,
            kind=kind,
            parent=parent or self._parent_in(context),
            context=self._context,
            attributes=attributes,
            started_at=started_at,
            scope=self._scope,
            ids=ids,
        )

    def follow(
        self,
        name: str,
        *,
        ids: Ids,
        parent: ActiveSpan | Ids | None,
        kind: Kind,
        attributes: Mapping[str, Any] | None,
        started_at: int | None,
        scope: str | None,
    ) -> ActiveSpan:
        """A span that somebody else began, with its ids and its parent."""
        return ActiveSpan(
            name,
            self._sink,
            kind=kind,
            parent=parent,
            context=self._context,
            attributes=attributes,
            started_at=started_at,
            scope=scope,
            ids=ids,
        )

    def _parent_in(self, context: Context | None) -> ActiveSpan | Ids | None:
        current = get_current_span(context)
        if isinstance(current, ActiveSpan):
            return current
        if current is trace.INVALID_SPAN:
            return self._remote_parent
        remote = current.get_span_context()
        if not remote.is_valid:
            return self._remote_parent
        return f"{remote.trace_id:032x}", f"{remote.span_id:016x}"

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[trace.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> ActiveSpan:
        span = self.begin(
            name,
            attributes,
            kind=cast(Kind, kind.name.lower()),
            context=context,
            started_at=start_time,
        )
        for link in links or ():
            span.add_link(link.context, link.attributes)
        return span

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[trace.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[trace.Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ):
            yield span


class TracerProvider(trace.TracerProvider):
    """What `opentelemetry.trace.get_tracer` asks. There can be one a process, so it delegates.

    OpenTelemetry's global is set once and for ever; `tracer` is that of the recording which is
    open now, or None.
    """

    def __init__(self) -> None:
        self.tracer: Tracer | None = None

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> trace.Tracer:
        return _LibraryTracer(self, instrumenting_module_name)


class _LibraryTracer(trace.Tracer):
    """A library keeps its tracer for ever: it finds the recording that is open at each call."""

    def __init__(self, provider: TracerProvider, scope: str) -> None:
        self._provider = provider
        self._scope = scope

    def _tracer(self) -> trace.Tracer:
        tracer = self._provider.tracer
        return trace.NoOpTracer() if tracer is None else tracer.named(self._scope)

    def start_span(self, *arguments: Any, **options: Any) -> trace.Span:
        return self._tracer().start_span(*arguments, **options)

    def start_as_current_span(self, *arguments: Any, **options: Any) -> Any:
        return self._tracer().start_as_current_span(*arguments, **options)


PROVIDER = TracerProvider()
