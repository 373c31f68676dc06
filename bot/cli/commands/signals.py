"""Wait for SIGTERM or Ctrl-C in a command that runs until it is told to stop."""

import math
import signal
import threading
import time
from types import FrameType

WAKE_S = 0.5
"""How often the main thread looks if a signal has arrived."""


def stop_signal() -> threading.Event:
    """Return an event that SIGTERM or Ctrl-C sets. Call it on the main thread."""
    stop = threading.Event()

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, set_stop)
    return stop


def wait_until(stop: threading.Event, seconds: float = math.inf) -> bool:
    """Wait for an event that a signal sets, on the main thread. Return whether it is set.

    `seconds` is the longest wait.
    """
    # The kernel may deliver a signal to any thread, and Python runs its handler on the main thread
    # at its next step. A wait without a time limit never gets there.
    deadline = time.monotonic() + seconds
    while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
        stop.wait(min(left, WAKE_S))
    return stop.is_set()
