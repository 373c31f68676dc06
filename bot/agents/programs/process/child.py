"""Start a command, with everything that it starts itself."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bot.agents.programs.process import reaper

KILL_S = 5.0
"""Seconds that a killed process may take to be gone."""


class Child:
    """A command that has been started.

    On Linux a reaper starts it, and `kill` ends whatever the command has started. Elsewhere there
    are no sub-reapers, and `kill` ends its process group.
    """

    def __init__(self, process: subprocess.Popen[bytes], report: IO[bytes] | None) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self._process = process
        self._report = report

    @property
    def pid(self) -> int:
        """Return the id of the process that ends last: the reaper's if there is one."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask the command to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the command and everything that it started, and wait until they are gone."""
        self._signal(signal.SIGKILL if self._report is None else signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)
            return
        # The reaper waits for a process that cannot be killed, such as one in a system call that
        # does not return. The answer should not wait for it, too.
        self._process.kill()
        self._process.wait()

    def exit_code(self) -> int:
        """Return the exit code of the ended command; negative for a signal."""
        reported = self._report.read().strip() if self._report is not None else b""
        return int(reported) if reported else self._process.wait()

    def close(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr, self._report):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        # The command leads a session, so its group has its process id. A reaper is signalled alone:
        # it has to live on to kill the others. Until it is waited for, its id cannot be reused.
        send = os.killpg if self._report is None else os.kill
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(self._process.pid, number)


def start(command: Sequence[str], *, environment: Mapping[str, str], folder: Path | None) -> Child:
    """Start `command` without a shell, in its own session. Raise `OSError` if it cannot start."""
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment,
        "cwd": folder,
        "start_new_session": True,
    }
    if sys.platform == "linux":
        child = _start_with_reaper(command, options)
        if child is not None:
            return child
    return Child(subprocess.Popen(command, **options), None)


def _start_with_reaper(command: Sequence[str], options: Mapping[str, Any]) -> Child | None:
    """Start `command` through a reaper; return None if the reaper itself cannot start."""
    read, write = os.pipe()
    through_reaper = (sys.executable, "-I", "-S", reaper.__file__, str(write), *command)
    report = os.fdopen(read, "rb")
    try:
        process = subprocess.Popen(through_reaper, pass_fds=(write,), **options)
    except BaseException as error:
        report.close()
        if isinstance(error, FileNotFoundError) and error.filename == sys.executable:
            return None
        raise
    finally:
        # Only the reaper may hold the write end: else its death would not end the report.
        os.close(write)
    child = Child(process, report)
    started = report.readline().strip()
    if started == b"0":
        return child
    child.kill()
    child.close()
    if not started:
        return None
    number = int(started)
    raise OSError(number, os.strerror(number), command[0])
