"""Keep a process that stood still from going on with turns that another one has taken over.

A process stands still if it is stopped (SIGSTOP), if its machine is suspended, or if it does not
reach the database. It does not notice that by itself, and its agent may end at that very moment.
"""

import logging
import threading
from collections.abc import Callable, Collection

from storage.tracing.active_span import ActiveSpan
from storage.tracing.current import current_span

logger = logging.getLogger("tracebot.fence")


class TakenOver(Exception):
    """Another process has taken this turn over: nothing more may be shown of it here."""


class Fence:
    """The turns that this process has lost. Any thread may use it."""

    def __init__(self, confirm: Callable[[], bool]) -> None:
        """Take `confirm`, which makes sure that nobody takes this process for gone at the moment.

        If it was absent, `confirm` calls `look` before it returns.
        """
        self._confirm = confirm
        # Both lists are filled before the bot begins to work, and only read then.
        self._finders: list[Callable[[], Collection[str]]] = []
        self._lost: set[str] = set()
        self._on_loss: list[Callable[[Collection[str]], object]] = []
        self._lock = threading.Lock()

    def watch(self, find_lost: Callable[[], Collection[str]]) -> None:
        """Let *find_lost* return the traces of which something was taken over.

        It may raise `PeeweeException`.
        """
        self._finders.append(find_lost)

    def on_loss(self, heed: Callable[[Collection[str]], object]) -> None:
        """Call *heed* with the traces of turns as soon as they are lost. It must be quick."""
        self._on_loss.append(heed)

    def look(self) -> None:
        """Find out what was lost while this process was absent. Raises `PeeweeException`."""
        lost = frozenset(each for find in self._finders for each in find())
        if not lost:
            return
        logger.warning(
            "This process stood still, and another one has taken over what it did: trace %s.",
            ", ".join(sorted(lost)),
        )
        with self._lock:
            self._lost.update(lost)
        for heed in self._on_loss:
            heed(lost)

    def is_lost(self, trace_id: str) -> bool:
        """Return what is known, without asking anybody."""
        with self._lock:
            return trace_id in self._lost

    def holds(self, trace_id: str) -> bool:
        """Return if a turn is still this process's. It asks the database only after an absence.

        If that cannot be asked the turn goes on: two answers are better than none.
        """
        self._confirm()
        return not self.is_lost(trace_id)

    def require(self, trace_id: str) -> None:
        """Raise `TakenOver` if the turn is not this process's any more."""
        if not self.holds(trace_id):
            raise TakenOver(f"Another process has taken over the turn of trace {trace_id}.")

    def require_current(self) -> None:
        """Do the same for the turn in whose context it is called, if there is one."""
        span = current_span()
        if isinstance(span, ActiveSpan):
            self.require(span.trace_id)
