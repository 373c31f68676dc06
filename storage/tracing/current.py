"""Know which span is the current one, and make a span current for a while.

That is kept in OpenTelemetry's context, where instrumented libraries look for it. Datadog's ddtrace
can put a context of its own in that place, in which no span but its own can be left again: a span
of ours would become the parent of everything that follows. Beside that one, ours are kept apart.
"""

from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import INVALID_SPAN, Span
from opentelemetry.trace.propagation import get_current_span, set_span_in_context

from storage.tracing.active_span import ActiveSpan
from storage.tracing.failures import report_failure

(_KEY,) = set_span_in_context(INVALID_SPAN, Context())
"""The name of the current span in a context, which has no public name."""

_apart: ContextVar[Span | None] = ContextVar("tracebot_current_span", default=None)

MIRRORED: dict[int, ActiveSpan] = {}
"""Our spans that stand for open spans of the application's SDK, by the span id they share."""


def _restores() -> bool:
    """Return True if OpenTelemetry's context returns to what it was when it is left."""
    token: object = attach(get_current())
    if not isinstance(token, Token):
        return False
    detach(token)
    return True


RESTORES = _restores()


def current_span(context: Context | None = None) -> Span:
    """Return the current span, of `context` if it is given; INVALID_SPAN if there is none.

    For a span of the application's SDK, return the one of ours that stands for it.
    """
    if not RESTORES and context is None and (apart := _apart.get()) is not None:
        return apart
    span = get_current_span(context)
    if MIRRORED and not isinstance(span, ActiveSpan):
        return MIRRORED.get(span.get_span_context().span_id, span)
    return span


def enter(span: Span) -> Token[Any]:
    """Make `span` the current one until `leave` is called with what this returns."""
    if RESTORES:
        # As `set_span_in_context` does, which copies the context twice.
        return attach(Context(get_current(), **{_KEY: span}))
    return _apart.set(span)


def leave(token: Token[Any]) -> None:
    """Make the span current again that was so before `enter`.

    In another task than the one that entered, such as the one that closes an asynchronous
    generator, nothing was changed. OpenTelemetry's `detach` would log that as an error.
    """
    with suppress(ValueError):
        token.var.reset(token)


class CurrentSpan:
    """Make a span the current one for a `with` block, and end it with the block."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: ActiveSpan) -> None:
        self._span = span

    def __enter__(self) -> ActiveSpan:
        self._token = enter(self._span)
        return self._span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            leave(self._token)
            if exc_val is not None:
                self._span.record_failure(exc_val)
            self._span.end()
        except Exception:  # At the end of the stack, any call may fail.
            report_failure("The end of a span")
