"""Name processes uniquely, and find out whether a named process still runs.

A process id alone is not enough, as the system gives it to a new process later.
"""

import itertools
import os
import socket
from contextlib import suppress
from pathlib import Path

NOBODY = ""
"""The process of a row that was handed over."""

_serial = itertools.count(1)


def this_process() -> str:
    """Return this process's name, `host:pid:start time`."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid) or 0}"


def new_writer() -> str:
    """Return a unique name for a new writer of this process.

    Each writer needs one, as each numbers its batches from 1.
    """
    return f"{this_process()}:{next(_serial)}"


def os_process(name: str) -> str:
    """Return the part of a writer's name that names its process."""
    return ":".join(name.split(":")[:3])


def is_local(process: str) -> bool:
    """Return True for a process of this host, which can be asked whether it runs."""
    return process.split(":")[0] == socket.gethostname()


def is_alive(process: str) -> bool:
    """Return whether the process still runs. On another host, which cannot be asked, it does."""
    host, pid, started = process.split(":")[:3]
    if host != socket.gethostname():
        return True
    try:
        with suppress(PermissionError):  # It runs, as another user.
            os.kill(int(pid), 0)  # Signal 0 only checks that the process exists.
    except ProcessLookupError:
        return False
    now = _started(int(pid))
    return now is None or started in ("0", str(now))


def is_gone(process: str, *, seen_at: int, now: int, unseen_ns: int) -> bool:
    """Return True if nobody works any more on what *process* has stored, or it was handed over.

    A process of another host, such as a container that was replaced, cannot be asked: it counts as
    gone once it was not seen for *unseen_ns*.
    """
    if process == NOBODY or not is_alive(process):
        return True
    return process.split(":")[0] != socket.gethostname() and seen_at < now - unseen_ns


def _started(pid: int) -> int | None:
    """Return when the process started, in clock ticks since the machine did: proc(5), field 22.

    Return None if it does not run, or if the system is not Linux.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
