"""Store what is recorded from one background thread: a queue, batches, one transaction a batch.

Items come in through `Writer.put` on any thread and go out as batches to `delivery`, which brings
them into the database or keeps them in the spool.
"""

import logging
import os
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue

from storage.database.base import Database
from storage.model.batch import Batch
from storage.model.records import Log, Metric, Score
from storage.model.span import Span
from storage.tracing.recording_span import ENDED, STARTED, RecordingSpan
from storage.writer.delivery import RETRY_S, Delivery, delivery_for
from storage.writer.dropped import DropCounters
from storage.writer.span_values import to_span
from storage.writer.waiting_items import QUEUE_SIZE, Item, WaitingItems

LINGER_S = 0.05
LONGEST_LINGER_S = 0.2
BATCH_SIZE = 1_000

BATCHES_A_TURN = 20
"""How many batches are stored before the spool gets its turn, whatever else arrives."""

LAST_TRIES_S = 1.0
"""How long a closing writer goes on trying to empty its spool without any success."""

LAST_BATCH_S = 10.0
"""How long a closing writer may need for the batch in its hands, on a very busy machine."""

STOP_S = 2.0
"""How long a fork waits for the writer's thread to stop."""

logger = logging.getLogger("tracebot.storage")

KINDS = {Span: "spans", Metric: "metrics", Log: "logs", Score: "scores"}


