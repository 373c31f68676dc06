"""Cancel a turn: a person stops it, or the bot shuts down."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHUTDOWN, DELETION, SHELL = "shutdown", "deletion", "shell"
"""Cancelled by the bot's end, by deleting the question, or from a shell; else by a Slack user."""

TAKEN_OVER = "another process"
"""Cancelled because another process of the bot goes on with it."""


class Cancellation:
    """A flag that each turn has, set and watched from any thread; once set it stays set."""

    def __init__(self) -> None:
        # Held while callbacks run, so that none runs after its `watch` has ended: by then it may
        # write to a descriptor that was closed and belongs to somebody else. Reentrant, because a
        # callback may itself ask or cancel.
        self._lock = threading.RLock()
        self._by: str | None = None
        self._callbacks: list[Callable[[], object]] = []

    @property
    def by(self) -> str | None:
        """Return who cancelled: a Slack user's id, `shutdown`, …; None as long as nobody has."""
        return self._by

    def cancel(self, by: str) -> bool:
        """Cancel, and call every watcher back. Return True only for the first call."""
        with self._lock:
            if self._by is not None:
                return False
            self._by = by
            for callback in self._callbacks:
                callback()
            return True

    @contextmanager
    def watch(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call `callback` once if this is cancelled before the block ends, or already is.

        It runs on the thread that cancels, with the lock held: it may only wake somebody up, and it
        must not raise.
        """
        with self._lock:
            self._callbacks.append(callback)
            if self._by is not None:
                callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)
