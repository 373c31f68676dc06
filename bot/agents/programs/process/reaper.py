"""A program that starts a command and kills everything that the command leaves behind.

    python -I -S reaper.py DESCRIPTOR COMMAND [ARGUMENT …]

It is the sub-reaper (Linux, prctl(2)) of all that the command forks: when a process ends, its
children become the reaper's, however often they forked and whatever session they made. It kills
them all once the command has ended, on SIGUSR1, and if the process that started the reaper dies.
It passes SIGTERM on to the command's group.

It writes two lines to DESCRIPTOR: an errno, 0 if the command has started, and then the command's
exit code, negative for a signal.

It is a process of its own because a sub-reaper cannot tell an agent's orphans from other children:
the bot, or a program that uses this package, may have some that must live. It imports nothing of
ours, so that it starts quickly.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and that the command must not inherit as ignored."""

WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1}


def main(descriptor: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    # Blocked rather than handled: a signal that arrives before sigwait stays pending, so none is
    # lost between starting the command and waiting for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    os.set_inheritable(descriptor, False)
    try:
        # A group of its own gets SIGTERM as one. As its leader the command cannot start a session.
        started = os.posix_spawnp(
            command[0], command, os.environ, setpgroup=0, setsigmask=(), setsigdef=IGNORED
        )
    except OSError as error:
        os.write(descriptor, f"{error.errno}\n".encode())
        return
    os.write(descriptor, b"0\n")
    _close_pipes()
    status = _kill_all(started, _wait_for(started))
    os.write(descriptor, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _close_pipes() -> None:
    """Let go of the command's pipes, so that the reader of its output sees their end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait_for(started: int) -> int | None:
    """Return the command's status, or None if it is to be killed."""
    while (number := signal.sigwait(WATCHED)) != signal.SIGUSR1:
        if number == signal.SIGTERM:
            _terminate(started)
            continue
        # One SIGCHLD may stand for several children that ended.
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == started:
                return status
            if pid == 0:
                break
    return None


def _terminate(started: int) -> None:
    try:
        os.killpg(started, signal.SIGTERM)
    except OSError:
        # The command has joined another group and left its own empty. If this raised, the reaper
        # would end, and everything that it should kill would live on.
        os.kill(started, signal.SIGTERM)


def _kill_all(started: int, status: int | None) -> int:
    """Kill our children, and theirs as they become ours, until there are none."""
    while True:
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except PermissionError:
                continue  # It runs as another user (setuid): only waiting for it is left.
        try:
            pid, ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status or 0
        if pid == started:
            status = ended


def _children() -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name, in parentheses, may itself contain spaces and parentheses.
                parent = file.read().rpartition(b")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == os.getpid():
            found.append(int(name))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
