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

    `append` and `popleft` of a deque are atomic. No caller holds a lock: after a Ctrl-C between its
    taking and its release, the thread would wait for ever.
    """

    def __init__(self, size: int, *, dropped: DropCounters) -> None:
        self._size = size
        self._dropped = dropped
        self._queue: deque[Item | threading.Event] = deque()
        self._trim_above = size // 2

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def room(self) -> int:
        """Return how many more items can wait."""
        return max(self._size - len(self), 0)

    def append(self, item: Item) -> bool:
        """Append an item. False if there is no room for it."""
        # Each thread looks first and appends then: with many of them, the queue may come to hold a
        # few more than its size.
        waiting = len(self._queue)
        if waiting >= self._size:
            return False
        self._queue.append(item)
        if waiting >= self._trim_above:
            self._trim_one(attributes=waiting >= self._size * 3 // 4)
        return True

    def mark(self) -> threading.Event:
        """Append an event, for which there is always room, and return it."""
        event = threading.Event()
        # Behind the items, so that it is reached once all of them are taken.
        self._queue.append(event)
        return event

    def take(self, number: int) -> list[Item | threading.Event]:
        """Remove the oldest items, at most `number` of them, and return them in their order."""
        return [self._queue.popleft() for _ in range(min(number, len(self._queue)))]

    def close(self) -> None:
        """Accept no more items. Those that wait can still be taken."""
        self._size = self._trim_above = 0

    def _trim_one(self, *, attributes: bool) -> None:
        # The one that the item just appended moved out of the newer half of the queue. Those before
        # it were trimmed when they left it. If two threads append at once, one may be missed.
        try:
            item = self._queue[-self._trim_above - 1]
        except IndexError:  # The thread has taken it meanwhile.
            return
        trim(item, self._dropped, attributes=attributes)


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
