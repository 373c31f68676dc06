"""A command that has been started, with all that it starts itself."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bot.agents.programs.process import reaper as keeper

KILL_S = 5.0
"""How long a killed process may take to be gone."""


class Child:
    """One command. Where the system has sub-reapers (Linux) a keeper starts it for us.

    `kill` ends whatever the command has started; without a keeper, what is in its process group.
    """

    def __init__(self, process: subprocess.Popen[bytes], report: IO[bytes] | None) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self._process = process
        self._report = report

    @property
    def pid(self) -> int:
        """Of the process that ends last."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all of it, now; the exit code of the command, negative for a signal."""
        self._signal(signal.SIGKILL if self._report is None else signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)
            return
        self._process.kill()
        self._process.wait()

    def exit_code(self) -> int:
        """Of the command, once it has ended; negative for a signal."""
        reported = self._report.read().strip() if self._report is not None else b""
        return int(reported) if reported else self._process.wait()

    def close(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr, self._report):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        # Its process group bears its process id: it leads a session.
        send = os.killpg if self._report is None else os.kill
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(self._process.pid, number)


def start(command: Sequence[str], *, environment: Mapping[str, str], folder: Path | None) -> Child:
    """Start `command` without a shell, in a session of its own. Raises `OSError` if it cannot."""
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment,
        "cwd": folder,
        "start_new_session": True,
    }
    if sys.platform == "linux":
        child = _start_kept(command, options)
        if child is not None:
            return child
    return Child(subprocess.Popen(command, **options), None)


def _start_kept(command: Sequence[str], options: Mapping[str, Any]) -> Child | None:
    """None where the keeper itself cannot be started."""
    read, write = os.pipe()
    kept = (sys.executable, "-I", "-S", keeper.__file__, str(write), *command)
    report = os.fdopen(read, "rb")
    try:
        process = subprocess.Popen(kept, pass_fds=(write,), **options)
    except BaseException as error:
        report.close()
        if isinstance(error, FileNotFoundError) and error.filename == sys.executable:
            return None
        raise
    finally:
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
