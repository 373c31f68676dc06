"""OpenTelemetry's tracing API on our own queue: a span costs its caller microseconds.

Libraries that call `opentelemetry.trace.get_tracer` nest under our spans, because their spans and
ours are the same and stand in the same context. Nothing here touches the database; `sink` takes
a span at its start and at its end, and the writer's thread turns it into a `storage.span.Span`.
"""

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from operator import itemgetter
from types import TracebackType
from typing import Any, Literal, NamedTuple, cast

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace.propagation import get_current_span, set_span_in_context
from opentelemetry.trace.span import SpanContext, TraceFlags
from opentelemetry.trace.status import Status as ApiStatus
from opentelemetry.trace.status import StatusCode
from opentelemetry.util._decorator import _agnosticcontextmanager

from storage.conventions import ATTRIBUTES, FIELDS, INHERITED, INTEGERS
from storage.ids import Ids, format_traceparent, new_span_id, new_trace_id
from storage.span import Kind, Span, Status

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
        """Set attributes; the words of `storage.conventions` fill the span's columns."""
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


class _Plan(NamedTuple):
    """Which attributes of one shape, their names and types, fill which columns."""

    columns: Callable[[Sequence[Any]], tuple[Any, ...]]
    """Takes the columns' values out of all values and a None."""
    texts: bool
    """Whether these are strings, for columns of text, or None."""
    rest: tuple[str, ...]
    """The names that stay attributes."""


COLUMNS = tuple(item.name for item in fields(Span) if item.name in ATTRIBUTES)
"""The fields of a span that attributes fill, in its order."""

MAX_PLANS = 1_000
_new_span: Callable[..., Span] = Span
_plans: dict[tuple[Any, ...], _Plan] = {}


def to_span(active: ActiveSpan, *, process: str) -> Span:
    """The value to store, as the span is now. Called on the writer's thread."""
    merged = {**active.context, **active.attributes}
    values = (*merged.values(), None)
    shape = (*merged, *map(type, values))
    plan = _plans.get(shape) or _remember(shape, merged)
    columns = plan.columns(values)
    if not plan.texts or not _is_storable("".join(filter(None, columns))):
        columns = tuple(
            None if value is None else _column(field, value)
            for field, value in zip(COLUMNS, columns, strict=True)
        )
    if active.error is not None:  # The last two columns.
        columns = (*columns[:-2], *map(storable, active.error))
    # In the order of the fields: by their names it takes three times as long.
    return _new_span(
        active.trace_id,
        active.span_id,
        active.name,
        active.started_at,
        active.parent_id,
        active.kind,
        active.status if active.ended_at is not None else "running",
        active.ended_at,
        active.duration_ns,
        *columns,
        {name: merged[name] for name in plan.rest},
        tuple(active.events or ()),
        tuple(active.links or ()),
        active.scope,
        process,
        active.entry,
    )


def _remember(shape: tuple[Any, ...], merged: Mapping[str, object]) -> _Plan:
    if len(_plans) >= MAX_PLANS:
        _plans.clear()
    plan = _plans[shape] = _plan(merged)
    return plan


def _plan(merged: Mapping[str, object]) -> _Plan:
    places = dict.fromkeys(COLUMNS, len(merged))
    texts = True
    for place, (name, value) in enumerate(merged.items()):
        if name in FIELDS and value is not None:
            places[FIELDS[name]] = place
            texts = texts and type(value) is str and FIELDS[name] not in INTEGERS
    return _Plan(
        columns=itemgetter(*places.values()),
        texts=texts,
        rest=tuple(name for name in merged if name not in FIELDS),
    )


def _column(field: str, value: object) -> object:
    if field not in INTEGERS:
        return storable(value if isinstance(value, str) else str(value))
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < 2**63 else None


def storable(text: str) -> str:
    """`text` without what no database takes: lone surrogates and NUL."""
    if _is_storable(text):
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _is_storable(text: str) -> bool:
    return text.isascii() and "\0" not in text
