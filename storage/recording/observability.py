"""The recording API: four verbs, and nothing that raises into its caller or keeps it waiting."""

import contextlib
import logging
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import trace

from storage.model.records import Log, Metric, Score
from storage.model.span import Kind, Span, Status
from storage.model.trace_context import Ids, parse_traceparent
from storage.recording.process_hooks import let_go, look_after
from storage.tracing.active_span import ActiveSpan, CurrentSpan
from storage.tracing.tracer import PROVIDER, Tracer

if TYPE_CHECKING:
    from storage.database.shared_file import SharedDatabase
    from storage.tracing.sdk_bridge import SpanProcessor

logger = logging.getLogger("tracebot.storage")


class Observability:
    """One process's recording, into one database.

    >>> with Observability.open(platform="cli") as observability:
    ...     with observability.span("invoke_agent claude", agent="claude") as span:
    ...         span.set(output_tokens=412)
    """

    def __init__(
        self,
        database: "SharedDatabase",
        *,
        platform: str,
        linger: float | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.database = database
        """For `storage.queries.traces`. Each thread that reads gets a connection of its own."""
        self._platform = platform
        self._linger = linger
        self._remote_parent = parse_traceparent(environ.get("TRACEPARENT"))
        self._closed = False
        self._processor: SpanProcessor | None = None
        self._begin()
        self._serve_libraries()
        look_after(self)
        self._writer.start()

    @classmethod
    def open(
        cls,
        database: str | Path | None = None,
        *,
        platform: str,
        busy_timeout_ms: int | None = None,
        linger: float | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Record into `database`, a path or URL: else TRACEBOT_DATABASE_URL, else the default.

        `platform` is where the work comes from: `slack`, `cli`, `mcp` or `otlp`. A process that
        was given TRACEPARENT records under its caller. `linger` is how long a span waits for
        company, 0 to 0.2 s: what a SIGKILL can lose. A database that is locked, full or being
        migrated is no error: what is recorded waits in the spool. Raises
        `storage.errors.StorageError` for any that no waiting mends.
        """
        from peewee import PeeweeException

        from storage.database.connect import BUSY_TIMEOUT_MS, locate
        from storage.errors import TemporarilyUnavailable
        from storage.recovery.opening import prepare
        from storage.writer.abandoned import mark_abandoned

        busy_ms = busy_timeout_ms or BUSY_TIMEOUT_MS
        located = locate(database or environ.get("TRACEBOT_DATABASE_URL"), busy_timeout_ms=busy_ms)
        try:
            prepare(located, patience=busy_ms / 1000)
            mark_abandoned(located)
        except (TemporarilyUnavailable, PeeweeException) as error:
            logger.warning("%s Until then, what is recorded waits in the spool.", error)
        return cls(located, platform=platform, linger=linger, environ=environ)

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: ActiveSpan | Ids | None = None,
        **attributes: object,
    ) -> CurrentSpan:
        """A span for the length of a `with`, under the current one, or under `parent`.

        An exception that leaves the block is recorded, and goes on.
        """
        return CurrentSpan(self._tracer.begin(name, attributes, kind=kind, parent=parent))

    def start_span(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        kind: Kind = "internal",
        parent: ActiveSpan | Ids | None = None,
        ids: Ids | None = None,
        started_at: int | None = None,
    ) -> ActiveSpan:
        """A span for callers that cannot nest; it is not the current one. See `end_span`.

        `ids` and `started_at` (ns) are for one that began before it could be recorded.
        """
        return self._tracer.begin(
            name, attributes, kind=kind, parent=parent, ids=ids, started_at=started_at
        )

    def end_span(self, span: ActiveSpan, status: Status = "ok") -> None:
        """End what `start_span` began; a failure noted on it before stays."""
        if span.status == "running":
            span.status = status
        span.end()

    def record_metric(
        self, name: str, value: float, labels: Mapping[str, str] | None = None
    ) -> None:
        """Note a number that is no span's own: `record_metric("queue.depth", 3)`."""
        self._writer.put(
            Metric(
                name=name,
                value=float(value),
                labels=dict(labels or {}),
                recorded_at=time.time_ns(),
                **self._here(),
            )
        )

    def log_structured(
        self, level: str, message: str, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Note a line with its facts, in the trace that is current."""
        self._writer.put(
            Log(
                level=level.lower(),
                message=str(message),
                attributes=dict(attributes or {}),
                recorded_at=time.time_ns(),
                **self._here(),
            )
        )

    def record_score(
        self, trace_id: str, *, name: str, user: str, value: float | None, label: str | None = None
    ) -> None:
        """What `user` thinks of a trace, 0 to 1; a value of None takes it back."""
        self._writer.put(
            Score(
                trace_id=trace_id,
                name=name,
                user=user,
                value=value,
                label=label,
                recorded_at=time.time_ns(),
            )
        )

    def receive(self, items: Iterable[Span | Metric | Log]) -> None:
        """Store what another process recorded; a span that is stored already changes nothing."""
        for item in items:
            self._writer.put(item)

    @property
    def room(self) -> int:
        """How many more spans can wait to be stored; with none left, the next are lost."""
        return self._writer.room

    def flush(self, timeout: float = 5.0) -> bool:
        """Whether all that was recorded before this call is committed within `timeout` seconds."""
        return self._writer.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Store what is left and stop; whether all of it is committed within `timeout` seconds.

        What the database does not take waits in the spool. Spans that are still open stay
        `running`.
        """
        if not self._closed:
            self._closed = True
            if PROVIDER.tracer is self._tracer:
                PROVIDER.tracer = None
            if self._processor is not None:
                self._processor.detach(self._tracer)
        complete = self._writer.close(timeout)
        let_go(self)
        with contextlib.suppress(Exception):  # This thread may be in a transaction of its own.
            self.database.close()
        return complete

    def pause(self) -> None:
        """Before a fork: finish the batch under way, and have no connection open."""
        self._writer.pause()

    def resume(self) -> None:
        """After a fork, in the parent."""
        self._writer.resume()

    def forked(self) -> None:
        """After a fork, in the child: record by a writer of its own. See docs/recording.md."""
        self._writer.abandon()
        current = PROVIDER.tracer is self._tracer
        self._begin()
        if current:
            PROVIDER.tracer = self._tracer
        if self._processor is not None:
            self._processor.attach(self._tracer, self.flush)

    def _begin(self) -> None:
        from storage.writer.writer import writer_for

        self._writer = writer_for(self.database, linger=self._linger)
        self._tracer = Tracer(
            self._writer.put,
            context={"platform": self._platform},
            remote_parent=self._remote_parent,
        )

    def _here(self) -> dict[str, str | None]:
        current = trace.get_current_span()
        if isinstance(current, ActiveSpan):
            return {"trace_id": current.trace_id, "span_id": current.span_id}
        return {"trace_id": None, "span_id": None}

    def _serve_libraries(self) -> None:
        PROVIDER.tracer = self._tracer
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            with contextlib.suppress(Exception):
                trace.set_tracer_provider(PROVIDER)
        elif provider is not PROVIDER:
            from storage.tracing.sdk_bridge import processor_of

            self._processor = processor_of(provider)
            if self._processor is not None:
                self._processor.attach(self._tracer, self.flush)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()
