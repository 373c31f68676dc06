"""Remember which messages this bot deletes itself: their deletion erases nothing."""

import threading
from collections.abc import Callable

from cachetools import TTLCache

MOST, KEPT_S = 1_000, 600.0
"""Slack tells of a deletion within seconds, or retries for five minutes."""


class OwnDeletions:
    """The messages that this bot deletes: a running reply in whose place another was posted.

    Slack may tell another process of the deletion. `tell` tells the others of a message, who `hear`
    of it; `catch_up` returns once this process has heard of all that were told until now.
    """

    def __init__(
        self,
        *,
        tell: Callable[[str], object] = lambda message: None,
        catch_up: Callable[[], object] = lambda: None,
    ) -> None:
        self._tell = tell
        self._catch_up = catch_up
        self._known: TTLCache[str, None] = TTLCache(MOST, KEPT_S)
        self._lock = threading.Lock()

    def add(self, channel: str, ts: str) -> None:
        """Note a message before it is deleted."""
        self.hear(f"{channel}:{ts}")
        self._tell(f"{channel}:{ts}")

    def hear(self, message: str) -> None:
        """Note a message that another process deletes."""
        with self._lock:
            self._known[message] = None

    def __contains__(self, message: tuple[str, str]) -> bool:
        self._catch_up()
        with self._lock:
            return ":".join(message) in self._known
