"""As many turns at once as may ask agents; those beyond wait, and can be stopped while they do."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from bot.agents.cancellation import Cancellation


class Slots:
    """Taken in the order in which they are asked for."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Cancellation] = deque()
        self._changed = threading.Condition()

    @property
    def full(self) -> bool:
        """Whether one that asks now has to wait."""
        with self._changed:
            return self._free <= len(self._waiting)

    @contextmanager
    def taken(self, cancellation: Cancellation) -> Iterator[None]:
        """Hold a slot for the length of the block; none, once the turn is cancelled."""
        with cancellation.watch(self._wake):
            held = self._take(cancellation)
        try:
            yield
        finally:
            if held:
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()

    def _take(self, cancellation: Cancellation) -> bool:
        def may_go_on() -> bool:
            first = self._free > 0 and self._waiting[0] is cancellation
            return first or cancellation.by is not None

        with self._changed:
            self._waiting.append(cancellation)
            self._changed.wait_for(may_go_on)
            self._waiting.remove(cancellation)
            self._changed.notify_all()
            held = cancellation.by is None
            self._free -= held
            return held

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
