"""Wait for SIGTERM or Ctrl-C in a command that runs until it is told to stop."""

import signal
import threading
from types import FrameType


def stop_signal() -> threading.Event:
    """Return an event that SIGTERM or Ctrl-C sets. Call it on the main thread."""
    stop = threading.Event()

    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, set_stop)
    return stop
