"""A hostile agent: try to reach what belongs to the bot, and print what could be reached.

    python spy.py {"path": {"label": PATH, …}, "leave": SECONDS}

Nothing is changed: files are opened for writing and closed again, signals are number 0. It is run
as a program of its own, in place of an agent, and imports nothing of ours.
"""

import contextlib
import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

PTRACE_SEIZE = 0x4206


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def can(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, ValueError):
        return False
    return True


def read_byte(pid: int, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read(1)


def trace(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(PTRACE_SEIZE, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def leave_behind(seconds: float) -> int:
    """Start a process that leaves its session and its parent; return its id."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if (child := os.fork()) == 0:
            for stream in (0, 1, 2):
                os.close(stream)
            time.sleep(seconds)
        else:
            os.write(write, str(child).encode())
        os._exit(0)
    os.wait()
    return int(os.read(read, 20))


def main() -> None:
    asked = json.loads(sys.argv[1])
    bot = parent_of(os.getppid())
    reached = {}
    for label, path in asked["paths"].items():
        for verb, mode in (("read", "rb"), ("change", "r+b")):
            reached[f"{verb} {label}"] = can(lambda path=path, mode=mode: open(path, mode).close())
    for label, name in (("environment", "environ"), ("memory", "mem"), ("address space", "maps")):
        reached[f"read the {label} of the bot"] = can(lambda name=name: read_byte(bot, name))
    reached["look at the descriptors of the bot"] = can(lambda: os.readlink(f"/proc/{bot}/fd/0"))
    reached["signal the bot"] = can(lambda: os.kill(bot, 0))
    reached["signal its keeper"] = can(lambda: os.kill(os.getppid(), 0))
    reached["trace the bot"] = can(lambda: trace(bot))
    left = 0
    with contextlib.suppress(OSError):
        left = leave_behind(asked["leave"])
    print(json.dumps({"reached": reached, "left": left, "bot": bot}))  # noqa: T201


if __name__ == "__main__":
    main()
