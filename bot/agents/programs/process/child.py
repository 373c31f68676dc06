"""Start a command, with everything that it starts itself."""

import contextlib
import errno
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bot.agents.programs.process.orphans import kill_orphans, starting
from bot.agents.programs.process.restrictions import Restrictions

KILL_S = 5.0
"""Seconds that a killed process may take to be gone."""

REAPER = (
    f"import sys; sys.path.append({str(Path(__file__).parents[4])!r}); "
    "from bot.agents.programs.process.reaper import start; start()"
)


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
        try:
            self._process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            # The reaper waits for a process that cannot be killed, such as one in a system call
            # that does not return. The answer should not wait for it, too.
            self._process.kill()
            self._process.wait()
        # A reaper leaves nothing, unless it was killed itself.
        kill_orphans(self.pid)

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
        if self._report is not None:
            # A reaper is signalled alone: it has to live on to kill the others. The agent may have
            # stopped it.
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            return
        # The command leads a session, so its group has its process id. Until it is waited for, its
        # id cannot be reused.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None,
    restrictions: Restrictions,
) -> Child:
    """Start `command` without a shell, in its own session. Raise `OSError` if it cannot start.

    `restrictions` are for Linux.
    """
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment,
        "cwd": folder,
        "start_new_session": True,
    }
    if sys.platform == "linux":
        return _start_with_reaper(command, options, restrictions)
    return Child(subprocess.Popen(command, **options), None)


def _start_with_reaper(
    command: Sequence[str], options: Mapping[str, Any], restrictions: Restrictions
) -> Child:
    read, write = os.pipe()
    report = os.fdopen(read, "rb")
    plan = os.memfd_create("restrictions")
    try:
        os.write(plan, marshal.dumps(restrictions.as_dict()))
        os.lseek(plan, 0, os.SEEK_SET)
        numbers = map(str, (os.getpid(), write, plan))
        reaper = (sys.executable, "-I", "-S", "-c", REAPER, *numbers, *command)
        with starting() as reapers:
            process = subprocess.Popen(reaper, pass_fds=(write, plan), **options)
            reapers.add(process.pid)
    except BaseException:
        report.close()
        raise
    finally:
        # Only the reaper may hold the write end: else its death would not end the report.
        os.close(write)
        os.close(plan)
    child = Child(process, report)
    started = report.readline().decode(errors="replace").strip()
    if started == "0":
        return child
    child.kill()
    child.close()
    number, _, reason = started.partition(" ")
    raise OSError(int(number or errno.EIO), reason or "its reaper ended", command[0])
