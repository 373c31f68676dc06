"""The workspace's time, which a test can move forward, and Slack's timestamps."""

import threading
import time


class Clock:
    """Seconds since the epoch. Message timestamps are unique and always increase."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._last = 0
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass in Slack: triggers, response URLs and streams expire."""
        self._ahead += seconds

    def timestamp(self) -> str:
        """Return the `ts` of the next message or event: seconds and six digits."""
        with self._lock:
            self._last = max(self._last + 1, int(self.now() * 1_000_000))
            return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"
