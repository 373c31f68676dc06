"""Which process this is, in words that no later one repeats, and whether another still runs."""

import itertools
import os
import socket
from pathlib import Path

_serial = itertools.count(1)


def this_process() -> str:
    """`host:pid:start time`."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid) or 0}"


def new_writer() -> str:
    """A name for one more writer of this process: each counts its batches from 1."""
    return f"{this_process()}:{next(_serial)}"


def is_alive(process: str) -> bool:
    """Whether it runs; one of another host, which cannot be asked, is taken to."""
    host, pid, started = process.split(":")[:3]
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = _started(int(pid))
    return now is None or started in ("0", str(now))


def _started(pid: int) -> int | None:
    """Clock ticks between the machine's start and the process's: Linux, proc(5), field 22."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
