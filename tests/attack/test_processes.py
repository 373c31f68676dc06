"""A fork bomb: the deadline and Stop reach all of it."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.agents.cancellation import Cancellation
from bot.agents.errors import AgentCancelled, AgentTimeout
from bot.agents.programs.process.confinement import Confinement
from bot.agents.programs.process.supervisor import Limits
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Request

MOST = 300
BOMB = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
count = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
while os.fstat(count).st_size < {MOST}:
    os.write(count, b".")
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
    else:
        time.sleep(0.001)
time.sleep(60)
"""
"""Each process forks on until there are {MOST} births. All leave their sessions and parents."""


def bomb(folder: Path, *, timeout_s: float) -> CommandProvider:
    script = folder / "bomb.py"
    script.write_text(BOMB)
    return CommandProvider(
        agent="bomb",
        command=(sys.executable, "-S", str(script), str(folder / "count")),
        limits=Limits(timeout_s=timeout_s, grace_s=0.2),
        confinement=Confinement(write=(folder,)),
    )


def processes(folder: Path) -> list[int]:
    """Return the processes of the bomb."""
    mark = str(folder / "bomb.py").encode()
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in command.read_bytes():
                found.append(int(command.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def eventually(holds: Callable[[], bool], *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def full(folder: Path) -> bool:
    count = folder / "count"
    return count.exists() and count.stat().st_size >= MOST


def test_stop_ends_a_fork_bomb(tmp_path: Path) -> None:
    cancellation = Cancellation()
    seen: list[int] = []

    def stop() -> None:
        eventually(lambda: full(tmp_path) and len(processes(tmp_path)) > 200)
        seen.extend(processes(tmp_path))
        cancellation.cancel("U1")

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(AgentCancelled):
        bomb(tmp_path, timeout_s=60).answer(Request(prompt="x", cancellation=cancellation))
    stopping.join()
    assert len(seen) > 200
    assert processes(tmp_path) == []


def test_the_deadline_ends_a_fork_bomb_that_is_still_growing(tmp_path: Path) -> None:
    with pytest.raises(AgentTimeout):
        bomb(tmp_path, timeout_s=0.3).answer(Request(prompt="x"))
    assert processes(tmp_path) == []
