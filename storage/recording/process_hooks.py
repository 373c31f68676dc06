"""What recordings do when their process forks, is told to stop, or ends."""

import atexit
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Protocol

SIGTERM_GRACE_S = 3.0


class Recording(Protocol):
    """What is to be looked after."""

    def close(self, timeout: float = ...) -> bool: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def forked(self) -> None: ...


_open: list[Recording] = []
_told_multiprocessing = False


def look_after(recording: Recording) -> None:
    """Flush `recording` when the process ends, also by a SIGTERM that nobody else handles.

    A handler of the application's own stays, whether it is set before or after: see
    docs/recording.md.
    """
    _open.append(recording)
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        _close_with_multiprocessing(None)


def let_go(recording: Recording) -> None:
    """The recording is closed."""
    if recording in _open:
        _open.remove(recording)
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not _open and on_main_thread and signal.getsignal(signal.SIGTERM) is _terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def close_all(timeout: float = 5.0) -> None:
    """Close every recording, within `timeout` seconds where they do not hang."""
    until = time.monotonic() + timeout
    for recording in reversed(_open[:]):
        recording.close(max(until - time.monotonic(), 0.1))


def _terminated(number: int, frame: FrameType | None) -> None:
    try:
        close_all(SIGTERM_GRACE_S)
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _close_with_multiprocessing(_: object) -> None:
    # A child of multiprocessing ends with os._exit: its own finalizers run, atexit's do not.
    from multiprocessing.util import Finalize

    Finalize(None, close_all, exitpriority=-100)


def _before_fork() -> None:
    global _told_multiprocessing
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _told_multiprocessing:
        _told_multiprocessing = True
        util.register_after_fork(close_all, _close_with_multiprocessing)
    for recording in _open:
        recording.pause()


def _after_fork() -> None:
    for recording in _open:
        recording.resume()


def _after_fork_in_child() -> None:
    for recording in _open:
        recording.forked()


# The first to be registered is the last to run: what others record at the end is kept.
atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )
