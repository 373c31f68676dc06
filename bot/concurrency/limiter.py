"""Limit how many turns ask agents at the same time."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from bot.agents.cancellation import Cancellation


class TurnLimiter:
    """A first-come, first-served semaphore whose waiters can be cancelled."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: deque[Cancellation] = deque()
        self._changed = threading.Condition()

    @property
    def full(self) -> bool:
        """Return True if a turn that asks now has to wait."""
        with self._changed:
            return self._free <= len(self._waiting)

    @contextmanager
    def slot(self, cancellation: Cancellation) -> Iterator[None]:
        """Hold a slot during the block. A cancelled turn enters the block without one.

        It enters rather than raises so that its turn ends in the usual way: the agent is asked,
        notices the cancellation at once, and the thread is told who stopped the turn.
        """
        with cancellation.watch(self._wake):
            held = self._acquire(cancellation)
        try:
            yield
        finally:
            if held:
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()

    def _acquire(self, cancellation: Cancellation) -> bool:
        """Wait for a slot; return False if the turn was cancelled first."""

        def may_go_on() -> bool:
            first = self._free > 0 and self._waiting[0] is cancellation
            return first or cancellation.by is not None

        # All waiters share one condition and are all woken (`notify_all`): only the first in line
        # may go on, and `notify` could wake another one, which would sleep again.
        with self._changed:
            self._waiting.append(cancellation)
            self._changed.wait_for(may_go_on)
            self._waiting.remove(cancellation)
            # The next in line may go on as well if more than one slot is free.
            self._changed.notify_all()
            held = cancellation.by is None
            self._free -= held
            return held

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
