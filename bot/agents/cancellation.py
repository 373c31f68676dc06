"""A turn's way to be stopped: by a person, or by the end of the bot."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHUTDOWN, DELETION, SHELL = "shutdown", "deletion", "shell"
"""Who cancels if it is not a Slack user: the bot stops, the question was deleted, a shell asked."""


class Cancellation:
    """One per turn, asked and told from any thread; it cannot be taken back."""

    def __init__(self) -> None:
        # Held while callbacks run, so that none runs after its `watch` has ended.
        self._lock = threading.RLock()
        self._by: str | None = None
        self._callbacks: list[Callable[[], object]] = []

    @property
    def by(self) -> str | None:
        """Who cancelled: a Slack user's id, `shutdown`, …; None while nobody has."""
        return self._by

    def cancel(self, by: str) -> bool:
        """Stop whoever watches. True the first time, and only then."""
        with self._lock:
            if self._by is not None:
                return False
            self._by = by
            for callback in self._callbacks:
                callback()
            return True

    @contextmanager
    def watch(self, callback: Callable[[], object]) -> Iterator[None]:
        """For the length of the block, call `callback` on cancel: once, at once if that was before.

        It runs on the thread that cancels, so it only wakes somebody up, and does not raise.
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
