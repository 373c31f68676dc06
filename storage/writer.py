"""The one background writer of a process: a queue, batches, one transaction a batch."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from cysqlite import DatabaseCorruptError
from peewee import Database, PeeweeException

from storage.batch import Batch, store
from storage.database import cause_of
from storage.errors import StorageError
from storage.recovery import recover
from storage.shared import SharedDatabase
from storage.signals import Log, Metric, Score
from storage.span import Span
from storage.tracing import ActiveSpan, to_span

LINGER_S = 0.05
"""How long a span waits for company: what a SIGKILL can lose, besides the batch being written."""

BATCH_SIZE = 1_000
QUEUE_SIZE = 100_000
RETRY_S = 0.25

logger = logging.getLogger("tracebot.storage")

Item = ActiveSpan | Span | Metric | Log | Score


@dataclass(slots=True)
class WriterCounts:
    stored: int = 0
    dropped: int = 0
    failures: int = 0


class Writer:
    """Takes spans from any thread without waiting, and stores them from a thread of its own."""

    def __init__(
        self,
        open_database: Callable[[], Database],
        *,
        process: str,
        linger: float = LINGER_S,
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        self.counts = WriterCounts()
        self._open_database = open_database
        self._process = process
        self._linger = linger
        self._queue_size = queue_size
        self._queue: deque[Item | threading.Event] = deque()
        self._arrived = threading.Event()
        self._urgent = threading.Event()
        self._closing = False
        self._number = 0
        self._waiting: deque[Batch] = deque()
        self._thread = threading.Thread(target=self._run, name="tracebot-writer", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over. Never blocks, never raises; past the queue's size an item is dropped."""
        if len(self._queue) >= self._queue_size:
            self.counts.dropped += 1
            return
        self._queue.append(item)
        if not self._arrived.is_set():
            self._arrived.set()

    @property
    def room(self) -> int:
        """How many more can wait. Who can be told to come later should not use the last of it."""
        return max(self._queue_size - len(self._queue), 0)

    def flush(self, timeout: float) -> bool:
        """Whether all that was handed over before this call is committed, within `timeout` s."""
        mark = threading.Event()
        self._queue.append(mark)
        self._arrived.set()
        self._urgent.set()
        return mark.wait(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Store what is left and stop."""
        flushed = self.flush(timeout)
        self._closing = True
        self._arrived.set()
        self._urgent.set()
        self._thread.join(timeout if flushed else 0.1)
        return flushed

    def _run(self) -> None:
        database: Database | None = None
        while not self._closing:
            self._arrived.wait()
            self._urgent.wait(self._linger)
            self._arrived.clear()
            self._urgent.clear()
            try:
                database = database or self._open_database()
                self._drain(database)
            except (PeeweeException, StorageError, DatabaseCorruptError) as error:
                self._postpone(self._recovered(error, database))
            except Exception:
                # A lost span is a gap in a chart; a dead writer would lose all that follow.
                logger.exception("A batch could not be stored and was dropped.")
                self._drop_waiting()
        if database is not None and not database.is_closed():
            database.close()

    def _drain(self, database: Database) -> None:
        while self._waiting or self._queue:
            if not self._waiting:
                self._waiting.append(self._next_batch())
            batch = self._waiting[0]
            if len(batch):
                store(database, batch)
                self.counts.stored += len(batch)
            self._waiting.popleft()
            for mark in batch.marks:
                mark.set()

    def _next_batch(self) -> Batch:
        self._number += 1
        batch = Batch(self._process, self._number)
        while self._queue and len(batch) < BATCH_SIZE:
            self._sort(self._queue.popleft(), batch)
        return batch

    def _sort(self, item: Item | threading.Event, batch: Batch) -> None:
        if isinstance(item, ActiveSpan):
            self._take(item, batch)
        elif isinstance(item, Span):
            batch.spans.append(item)
        elif isinstance(item, Metric):
            batch.metrics.append(item)
        elif isinstance(item, Log):
            batch.logs.append(item)
        elif isinstance(item, Score):
            batch.scores.append(item)
        else:
            batch.marks.append(item)

    def _take(self, active: ActiveSpan, batch: Batch) -> None:
        # A span comes at its start and at its end. One that has ended by the time it first comes
        # up is written once, and what comes up the second time is passed over.
        ended = active.ended_at is not None
        if active.stored is not None and (active.stored != "running" or not ended):
            return
        span = to_span(active, process=self._process)
        if active.stored == "running":
            batch.resumed.add(span.span_id)
        active.stored = span.status
        batch.spans.append(span)

    def _recovered(self, error: Exception, database: Database | None) -> Exception:
        """The error, after a damaged database is replaced; or why it cannot be."""
        if isinstance(database, SharedDatabase) and cause_of(error) == "damaged":
            try:
                recover(database)
            except (PeeweeException, StorageError, OSError) as further:
                return further
        return error

    def _postpone(self, error: Exception) -> None:
        self.counts.failures += 1
        if self.counts.failures == 1:
            logger.warning("Spans wait in memory, the database cannot take them: %s", error)
        if not self._closing:
            time.sleep(RETRY_S)
            self._arrived.set()

    def _drop_waiting(self) -> None:
        while self._waiting:
            self.counts.dropped += len(self._waiting.popleft())
