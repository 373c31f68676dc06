"""Implement OpenTelemetry's `Tracer` and `TracerProvider` without its SDK.

Spans of libraries that call `opentelemetry.trace.get_tracer` nest under ours, because they are
`ActiveSpan`s too and live in the same context.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation import get_current_span

from storage.model.span import Kind
from storage.model.trace_context import Ids
from storage.tracing.active_span import ActiveSpan, Sink


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
        attributes: Mapping[str, Any] | None = None,
        *,
        kind: Kind = "internal",
        parent: ActiveSpan | Ids | None = None,
        context: Context | None = None,
        started_at: int | None = None,
        ids: Ids | None = None,
    ) -> ActiveSpan:
        """Start a span under `parent`, the current span, or the span that started this process.

        `started_at` is in nanoseconds. Pass `ids` for a span whose ids were given out before it
        could be recorded.
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

    def start_as_current_span(self, name: str, *arguments: Any, **options: Any) -> Any:
        return _SpanScope(self.start_span, name, *arguments, **options)


class _SpanScope:
    """Start a span for each `with` block, and for each call of a function that this decorates.

    OpenTelemetry's tracers return a context manager that also decorates functions and coroutines.
    The helper that makes theirs is private (`opentelemetry.util._decorator`), so this is our own.
    A decorator outlives a recording, so nothing is started before the block or the call begins.
    """

    def __init__(
        self,
        start_span: Callable[..., trace.Span],
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[trace.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> None:
        self._start = functools.partial(
            start_span, name, context, kind, attributes, links, start_time
        )
        self._at_exit = {
            "end_on_exit": end_on_exit,
            "record_exception": record_exception,
            "set_status_on_exception": set_status_on_exception,
        }

    def _block(self) -> AbstractContextManager[trace.Span]:
        return trace.use_span(self._start(), **self._at_exit)

    def __enter__(self) -> trace.Span:
        self._entered = self._block()
        return self._entered.__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return self._entered.__exit__(exc_type, exc_val, exc_tb)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            with self._block():
                return function(*arguments, **options)

        @functools.wraps(function)
        async def call_async(*arguments: Any, **options: Any) -> Any:
            with self._block():
                return await function(*arguments, **options)

        return call_async if inspect.iscoroutinefunction(function) else call


class TracerProvider(trace.TracerProvider):
    """Give libraries a tracer that uses the recording that is open at the time of each call.

    OpenTelemetry lets a process set its global provider once, but recordings open and close, so
    this one delegates: `tracer` belongs to the open recording, or is None.
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
    """Delegate each call to the open recording, because libraries keep their tracer for good."""

    def __init__(self, provider: TracerProvider, scope: str) -> None:
        self._provider = provider
        self._scope = scope

    def _tracer(self) -> trace.Tracer:
        tracer = self._provider.tracer
        return trace.NoOpTracer() if tracer is None else tracer.with_scope(self._scope)

    def start_span(self, *arguments: Any, **options: Any) -> trace.Span:
        return self._tracer().start_span(*arguments, **options)

    def start_as_current_span(self, name: str, *arguments: Any, **options: Any) -> Any:
        return _SpanScope(self.start_span, name, *arguments, **options)


PROVIDER = TracerProvider()
