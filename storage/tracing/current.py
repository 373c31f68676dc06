"""Know which span is the current one, and make a span current for a while.

That is kept in OpenTelemetry's context, where instrumented libraries look for it. Datadog's ddtrace
can put a context of its own in that place, in which no span but its own can be left again: a span
of ours would become the parent of everything that follows. Beside that one, ours are kept apart.
"""

from contextvars import ContextVar, Token
from types import TracebackType

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import INVALID_SPAN, Span
from opentelemetry.trace.propagation import get_current_span, set_span_in_context

from storage.tracing.active_span import ActiveSpan, LeftSpan
from storage.tracing.failures import report_failure

(_KEY,) = set_span_in_context(INVALID_SPAN, Context())
"""The key of the current span in a context, which has no public name."""

MIRRORED: dict[int, ActiveSpan] = {}
"""Our spans that stand for open spans of the application's SDK, by the span id they share."""


def _variable() -> ContextVar[Context] | None:
    """Return the variable that holds OpenTelemetry's context, None if it is ddtrace's."""
    token: object = attach(get_current())
    if not isinstance(token, Token):
        return None
    detach(token)
    variable: ContextVar[Context] = token.var
    return variable


_shared = _variable()
_empty = Context()
_context = _shared or ContextVar("tracebot_context", default=_empty)
"""The variable that holds the current context: OpenTelemetry's, else one of ours."""


def current_span(context: Context | None = None) -> Span:
    """Return the current span, of `context` if it is given; INVALID_SPAN if there is none.

    For a span of the application's SDK, return the one of ours that stands for it.
    """
    if context is None:
        span = _context.get().get(_KEY)
        if type(span) is ActiveSpan:
            return span
        if span is None and _shared is not None:
            return INVALID_SPAN
        if type(span) is LeftSpan:
            return _not_left(span)
    foreign = _not_left(get_current_span(context))
    if MIRRORED:
        return MIRRORED.get(foreign.get_span_context().span_id, foreign)
    return foreign


def enter(span: Span) -> Token[Context]:
    """Make `span` the current one until `leave` is called with what this returns."""
    # As `set_span_in_context` and `attach` do, with one copy in place of two.
    return _context.set(Context({**_context.get(), _KEY: span}))


def leave(token: Token[Context], span: Span) -> None:
    """Make the span current again that was so before `enter`.

    In another task than the one that entered, such as the one that closes an asynchronous
    generator, nothing was changed, and OpenTelemetry's `detach` would log that as an error. In the
    one that entered, `span` stays the current one, and is marked.
    """
    try:  # Half as long as `suppress`.
        _context.reset(token)
    except ValueError:
        if type(span) is ActiveSpan:
            _mark_left(span, token.old_value)


def _mark_left(span: ActiveSpan, before: object) -> None:
    found = before.get(_KEY) if isinstance(before, Context) else None
    former = _not_left(found) if isinstance(found, Span) else INVALID_SPAN
    span.__class__ = LeftSpan
    assert type(span) is LeftSpan
    span.former = former


def _not_left(span: Span) -> Span:
    while type(span) is LeftSpan:
        span = span.former
    return span


class CurrentSpan:
    """Make a span the current one for a `with` block, and end it with the block."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: ActiveSpan) -> None:
        self._span = span

    def __enter__(self) -> ActiveSpan:
        # As `enter` does: each call takes a fiftieth of what a span takes.
        self._token = _context.set(Context({**_context.get(), _KEY: self._span}))
        return self._span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            leave(self._token, self._span)
            if exc_val is not None:
                self._span.record_failure(exc_val)
            self._span.end()
        except Exception:  # At the end of the stack, any call may fail.
            report_failure("The end of a span")
