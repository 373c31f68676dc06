"""Remember which messages this process deletes itself: their deletion erases nothing."""

import threading

from cachetools import TTLCache

MOST, KEPT_S = 1_000, 600.0
"""Slack tells of a deletion within seconds, or retries for five minutes."""


class OwnDeletions:
    """The messages that this process deletes: a running reply in whose place another was posted."""

    def __init__(self) -> None:
        self._known: TTLCache[tuple[str, str], None] = TTLCache(MOST, KEPT_S)
        self._lock = threading.Lock()

    def add(self, channel: str, ts: str) -> None:
        """Note a message before it is deleted."""
        with self._lock:
            self._known[channel, ts] = None

    def __contains__(self, message: tuple[str, str]) -> bool:
        with self._lock:
            return message in self._known
