"""Share OpenTelemetry's global provider of tracers with whoever else records in this process.

A process has one global provider, which libraries ask for their tracers. There are three cases:

- Nobody else records: ours is the global one, and libraries get spans of ours.
- An application set its own before us, or sets it later: theirs is the global one, and a processor
  in it records the same spans with us (`storage.tracing.sdk_bridge`).
- Somebody adds a processor to ours (Langfuse does): a provider of OpenTelemetry's SDK is made
  behind ours, and from then on this is like the second case.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakValueDictionary

from opentelemetry import trace

from storage.tracing.decorator import SpanScope
from storage.tracing.failures import never_raises
from storage.tracing.tracer import Tracer
from storage.tracing.values import text_of


class Recording(Protocol):
    """A recording that takes the spans of libraries: see `storage.recording.observability`."""

    @property
    def tracer(self) -> Tracer: ...
    def flush(self, timeout: float = ...) -> bool: ...


class TracerProvider(trace.TracerProvider):
    """Give libraries a tracer that uses the recording that is open at the time of each call.

    OpenTelemetry lets a process set its global provider once, but recordings open and close, so
    this one delegates: to `application`, a provider that takes processors, if there is one, and
    else to the recording that was opened last.
    """

    def __init__(self) -> None:
        self.application: trace.TracerProvider | None = None
        self._processors: list[Any] = []
        """Those added to ours. An application's provider that is set later takes them over."""
        self._making = threading.Lock()
        self._recorded: WeakValueDictionary[int, trace.TracerProvider] = WeakValueDictionary()
        """The providers that have a processor of ours, by their `id`: not all can be hashed."""
        self._recordings: list[Recording] = []

    @property
    def tracer(self) -> Tracer | None:
        """Return the tracer of the recording that was opened last, None if none is open."""
        try:
            return self._recordings[-1].tracer
        except IndexError:
            return None

    def add(self, recording: Recording) -> None:
        """Record libraries into `recording` until it is removed."""
        self._recordings.append(recording)
        self._join()

    def remove(self, recording: Recording) -> None:
        with suppress(ValueError):
            self._recordings.remove(recording)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> trace.Tracer:
        facts = (instrumenting_library_version, schema_url, attributes)
        return _LibraryTracer(self, instrumenting_module_name, facts)

    def add_span_processor(self, processor: Any) -> None:
        """Give the spans of libraries to a processor of OpenTelemetry's SDK, and record them.

        Raises ImportError if the SDK, which makes such spans, is not installed.
        """
        with self._making:
            application = self.application or _new_sdk_provider()
            self._record_with_us(application)
            application.add_span_processor(processor)  # type: ignore[attr-defined]
            self._processors.append(processor)
            self._use(application)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what was recorded is stored, and sent by the processors that were added."""
        theirs = getattr(self.application, "force_flush", None)
        sent = theirs is None or theirs(timeout_millis)
        return self.flush(timeout_millis / 1_000) and sent

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until what was recorded is stored."""
        until = time.monotonic() + timeout
        stored = [each.flush(max(until - time.monotonic(), 0)) for each in self._recordings[:]]
        return all(stored)

    def shutdown(self) -> None:
        """Shut down the processors that were added. A recording ends by its own `close`."""
        theirs = getattr(self.application, "shutdown", None)
        if theirs is not None:
            theirs()

    def __getattr__(self, name: str) -> Any:
        # Such as `resource`, of the provider that `add_span_processor` made.
        application = self.__dict__.get("application")
        if application is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(application, name)

    @never_raises("The spans of libraries")
    def _join(self) -> None:
        """Become the global provider, or record what the present one makes."""
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self)
            _let_application_set_its_own(self)
        provider = trace.get_tracer_provider()
        if provider is not self:
            self._record_with_us(provider)

    @never_raises("The spans of the application's OpenTelemetry SDK")
    def follow(self, provider: trace.TracerProvider) -> None:
        """Use a global provider that the application has set after ours."""
        if provider is self or not self._record_with_us(provider):
            return
        for processor in self._processors:
            provider.add_span_processor(processor)  # type: ignore[attr-defined]
        self._use(provider)

    def _use(self, provider: trace.TracerProvider) -> None:
        """Delegate to a provider, unless OTEL_SDK_DISABLED keeps it from making any span."""
        if not isinstance(provider.get_tracer("tracebot"), trace.NoOpTracer):
            self.application = provider

    def _record_with_us(self, provider: trace.TracerProvider) -> bool:
        """Add our processor to a provider; return False if it takes none."""
        if self._recorded.get(id(provider)) is provider:
            return True
        add = getattr(provider, "add_span_processor", None)
        if add is None:
            return False
        from storage.tracing.sdk_bridge import SpanProcessor

        key = id(provider)
        add(SpanProcessor(self, at_shutdown=lambda: self._recorded.pop(key, None)))
        self._recorded[key] = provider
        return True


class _ApplicationsTurn:
    """Let an application set the global provider once, as if ours were not there.

    Stands in for the object by which OpenTelemetry remembers that the provider is set. Without it,
    an application that starts its SDK after us would be refused with a warning, and record nothing.
    """

    def __init__(self, once: Any, then: Callable[[trace.TracerProvider], None]) -> None:
        self._once = once
        self._then = then

    def do_once(self, set_provider: Callable[[], None]) -> bool:
        done: bool = self._once.do_once(set_provider)
        if done:
            self._then(trace.get_tracer_provider())
        return done


def _let_application_set_its_own(provider: TracerProvider) -> None:
    # A private name, which is the same since OpenTelemetry 1.1. If it changes, an application that
    # comes after us is refused as before; a test would tell.
    once = getattr(trace, "_TRACER_PROVIDER_SET_ONCE", None)
    if once is not None and trace.get_tracer_provider() is provider:
        turn: Any = _ApplicationsTurn(type(once)(), provider.follow)
        trace._TRACER_PROVIDER_SET_ONCE = turn


def _new_sdk_provider() -> trace.TracerProvider:
    try:
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    except ImportError as error:
        raise ImportError(
            "A span processor needs OpenTelemetry's SDK: pip install opentelemetry-sdk"
        ) from error
    return SdkProvider()


class _LibraryTracer(trace.Tracer):
    """Delegate each call to who records at that time, because libraries keep their tracer."""

    def __init__(self, provider: TracerProvider, scope: str, facts: tuple[Any, ...]) -> None:
        self._provider = provider
        self._scope = text_of(scope)
        self._facts = facts
        self._delegate: tuple[object, trace.Tracer] = (None, trace.NoOpTracer())
        """The provider or tracer that was asked last, and the tracer that it gave."""

    def _tracer(self) -> trace.Tracer:
        application = self._provider.application
        source = self._provider.tracer if application is None else application
        if source is None:
            return _NOBODY
        known, tracer = self._delegate
        if known is not source:
            tracer = self._from(source)
            self._delegate = (source, tracer)
        return tracer

    def _from(self, source: trace.TracerProvider | Tracer) -> trace.Tracer:
        if isinstance(source, Tracer):
            return source.with_scope(self._scope)
        return source.get_tracer(self._scope, *self._facts)

    def start_span(self, *arguments: Any, **options: Any) -> trace.Span:
        return self._tracer().start_span(*arguments, **options)

    def start_as_current_span(self, name: str, *arguments: Any, **options: Any) -> Any:
        return SpanScope(self.start_span, name, *arguments, **options)


_NOBODY = trace.NoOpTracer()
PROVIDER = TracerProvider()
