"""Name processes uniquely, and find out whether a named process still runs.

A process id alone is not enough: the system gives it to a new process later, and other machines and
containers have the same ids. Nor is the name of the host: containers of one image, and copies of a
virtual machine, share it. So a name also tells when the process started, in which boot of which
machine and which of its namespaces, and has a random part.
"""

import itertools
import os
import socket
from contextlib import suppress
from functools import cache
from hashlib import blake2s
from pathlib import Path

NOBODY = ""
"""The process of a row that was handed over."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""A random number of each boot, see random(4)."""

PID_NAMESPACE = Path("/proc/self/ns/pid")
"""Processes know each other by their ids if they are in the same one: pid_namespaces(7)."""

STATE, STARTED = 0, 19
"""Places in `_stat`: the state as a letter, and the start in clock ticks since the machine's."""

_serial = itertools.count(1)


def this_process() -> str:
    """Return this process's name, `host:pid:identity`.

    The identity is `start time-boot-namespace-random number`.
    """
    return _name(os.getpid())  # Apart for each process, as a forked child has other ones.


@cache
def _name(pid: int) -> str:
    stat = _stat(pid)
    started = "0" if stat is None else stat[STARTED]
    identity = f"{started}-{_boot()}-{_namespace()}-{os.urandom(4).hex()}"
    return f"{socket.gethostname()}:{pid}:{identity}"


def _boot() -> str:
    """Return a short name for this boot of this machine."""
    try:
        return blake2s(BOOT_ID.read_bytes(), digest_size=4).hexdigest()
    except OSError:  # The system is not Linux: the name of the host has to do.
        return ""


def _namespace() -> str:
    try:
        return str(PID_NAMESPACE.stat().st_ino)
    except OSError:
        return ""


def new_writer() -> str:
    """Return a unique name for a new writer of this process.

    Each writer needs one, as each numbers its batches from 1.
    """
    return f"{this_process()}:{next(_serial)}"


def os_process(name: str) -> str:
    """Return the part of a writer's name that names its process."""
    return ":".join(name.split(":")[:3])


def is_local(process: str) -> bool:
    """Return True for a process that can be asked whether it runs, as it shares our process ids."""
    theirs, ours = _Parts(process), _Parts(this_process())
    if theirs.boot is None:  # An earlier version named no more than the host.
        return theirs.host == ours.host
    return (theirs.host, theirs.boot, theirs.namespace) == (ours.host, ours.boot, ours.namespace)


def is_of_earlier_boot(process: str) -> bool:
    """Return True for a process of another boot, which on the same machine is an earlier one."""
    return _Parts(process).boot not in (None, "", _Parts(this_process()).boot)


def is_alive(process: str) -> bool:
    """Return whether the process still runs. If it cannot be asked, as on another host, it does."""
    if not is_local(process):
        return True
    asked = _Parts(process)
    try:
        with suppress(PermissionError):  # It runs, as another user.
            os.kill(asked.pid, 0)  # Signal 0 only checks that the process exists.
    except ProcessLookupError:
        return False
    stat = _stat(asked.pid)
    if stat is None:
        return True
    # One whose parent has not asked yet how it ended is still listed.
    return stat[STATE] not in "ZX" and asked.started in ("0", stat[STARTED])


class _Parts:
    """The parts of a name. `boot` and `namespace` are None in that of an earlier version."""

    def __init__(self, process: str) -> None:
        self.host, pid, identity = process.split(":")[:3]
        self.pid = int(pid)
        self.boot: str | None = None
        self.namespace: str | None = None
        self.started, *rest = identity.split("-")
        if rest:
            self.boot, self.namespace, _ = rest


def _stat(pid: int) -> list[str] | None:
    """Return what Linux tells of a process from its state on, see proc(5).

    Return None if it does not run, or if the system is not Linux.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()
