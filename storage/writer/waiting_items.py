"""Hold in memory what the writer's thread has not taken yet, within a limit."""

import threading
from collections import deque

from storage.model.records import Log, Metric, Score
from storage.model.semconv import field_of
from storage.model.span import Span
from storage.tracing.recording_span import RecordingSpan
from storage.writer.dropped import DropCounters

QUEUE_SIZE = 200_000
"""How many spans, metrics, logs and scores may wait in memory.

From half of that on, the oldest lose their events; from three quarters on, also the attributes that
fill no column. When the queue is full, new items are dropped.
"""

Item = RecordingSpan | Span | Metric | Log | Score


class WaitingItems:
    """A queue that any thread may append to without waiting, and one thread takes from.

    `append` and `popleft` of a deque are atomic. `_moving` is held while items leave `_queue`, so
    that their order is kept. A caller that finds it taken leaves the trimming to a later one.
    """

    def __init__(self, size: int, *, dropped: DropCounters) -> None:
        self._size = size
        self._dropped = dropped
        self._queue: deque[Item | threading.Event] = deque()
        self._trimmed: deque[Item | threading.Event] = deque()
        """Items older than those in the queue, which have lost some detail."""
        self._trim_above = size // 2
        self._moving = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue) + len(self._trimmed)

    @property
    def room(self) -> int:
        """Return how many more items can wait."""
        return max(self._size - len(self), 0)

    def append(self, item: Item) -> bool:
        """Append an item. False if there is no room for it."""
        # Each thread looks first and appends then: with many of them, the queue may come to hold a
        # few more than its size.
        if len(self._queue) < self._trim_above:
            self._queue.append(item)
            return True
        waiting = len(self)
        if waiting >= self._size:
            return False
        self._queue.append(item)
        self._trim_oldest(attributes=waiting >= self._size * 3 // 4)
        return True

    def mark(self) -> threading.Event:
        """Append an event, for which there is always room, and return it."""
        event = threading.Event()
        # Behind the items, so that it is reached once all of them are taken.
        self._queue.append(event)
        return event

    def take(self, number: int) -> list[Item | threading.Event]:
        """Remove the oldest items, at most `number` of them, and return them in their order."""
        taken: list[Item | threading.Event] = []
        with self._moving:
            while len(taken) < number and (oldest := self._trimmed or self._queue):
                some = min(number - len(taken), len(oldest))
                taken += [oldest.popleft() for _ in range(some)]
        return taken

    def close(self) -> None:
        """Accept no more items. Those that wait can still be taken."""
        self._size = self._trim_above = 0

    def _trim_oldest(self, *, attributes: bool) -> None:
        # Two for each that comes: so all have been trimmed before there is no more room.
        if not self._moving.acquire(blocking=False):
            return
        for _ in range(min(2, len(self._queue))):
            oldest = self._queue.popleft()
            trim(oldest, self._dropped, attributes=attributes)
            self._trimmed.append(oldest)
        self._moving.release()


def trim(item: object, dropped: DropCounters, *, attributes: bool) -> None:
    """Remove an ended span's events and, if `attributes`, those that fill no column."""
    if not isinstance(item, RecordingSpan | Span) or item.ended_at is None:
        return
    if item.events:
        item.events = []
        dropped.add_dropped("events")
    if attributes and item.attributes:
        known = {name: value for name, value in item.attributes.items() if field_of(name)}
        item.attributes = known if isinstance(item, RecordingSpan) else {}
        dropped.add_dropped("attributes")
