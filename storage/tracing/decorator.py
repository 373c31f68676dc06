"""Start a span for each `with` block, and for each call of a function that is decorated.

OpenTelemetry's tracers return a context manager that also decorates functions and coroutines. The
helper that makes theirs is private (`opentelemetry.util._decorator`), so this is our own.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context

from storage.tracing.active_span import ActiveSpan
from storage.tracing.current import enter, leave
from storage.tracing.failures import never_raises
from storage.tracing.values import text_of


class SpanScope:
    """Start a span for each `with` block, and for each call of a function that this decorates.

    A decorator outlives a recording, so nothing is started before the block or the call begins.
    The span of a generator lasts until the generator ends. It is the current span only while the
    generator runs, and not in the loop that takes its values.
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
        self._record_exception = record_exception
        self._set_status = set_status_on_exception
        self._end_on_exit = end_on_exit

    def __enter__(self) -> trace.Span:
        self._entered = ExitStack()
        span = self._entered.enter_context(self._started())
        self._entered.enter_context(_current(span))
        return span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return self._entered.__exit__(exc_type, exc_val, exc_tb)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):
            wrapper = self._coroutine(function)
        elif inspect.isasyncgenfunction(function):
            wrapper = self._async_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapper = self._generator(function)
        else:
            wrapper = self._function(function)
        return functools.wraps(function)(wrapper)

    def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with self._started() as span, _current(span):
                return function(*arguments, **options)

        return call

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **options: Any) -> Any:
            with self._started() as span, _current(span):
                return await function(*arguments, **options)

        return call

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def generate(*arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
            with self._started() as span:
                generator = function(*arguments, **options)
                step, value = generator.send, None
                while True:
                    with _current(span):
                        try:
                            item = step(value)
                        except StopIteration as end:
                            return end.value
                    try:
                        step, value = generator.send, (yield item)
                    except BaseException as error:
                        step, value = generator.throw, error

        return generate

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def generate(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
            with self._started() as span:
                generator = function(*arguments, **options)
                step, value = generator.asend, None
                while True:
                    with _current(span):
                        try:
                            item = await step(value)
                        except StopAsyncIteration:
                            return
                    try:
                        step, value = generator.asend, (yield item)
                    except BaseException as error:
                        step, value = generator.athrow, error

        return generate

    @contextmanager
    def _started(self) -> Iterator[trace.Span]:
        span = self._start()
        try:
            yield span
        except BaseException as error:
            self._record(span, error)
            raise
        finally:
            if self._end_on_exit:
                _end(span)

    @never_raises("An exception")
    def _record(self, span: trace.Span, error: BaseException) -> None:
        if isinstance(span, ActiveSpan):
            span.record_failure(error, event=self._record_exception, status=self._set_status)
        elif isinstance(error, Exception) and span.is_recording():
            if self._set_status:
                message = f"{type(error).__name__}: {text_of(error)}"
                span.set_status(trace.Status(trace.StatusCode.ERROR, message))
            if self._record_exception:
                span.record_exception(error)


@contextmanager
def _current(span: trace.Span) -> Iterator[None]:
    token = enter(span)
    try:
        yield
    finally:
        leave(token, span)


@never_raises("The end of a span")
def _end(span: trace.Span) -> None:
    span.end()
