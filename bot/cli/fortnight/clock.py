"""A clock that stands still until it is told to go on."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

SECOND_NS = 1_000_000_000
TICK_NS = 1
"""How far each look at the clock moves it: what happens later has a later time."""


class StoryClock:
    """The time of this process while a story is played.

    Everything that records reads the time from the module `time`, so that is the one place where it
    can be moved without a parameter that only a story would use. The functions in nanoseconds are
    those that measure; `time.monotonic`, by which threads wait for each other, goes on as ever.
    """

    def __init__(self, now_ns: int) -> None:
        self._now = now_ns
        self._lock = threading.Lock()
        self._waits = threading.local()
        self._monotonic = time.monotonic

    def now(self) -> int:
        """Return nanoseconds since the epoch, later than any before."""
        with self._lock:
            self._now += TICK_NS
            return self._now

    def go_to(self, now_ns: int) -> None:
        """Let time pass until *now_ns*. It never goes back."""
        with self._lock:
            self._now = max(self._now, now_ns)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass while this thread works.

        Its own time-outs strike by it. Those of other threads must not: they wait for it, not for
        what the story tells.
        """
        with self._lock:
            self._now += round(seconds * SECOND_NS)
        self._waits.passed = self._passed() + seconds

    @contextmanager
    def moved(self, *, only_here: bool = False) -> Iterator[None]:
        """Make this the time of the process, or *only_here* that of the calling thread."""
        moved: dict[str, Callable[[], float]] = {
            "time_ns": self.now,
            "time": lambda: self.now() / SECOND_NS,
            "monotonic_ns": self.now,
            "perf_counter_ns": self.now,
            "monotonic": lambda: self._monotonic() + self._passed(),
        }
        real = {name: getattr(time, name) for name in moved}
        here = threading.get_ident()
        _set(
            {name: _in_thread(here, moved[name], real[name]) for name in moved}
            if only_here
            else moved
        )
        try:
            yield
        finally:
            _set(real)

    def _passed(self) -> float:
        passed: float = getattr(self._waits, "passed", 0.0)
        return passed


def _in_thread(
    here: int, moved: Callable[[], float], real: Callable[[], float]
) -> Callable[[], float]:
    return lambda: moved() if threading.get_ident() == here else real()


def _set(functions: Mapping[str, Callable[[], float]]) -> None:
    for name, function in functions.items():
        setattr(time, name, function)
