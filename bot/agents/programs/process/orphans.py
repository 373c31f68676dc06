"""Find and kill what an agent left to this process, after it killed its reaper.

A process that belongs to tracebot alone calls `adopt`, and becomes the parent of what a killed
reaper leaves (Linux, prctl(2)). From then on it starts nothing but reapers, so any other new child
is an orphan. A program that uses this package has children of its own, and must not call it.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from bot.agents.programs.process.reaper import PR_SET_CHILD_SUBREAPER, children

PATIENCE_S = 5.0
"""Seconds that killed processes may take to be gone; no turn waits for them after that."""

_adopting = False
_others: set[int] = set()
"""Children that this process had before, such as those of the shell that became it."""

_survivors: set[int] = set()
"""Orphans that outlasted that: of another user, or in a system call that does not return.

An id is not used again until this process has waited for it.
"""

_reapers: set[int] = set()
# Held while a reaper starts: until it is registered, it would be taken for an orphan.
_lock = threading.Lock()


def adopt() -> None:
    """Become the parent of what killed reapers leave. Only for a process that is tracebot's own."""
    global _adopting
    if sys.platform == "linux":
        _adopting = ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        _others.update(children())


@contextlib.contextmanager
def starting() -> Iterator[set[int]]:
    """Let one reaper start; yield the set to which its process id is to be added."""
    with _lock:
        yield _reapers


def kill_orphans(ended: int) -> None:
    """Kill what the `ended` reaper left to this process, and wait until it is gone."""
    until = time.monotonic() + PATIENCE_S
    with _lock:
        _reapers.discard(ended)
    while _adopting:
        with _lock:
            is_late = time.monotonic() > until
            orphans = set(children()) - _reapers - _others
            for orphan in orphans:
                if _is_gone(orphan):
                    _survivors.discard(orphan)
                elif is_late:
                    _survivors.add(orphan)
            # One that is gone may have left us its own children: they are seen at the next look.
            if is_late or orphans <= _survivors:
                return
        # Without the lock, so that other turns can start their reapers meanwhile.
        time.sleep(0.005)


def _is_gone(orphan: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(orphan, signal.SIGKILL)
    try:
        return os.waitpid(orphan, os.WNOHANG)[0] == orphan
    except ChildProcessError:
        return True
