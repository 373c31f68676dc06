"""The one background writer of a process: a queue, batches, one transaction a batch."""

import logging
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue

from peewee import Database

from storage.model.records import Log, Metric, Score
from storage.model.semconv import FIELDS
from storage.model.span import Span
from storage.store.batch import Batch
from storage.tracing.active_span import ActiveSpan
from storage.writer.delivery import RETRY_S, Delivery, delivery_for
from storage.writer.dropped import Losses
from storage.writer.span_values import to_span

LINGER_S = 0.05
LONGEST_LINGER_S = 0.2
BATCH_SIZE = 1_000
QUEUE_SIZE = 200_000
"""How many spans, metrics, logs and scores may wait in memory. From half of that the oldest lose
their events, from three quarters the attributes that fill no column; past it what comes is lost."""

BATCHES_A_TURN = 20
"""Then what waits in the spool has its turn, whatever arrives."""

LAST_TRIES_S = 1.0
"""How long a writer that stops goes on trying without success to empty its spool."""

logger = logging.getLogger("tracebot.storage")

Item = ActiveSpan | Span | Metric | Log | Score
KINDS = {ActiveSpan: "spans", Span: "spans", Metric: "metrics", Log: "logs", Score: "scores"}


class Writer:
    """Takes spans from any thread without waiting, and stores them from a thread of its own.

    A span waits at most `linger` seconds for company. That is what a SIGKILL can lose, besides
    the batch that is being stored.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        losses: Losses,
        linger: float = LINGER_S,
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        if not 0 <= linger <= LONGEST_LINGER_S:
            raise ValueError(f"A linger of {linger} s makes no sense: give 0 to 0.2.")
        self.losses = losses
        self._delivery = delivery
        self._linger = linger
        self._queue_size = queue_size
        self._queue: deque[Item | threading.Event] = deque()
        self._lean: deque[Item | threading.Event] = deque()
        """Older than what is in the queue, and made smaller."""
        self._ample = queue_size // 2
        self._sorting = threading.Lock()
        self._storing = threading.Lock()
        self._starting = threading.Lock()
        # Not an Event: a signal handler may ring while its own thread is ringing.
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._awake = False
        self._paused = False
        self._closing_at: float | None = None
        self._complete = False
        self._number = 0
        self._pending: Batch | None = None
        self._awaiting: deque[tuple[int, threading.Event]] = deque()
        self._thread: threading.Thread | None = None

    def put(self, item: Item) -> None:
        """Hand over. Never blocks, never raises; the first call starts the thread."""
        if len(self._queue) >= self._ample:
            self._make_room(item)
            return
        self._queue.append(item)
        if not self._awake:
            self._wake()

    @property
    def room(self) -> int:
        """How many more can wait. Who can be told to come later should not use the last of it."""
        return max(self._queue_size - len(self._queue) - len(self._lean), 0)

    def flush(self, timeout: float) -> bool:
        """Whether all that was handed over before this call is committed, within `timeout` s."""
        if self._closing_at is not None:
            return self._complete
        mark = threading.Event()
        self._queue.append(mark)
        self._wake(urgent=True)
        return mark.wait(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Store what is left, or spool it, and stop; whether all of it is committed."""
        if self._closing_at is None:
            self._closing_at = time.monotonic() + timeout
            self._ample = 0
            self._wake(urgent=True)
            if self._thread is None:  # It cannot be started while the interpreter ends.
                self._run()
        if self._thread is not None:
            self._thread.join(timeout + LAST_TRIES_S)
        return self._complete

    def start(self) -> None:
        """Start the thread, also to store what processes that are gone left in the spool."""
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._run, name="tracebot-writer", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:
            logger.debug("The interpreter ends: what waits is stored by `close`.")
        finally:
            self._starting.release()

    def pause(self) -> None:
        """Let the batch under way be done and close the connection, until `resume`."""
        if self._storing.acquire(timeout=2.0):
            self._paused = True
            self._delivery.disconnect()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._storing.release()

    def abandon(self) -> None:
        """In a forked child, of its parent's writer: take nothing any more, and let go."""
        self._ample, self._closing_at, self._thread = 0, 0.0, None
        self._queue, self._lean, self._pending = deque(), deque(), None
        self.losses = Losses()
        self._delivery.abandon()

    def _wake(self, *, urgent: bool = False) -> None:
        self._awake = True
        if self._thread is None:
            self.start()
        self._bell.put(urgent)

    def _make_room(self, item: Item) -> None:
        waiting = len(self._queue) + len(self._lean)
        if self._closing_at is not None or waiting >= self._queue_size:
            self._refuse(item)
            return
        self._queue.append(item)
        if not self._awake:
            self._wake()
        if self._sorting.acquire(blocking=False):
            scarce = waiting >= self._queue_size * 3 // 4
            for _ in range(min(2, len(self._queue))):
                oldest = self._queue.popleft()
                lighten(oldest, self.losses, attributes=scarce)
                self._lean.append(oldest)
            self._sorting.release()

    def _refuse(self, item: Item) -> None:
        if isinstance(item, ActiveSpan) and item.ended_at is None:
            item.stored = "refused"  # It comes again at its end; there may be room then.
        else:
            self.losses.dropped(KINDS.get(type(item), "spans"))

    # What follows runs on the writer's thread.

    def _run(self) -> None:
        while self._closing_at is None:
            self._wait()
            self._turn()
        self._finish(until=self._closing_at)

    def _wait(self) -> None:
        """Sleep until something comes, then for its company; or until it is time to try again."""
        try:
            urgent = self._bell.get(timeout=self._idle_s())
            until = time.monotonic() + self._linger
            while not urgent:
                urgent = self._bell.get(timeout=max(until - time.monotonic(), 0.0))
        except Empty:
            pass
        self._awake = False

    def _idle_s(self) -> float | None:
        if self._pending:
            return RETRY_S
        return 0.0 if self._queue or self._lean else self._delivery.next_try

    def _turn(self) -> None:
        with self._storing:
            try:
                self._deliver()
                self._delivery.catch_up()
            except Exception:
                # A lost span is a gap in a chart; a dead writer would lose all that follow.
                logger.exception("A batch could not be stored and was dropped.")
                self._drop_pending()
                self._awaiting.clear()
            self._acknowledge()

    def _deliver(self) -> None:
        for _ in range(BATCHES_A_TURN):
            self._pending = self._pending or self._next_batch()
            if not self._pending or not self._delivery.deliver(self._pending):
                return
            self._pending = None
            self._acknowledge()

    def _next_batch(self) -> Batch:
        batch = Batch(self._delivery.process, self._number + 1)
        batch.metrics += self.losses.due(at_once=self._closing_at is not None)
        with self._sorting:
            while len(batch) < BATCH_SIZE and (oldest := self._lean or self._queue):
                self._sort(oldest.popleft(), batch)
        self._number += bool(batch)
        return batch

    def _sort(self, item: Item | threading.Event, batch: Batch) -> None:
        if isinstance(item, threading.Event):
            self._awaiting.append((self._number + bool(batch), item))
            return
        kind = KINDS.get(type(item), "spans")
        try:
            if isinstance(item, ActiveSpan):
                self._take(item, batch)
            else:
                getattr(batch, kind).append(item)
        except Exception:
            logger.exception("Something recorded could not be read and was dropped.")
            self.losses.dropped(kind)

    def _take(self, active: ActiveSpan, batch: Batch) -> None:
        # A span comes at its start, and at its end unless its start still waits. One that has
        # ended by the time it first comes up is written once.
        before = active.stored
        if before not in (None, "running", "refused"):
            return
        # First: from here on its end comes up by itself. See `ActiveSpan.end`.
        active.stored = "running"
        if before == "running" and active.ended_at is None:
            return
        span = to_span(active, process=self._delivery.process)
        if before == "running":
            batch.resumed.add(span.span_id)
        active.stored = span.status
        batch.spans.append(span)

    def _acknowledge(self) -> None:
        while self._awaiting and self._awaiting[0][0] <= self._delivery.committed:
            self._awaiting.popleft()[1].set()

    def _unfinished(self) -> bool:
        return bool(self._pending or self._queue or self._lean or self._delivery.spooled)

    def _finish(self, *, until: float) -> None:
        """Store what is left while that gets on; what then is left goes to the spool."""
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
        while self._pending or self._queue or self._lean:
            self._pending = self._pending or self._next_batch()
            if not self._pending or self._delivery.keep(self._pending):
                self._pending = None
            else:
                self._drop_pending()
        self.losses.due(at_once=True)
        self._delivery.close()

    def _drop_pending(self) -> None:
        """Count what neither the database nor the spool takes."""
        for kind in ("spans", "metrics", "logs", "scores"):
            if number := len(getattr(self._pending, kind, ())):
                self.losses.dropped(kind, number)
        self._pending = None


def writer_for(
    database: Database, *, linger: float | None = None, queue_size: int = QUEUE_SIZE
) -> Writer:
    """One more writer of this process for `database`, by a connection of its own."""
    losses = Losses()
    delivery = delivery_for(database, losses=losses)
    linger = LINGER_S if linger is None else linger
    return Writer(delivery, losses=losses, linger=linger, queue_size=queue_size)


def lighten(item: object, losses: Losses, *, attributes: bool) -> None:
    """Take from an ended span its events, and `attributes` that fill no column."""
    if not isinstance(item, ActiveSpan | Span) or item.ended_at is None:
        return
    if item.events:
        item.events = []
        losses.dropped("events")
    if attributes and item.attributes:
        known = {name: value for name, value in item.attributes.items() if name in FIELDS}
        item.attributes = known if isinstance(item, ActiveSpan) else {}
        losses.dropped("attributes")
