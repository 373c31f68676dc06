"""The recording API: spans, metrics, logs and scores of one process, into one database.

Recording never raises into its caller and never blocks it: see docs/explanation/recording.md.
"""

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from storage.model.records import Log, Metric, Score
from storage.model.span import Kind, Span, Status
from storage.model.text import storable
from storage.model.trace_context import Ids, parse_traceparent
from storage.recording.process_hooks import register, unregister
from storage.tracing.active_span import ActiveSpan
from storage.tracing.current import CurrentSpan, current_span
from storage.tracing.failures import never_raises
from storage.tracing.provider import PROVIDER
from storage.tracing.recording_span import is_status
from storage.tracing.tracer import Tracer
from storage.tracing.values import plain_attributes, text_of

if TYPE_CHECKING:
    from storage.database.base import Database

logger = logging.getLogger("tracebot.storage")


class Observability:
    """Record into one database, from any thread of this process.

    >>> with Observability.open(platform="cli") as observability:
    ...     with observability.span("invoke_agent claude", agent="claude") as span:
    ...         span.set(output_tokens=412)
    """

    def __init__(
        self,
        database: "Database",
        *,
        platform: str,
        linger: float | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.database = database
        """For reading what was recorded. Each thread that reads gets its own connection."""
        self._platform = platform
        self._linger = linger
        # A message in Slack belongs to no program, not even to one that started the bot: all
        # conversations would be one trace, shown to those of the first.
        caller = None if platform == "slack" else environ.get("TRACEPARENT")
        self._remote_parent = parse_traceparent(caller)
        self._create_writer()
        PROVIDER.add(self)
        register(self)
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
        """Start recording into `database`, a path or URL.

        Without one, TRACEBOT_DATABASE_URL is used, and without that the default path. `platform`
        says where the work comes from: `slack`, `cli`, `mcp` or `otlp`. If TRACEPARENT is set, the
        spans of this process hang under its caller's, but for those of `slack`. A span is held for
        at most `linger` seconds (0 to 0.2) so that it can be stored in a batch; that is what a
        SIGKILL can lose.

        A database that is locked, full or being migrated is not an error: what is recorded waits in
        the spool. Raises `storage.errors.StorageError` for one that cannot be used by waiting.
        """
        from storage.database.connect import BUSY_TIMEOUT_MS
        from storage.writer.start import open_to_record

        opened = open_to_record(
            database or environ.get("TRACEBOT_DATABASE_URL"),
            busy_timeout_ms=busy_timeout_ms or BUSY_TIMEOUT_MS,
        )
        return cls(opened, platform=platform, linger=linger, environ=environ)

    def span(
        self,
        name: str,
        /,
        *,
        kind: Kind = "internal",
        parent: ActiveSpan | Ids | None = None,
        **attributes: object,
    ) -> CurrentSpan:
        """Record a span for a `with` block, under the current span or `parent`.

        An exception that leaves the block is recorded and passed on.
        """
        return CurrentSpan(self.tracer.begin(name, attributes, kind=kind, parent=parent))

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
        """Start a span for a caller that cannot nest. End it with `end_span`.

        It does not become the current span. Pass `ids` and `started_at` (ns) for one that began
        before it could be recorded.
        """
        known = None if attributes is None else plain_attributes(attributes)
        return self.tracer.begin(
            name, known, kind=kind, parent=parent, ids=ids, started_at=started_at
        )

    @never_raises("The end of a span")
    def end_span(self, span: ActiveSpan, status: Status = "ok") -> None:
        """End a span that `start_span` returned. A status set on it earlier stays."""
        if span.status == "running" and is_status(status):
            span.status = status
        span.end()

    @never_raises("A metric")
    def record_metric(
        self, name: str, value: float, labels: Mapping[str, str] | None = None
    ) -> None:
        """Record a number that belongs to no single span: `record_metric("queue.depth", 3)`.

        What is not a finite number is not recorded.
        """
        self._writer.put(
            Metric(
                name=_text(name),
                value=_finite(value),
                labels=_labels(labels),
                recorded_at=time.time_ns(),
                **self._current_ids(),
            )
        )

    @never_raises("A log line")
    def log_structured(
        self, level: str | int, message: str, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Record a log line with attributes, in the current trace.

        `level` is a name, or a number of Python's `logging`.
        """
        self._writer.put(
            Log(
                level=_level_name(level),
                message=_text(message),
                attributes={} if attributes is None else plain_attributes(attributes),
                recorded_at=time.time_ns(),
                **self._current_ids(),
            )
        )

    @never_raises("A score")
    def record_score(
        self,
        trace_id: str,
        *,
        name: str,
        user: str,
        value: float | None,
        label: str | None = None,
        source: str = "",
        text: str | None = None,
        at: int | None = None,
    ) -> None:
        """Record how `user` rates a trace, from 0 to 1, and why. A value of None takes it back.

        Each `source` of a user has a rating of its own, and the latest of them counts. `at` is when
        the user rated, in nanoseconds since the epoch, now if it is None.
        """
        self._writer.put(
            Score(
                trace_id=_text(trace_id),
                name=_text(name),
                user=_text(user),
                value=None if value is None else _finite(value),
                label=None if label is None else _text(label),
                recorded_at=time.time_ns() if at is None else int(at),
                source=_text(source),
                text=None if text is None else _text(text),
            )
        )

    @never_raises("A count")
    def count(self, metric: str, cause: str, number: int = 1) -> None:
        """Count one of `storage.writer.dropped.COUNTED`, which is stored once a minute."""
        number = int(number)
        if not 0 <= number < 2**63:  # Added up, it would soon be too large to be stored.
            raise ValueError("A count is from 0 to 2**63 - 1.")
        self._writer.count(_text(metric), _text(cause), number)

    @never_raises("What was received")
    def receive(self, items: Iterable[Span | Metric | Log]) -> None:
        """Store what another process recorded. A span that is already stored is ignored."""
        from storage.writer.writer import KINDS

        for item in items:
            if type(item) not in KINDS:
                raise TypeError(f"{type(item).__name__} cannot be stored.")
            self._writer.put(item)

    def adopt(self) -> None:
        """Begin to store what processes that have ended could not store, as a start does."""
        self._writer.adopt()

    @property
    def room(self) -> int:
        """Return how many more items can wait to be stored. Beyond that they are dropped."""
        return self._writer.room

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything recorded so far is committed; False after `timeout` seconds."""
        return self._writer.flush(_seconds(timeout))

    def close(self, timeout: float = 5.0) -> bool:
        """Store what is left and stop. Return True if it is committed within `timeout` seconds.

        What the database does not take waits in the spool. Spans that have not ended stay
        `running`.
        """
        PROVIDER.remove(self)
        complete = self._writer.close(_seconds(timeout))
        unregister(self)
        with contextlib.suppress(Exception):  # This thread may be in a transaction of its own.
            self.database.close()
        return complete

    def before_fork(self) -> None:
        """Leave the child neither the writer's thread nor its connection."""
        self._writer.stop()

    def after_fork(self) -> None:
        """Go on recording in the parent."""
        self._writer.resume()

    def after_fork_in_child(self) -> None:
        """Record in the child with a new writer.

        See "Forks and threads" in docs/explanation/recording.md.
        """
        self._writer.abandon()
        self._create_writer()

    def _create_writer(self) -> None:
        from storage.writer.writer import writer_for

        self._writer = writer_for(self.database, linger=self._linger)
        self.tracer = Tracer(
            self._writer.put,
            context={"platform": self._platform},
            remote_parent=self._remote_parent,
        )

    def _current_ids(self) -> dict[str, str | None]:
        current = current_span()
        if isinstance(current, ActiveSpan):
            return {"trace_id": current.trace_id, "span_id": current.span_id}
        return {"trace_id": None, "span_id": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()


def _text(value: object) -> str:
    return storable(text_of(value))


def _finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number.")
    return number


def _labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    known = {} if labels is None else plain_attributes(labels)
    return {_text(name): _text(label) for name, label in known.items()}


def _level_name(level: str | int) -> str:
    name = logging.getLevelName(level) if isinstance(level, int) else level
    return _text(name).lower()


def _seconds(timeout: float | None) -> float:
    """Return a timeout that locks can take. None and infinity are the longest one."""
    if timeout is None:
        return threading.TIMEOUT_MAX
    try:
        return min(max(float(timeout), 0.0), threading.TIMEOUT_MAX)
    except (TypeError, ValueError):
        return 5.0
