"""Implement OpenTelemetry's `Tracer` without its SDK.

Spans of libraries that call `opentelemetry.trace.get_tracer` nest under ours, because they are
`ActiveSpan`s too and live in the same context.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from opentelemetry import trace
from opentelemetry.context import Context

from storage.model.span import Kind
from storage.model.trace_context import Ids, is_valid
from storage.tracing.active_span import ActiveSpan
from storage.tracing.current import current_span
from storage.tracing.decorator import SpanScope
from storage.tracing.failures import never_raises, report_failure
from storage.tracing.recording_span import RecordingSpan, Sink
from storage.tracing.values import plain_attributes, text_of

KINDS: frozenset[str] = frozenset(get_args(Kind))
KINDS_OF_API = {kind: cast(Kind, kind.name.lower()) for kind in trace.SpanKind}


class Tracer(trace.Tracer):
    """Start spans for callers of OpenTelemetry's API and of ours."""

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

    def with_scope(self, scope: str) -> "Tracer":
        return Tracer(
            self._sink, context=self._context, remote_parent=self._remote_parent, scope=scope
        )

    def begin(
        self,
        name: str,
        attributes: dict[str, Any] | None = None,
        *,
        kind: Kind = "internal",
        parent: object = None,
        context: Context | None = None,
        started_at: int | None = None,
        ids: Ids | None = None,
    ) -> ActiveSpan:
        """Start a span under `parent`, the current span, or the span that started this process.

        `attributes` become the span's own: pass a new dict. `parent` is a span or its ids,
        `started_at` is in nanoseconds. Pass `ids` for a span whose ids were given out before it
        could be recorded. What is none of these is ignored.
        """
        try:
            # By position: by name it takes a third longer.
            return ActiveSpan(
                name,
                self._sink,
                kind if type(kind) is str and kind in KINDS else "internal",
                self._parent_in(context) if parent is None else self._parent(parent),
                self._context,
                attributes,
                started_at,
                self._scope,
                ids if ids is not None and is_valid(ids) else None,
            )
        except Exception:
            report_failure("A span")
            return ActiveSpan(text_of(name), _not_recorded, context={})

    def follow(
        self,
        name: str,
        *,
        ids: Ids,
        parent: ActiveSpan | Ids | None,
        kind: Kind,
        attributes: dict[str, Any] | None,
        started_at: int | None,
        scope: str | None,
    ) -> ActiveSpan:
        """Start a span that mirrors one of another tracer: with its ids and its parent."""
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

    def _parent(self, parent: object) -> ActiveSpan | Ids | None:
        try:
            if isinstance(parent, ActiveSpan) or is_valid(parent):
                return parent
            if isinstance(parent, trace.Span):
                return self._ids_of(parent)
        except Exception:
            report_failure("The parent of a span")
        return self._parent_in(None)

    def _parent_in(self, context: Context | None) -> ActiveSpan | Ids | None:
        current = current_span(context)
        if type(current) is ActiveSpan:
            return current
        return self._remote_parent if current is trace.INVALID_SPAN else self._ids_of(current)

    def _ids_of(self, foreign: trace.Span) -> Ids | None:
        remote = foreign.get_span_context()
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
            None if attributes is None else plain_attributes(attributes),
            kind=KINDS_OF_API[kind] if type(kind) is trace.SpanKind else "internal",
            context=context,
            started_at=start_time,
        )
        if links is not None:
            _add_links(span, links)
        return span

    def start_as_current_span(self, name: str, *arguments: Any, **options: Any) -> Any:
        return SpanScope(self.start_span, name, *arguments, **options)


@never_raises("The links of a span")
def _add_links(span: ActiveSpan, links: Sequence[trace.Link]) -> None:
    for link in links:
        span.add_link(link.context, link.attributes)


def _not_recorded(span: RecordingSpan) -> None:
    """Take a span that could not be started as it should. Its caller can go on with it."""
    span.advance(accepted=False)