class Writer:
    """Take items from any thread without blocking it, and store them from one thread.

    A span is held for at most `linger` seconds (0 to 0.2) so that it can be stored in a batch. That
    is what a SIGKILL can lose, besides the batch that is being stored.

    Callers and the writer's thread share `_waiting` and `_awake`. No caller ever waits for a lock:
    `_starting` is held while the thread starts, and during a fork so that it cannot start.

    Everything below "On the writer's thread" belongs to that thread, or to the thread that closes
    the writer if the interpreter is ending and no thread can start.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        dropped: DropCounters,
        linger: float = LINGER_S,
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        if not 0 <= linger <= LONGEST_LINGER_S:
            raise ValueError(f"linger must be between 0 and {LONGEST_LINGER_S} s, not {linger} s.")
        self.dropped = dropped
        self._delivery = delivery
        self._linger = linger
        self._waiting = WaitingItems(queue_size, dropped=dropped)
        self._starting = threading.Lock()
        # Not an Event, whose lock a signal handler would wait for if it interrupted its holder.
        self._wakeups: SimpleQueue[bool] = SimpleQueue()
        self._awake = False
        """True from a wake-up until the thread looks at the queue: spares `put` most of them."""
        self._stopping = False
        self._closing_at: float | None = None
        """When the writer has to be closed, by the monotonic clock; None while it is open."""
        self._complete = self._finished = False
        self._number = 0
        self._pending: Batch | None = None
        self._flushes: deque[tuple[int, threading.Event]] = deque()
        self._thread: threading.Thread | None = None

    def put(self, item: Item) -> None:
        """Queue an item. Never blocks and never raises. The first call starts the thread."""
        if not self._waiting.append(item):
            self._refuse(item)
        elif not self._awake:
            self._wake()

    def count(self, metric: str, cause: str, number: int = 1) -> None:
        """Count something that may come in floods: it is stored and logged once a minute."""
        self.dropped.add(metric, cause, number)
        if not self._awake and self.dropped.due_in == 0:
            self._wake()

    def adopt(self) -> None:
        """Begin to store what ended processes have left in the spool, beside what is recorded."""
        self._delivery.look_for_left_behind()
        self._wake()

    @property
    def room(self) -> int:
        """Return how many more items can wait.

        A sender that can be told to come back later should leave some of it free.
        """
        return self._waiting.room

    def flush(self, timeout: float) -> bool:
        """Wait until what was queued before this call is committed; False after `timeout` s."""
        if self._closing_at is not None:
            return self._complete
        mark = self._waiting.mark()
        self._wake(urgent=True)
        return mark.wait(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Store what is left, or spool it, and stop. Return True if all of it is committed."""
        first = self._closing_at is None
        if first:
            self._closing_at = time.monotonic() + timeout
            self._waiting.close()
            self._wake(urgent=True)
        if (thread := self._thread) is not None and thread.is_alive():
            thread.join(timeout + LAST_TRIES_S + LAST_BATCH_S)
        if first and not self._works and not self._finished:
            self._run()  # No thread can start while the interpreter ends.
        return self._complete

    def start(self) -> None:
        """Start the thread, which also stores what ended processes left in the spool."""
        # Not waited for: a signal handler may record while its own thread is starting the writer,
        # and during a fork nothing may start.
        if self._works or self._finished or not self._starting.acquire(blocking=False):
            return
        try:
            if not self._works:  # Another caller may have started it just before.
                thread = threading.Thread(target=self._run, name="tracebot-writer", daemon=True)
                # Before it runs: a Ctrl-C meanwhile must not lead to a second thread.
                self._thread = thread
                thread.start()
        except RuntimeError:
            logger.debug("The interpreter is ending: `close` stores what is queued.")
        finally:
            self._starting.release()

    def stop(self) -> None:
        """Before a fork: store what is queued, close the connection and end the thread.

        Python 3.12 and later warn about a fork in a process with threads, and rightly: the child
        would get a copy of whatever this thread was doing. Items may go on arriving.
        """
        if not self._starting.acquire(timeout=STOP_S):
            return  # A signal handler forks while its own thread is starting the writer.
        self._stopping = True
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._wakeups.put(True)
        thread.join(STOP_S)
        if not thread.is_alive():
            _wait_until_gone(thread)

    def resume(self) -> None:
        """After a fork, in the parent: allow the thread to start again, or to go on.

        It starts with the next item. Python counts threads only after this has run, and would warn.
        """
        if not self._stopping:
            return
        self._stopping = self._awake = False
        self._starting.release()
        # Checked after the release: whoever queued something before could not start the thread.
        if self._pending or self._waiting:
            self.start()

    def abandon(self) -> None:
        """In a forked child, of its parent's writer: take nothing more, and let go of its files."""
        self.dropped = DropCounters()
        self._waiting = WaitingItems(0, dropped=self.dropped)
        self._closing_at, self._thread, self._pending = 0.0, None, None
        self._finished = True
        self._delivery.abandon()

    def _wake(self, *, urgent: bool = False) -> None:
        self._awake = True
        self.start()
        self._wakeups.put(urgent)

    @property
    def _works(self) -> bool:
        """Return True while the thread runs. It ends for a fork, and when the writer is closed."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _refuse(self, item: Item) -> None:
        if isinstance(item, RecordingSpan) and item.ended_at is None:
            item.advance(accepted=False)  # Its end is queued, too, and may find room.
        else:
            self.dropped.add_dropped(KINDS.get(type(item), "spans"))

    # On the writer's thread.

    def _run(self) -> None:
        while self._closing_at is None:
            self._wait()
            self._turn()
            if self._stopping:
                # For a fork, perhaps before the last items were seen. SQLite lets no connection
                # stay open across it.
                self._turn()
                self._delivery.disconnect()
                # A fork that waited for long enough may be over by now.
                if self._stopping and self._closing_at is None:
                    return
        self._finish(until=self._closing_at)

    def _wait(self) -> None:
        """Sleep until an item comes, then linger for more; or until it is time to try again.

        An urgent wake-up (flush, close, fork) ends the linger.
        """
        try:
            urgent = self._wakeups.get(timeout=self._idle_s())
            until = time.monotonic() + self._linger
            while not urgent and len(self._waiting) < BATCH_SIZE:
                urgent = self._wakeups.get(timeout=max(until - time.monotonic(), 0.0))
        except Empty:
            pass
        # Before the queue is read: an item queued from now on wakes the thread again.
        self._awake = False

    def _idle_s(self) -> float | None:
        if self._pending:
            return RETRY_S
        if self._waiting:
            return 0.0
        waits = (self._delivery.next_try, self._delivery.next_merge, self.dropped.due_in)
        return min((wait for wait in waits if wait is not None), default=None)

    def _turn(self) -> None:
        try:
            self._deliver()
            self._delivery.replay()
            self._delivery.merge()
        except Exception:
            # A lost span is a gap in a chart. A writer that died would lose all that follow.
            logger.exception("A batch could not be stored and was dropped.")
            self._drop_pending()
            self._flushes.clear()
        self._acknowledge()

    def _deliver(self) -> None:
        # Only what is queued by now: what comes meanwhile lingers, too. Otherwise the few spans of
        # the time of one transaction would each time be a transaction themselves.
        batches = len(self._waiting) // BATCH_SIZE + 1
        for _ in range(min(batches, BATCHES_A_TURN)):
            self._pending = self._pending or self._next_batch()
            if not self._pending or not self._delivery.deliver(self._pending):
                return
            self._pending = None
            self._acknowledge()

    def _next_batch(self) -> Batch:
        batch = Batch(self._delivery.process, self._number + 1)
        batch.metrics += self.dropped.take_new(at_once=self._closing_at is not None)
        # Again: a flush, or the start of a span that has ended meanwhile, takes no place in it.
        while items := self._waiting.take(self._room_in(batch)):
            for item in items:
                self._add(item, batch)
        self._number += bool(batch)
        return batch

    def _room_in(self, batch: Batch) -> int:
        room, most = BATCH_SIZE - len(batch), self._delivery.most_traces
        # Each item is of one trace at most.
        return room if most is None else min(room, most - len(batch.trace_ids))

    def _add(self, item: Item | threading.Event, batch: Batch) -> None:
        try:
            if isinstance(item, RecordingSpan):
                self._add_span(item, batch)
            elif isinstance(item, threading.Event):
                # A flush: answered once the batch of what was queued before it is committed.
                self._flushes.append((self._number + bool(batch), item))
            else:
                getattr(batch, KINDS[type(item)]).append(item)
        except Exception:
            logger.exception("An item could not be converted to be stored, and was dropped.")
            self.dropped.add_dropped(KINDS.get(type(item), "spans"))

    def _add_span(self, active: RecordingSpan, batch: Batch) -> None:
        """Add a span, which comes up at its start and at its end, if it has something new.

        One that ends while its start is still queued is written once.
        """
        before = active.state
        after = active.advance(accepted=True)
        if after is before:
            return
        ended = after is ENDED
        span = to_span(active, process=self._delivery.process, ended=ended)
        if before is STARTED:
            batch.resumed.add(span.span_id)
        batch.spans.append(span)

    def _acknowledge(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._delivery.committed:
            self._flushes.popleft()[1].set()

    def _unfinished(self) -> bool:
        return bool(self._pending or self._waiting or self._delivery.spooled)

    def _finish(self, *, until: float) -> None:
        """Store what is left for as long as that makes progress, then spool the rest."""
        committed, give_up_at = -1, until
        while True:
            self._turn()
            if not self._unfinished() or time.monotonic() > min(until, give_up_at):
                break
            if committed != self._delivery.committed:
                committed = self._delivery.committed
                give_up_at = time.monotonic() + LAST_TRIES_S
            elif self._delivery.next_try:
                time.sleep(0.01)
        self._complete = not self._unfinished()
        while self._pending or self._waiting:
            self._pending = self._pending or self._next_batch()
            if not self._pending or self._delivery.spool(self._pending):
                self._pending = None
            else:
                self._drop_pending()
        self.dropped.take_new(at_once=True)
        self._delivery.close()
        self._finished = True

    def _drop_pending(self) -> None:
        """Count the pending batch as dropped: neither the database nor the spool takes it."""
        for kind in ("spans", "metrics", "logs", "scores"):
            if number := len(getattr(self._pending, kind, ())):
                self.dropped.add_dropped(kind, number)
        self._pending = None


def writer_for(
    database: Database, *, linger: float | None = None, queue_size: int = QUEUE_SIZE
) -> Writer:
    """Return a new writer of this process, with its own connection to the database's file."""
    dropped = DropCounters()
    delivery = delivery_for(database, dropped=dropped)
    linger = LINGER_S if linger is None else linger
    return Writer(delivery, dropped=dropped, linger=linger, queue_size=queue_size)


def _wait_until_gone(thread: threading.Thread) -> None:
    """Wait until an ended thread is gone for the operating system, too, whose count Python uses.

    Python 3.12's `join` may return some microseconds earlier. Elsewhere than on Linux there is
    nothing to wait for: the path does not exist.
    """
    until = time.monotonic() + 0.05
    while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < until:
        time.sleep(0.0001)
