"""A program that starts a command and kills everything that the command leaves behind.

It is the sub-reaper (Linux, prctl(2)) of all that the command forks: when a process ends, its
children become the reaper's, however often they forked and whatever session they made. It kills
them all once the command has ended, on SIGUSR1, and if the process that started the reaper dies.
It passes SIGTERM on to the command's group.

It writes two lines to its report: an errno, 0 if the command has started, with what failed, and
then the command's exit code, negative for a signal.

It is a process of its own because a sub-reaper cannot tell an agent's orphans from other children:
the bot, or a program that uses this package, may have some that must live. It imports little, so
that it starts quickly.
"""

from __future__ import annotations

import _socket
import _thread
import ctypes
import errno
import marshal
import os
import signal
import struct
import sys

from bot.agents.programs.process import metadata
from bot.agents.programs.process.restrictions import Restrictions

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and that the command must not inherit as ignored."""

WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1}


def main(parent: int, report: int, restrictions: Restrictions, command: list[str]) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    if os.getppid() != parent:
        return  # It died before we would have been told.
    # Blocked rather than handled: a signal that arrives before sigwait stays pending, so none is
    # lost between starting the command and waiting for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    started, failure = _start(restrictions, command)
    os.write(report, (failure or b"0") + b"\n")
    if failure:
        return
    _close_pipes()
    status = _kill_all(started, _wait_for(started))
    os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _start(restrictions: Restrictions, command: list[str]) -> tuple[int, bytes]:
    """Start the command; return its process id and, if it did not start, an errno and the reason.

    The restrictions are applied between fork and exec: they hold for the command and not for us.
    """
    # Both ends close at exec, so that reading ends when the command has started.
    reading, writing = os.pipe()
    ours, theirs = _socket.socketpair(_socket.AF_UNIX)
    started = os.fork()
    if started == 0:
        try:
            _become(restrictions, command, theirs)
        except Exception as error:
            number, reason = getattr(error, "errno", None), getattr(error, "strerror", None)
            os.write(writing, f"{number or errno.EPERM} {reason or error}".encode())
        finally:
            # Whatever happened, this copy of the reaper must not go on.
            os._exit(127)
    os.close(writing)
    theirs.close()
    # Waits until the child has sent its listener, or has closed its end without one.
    _, passed, _, _ = ours.recvmsg(1, 64)
    ours.close()
    if passed:
        (listener,) = struct.unpack("i", passed[0][2])
        _thread.start_new_thread(metadata.answer_all, (listener, restrictions.own_folders))
    with os.fdopen(reading, "rb") as pipe:
        failure = pipe.read()
    return started, failure


def _become(restrictions: Restrictions, command: list[str], reaper: _socket.socket) -> None:
    # A group of its own gets SIGTERM as one. As its leader the command cannot start a session.
    os.setpgid(0, 0)
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    candidates = _candidates(command[0])
    # From here on this process may not be able to read its own modules: nothing is imported.
    listener = restrictions.apply()
    if listener is not None:
        packed = struct.pack("i", listener)
        reaper.sendmsg([b"x"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
    # Its copy of our end would keep us waiting for a descriptor.
    reaper.close()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    failure: OSError | None = None
    for path in candidates:
        try:
            os.execv(path, command)
        except (FileNotFoundError, NotADirectoryError) as error:
            failure = failure or error
        except OSError as error:
            failure = error
            if error.errno != errno.EACCES:
                break
    if failure is not None:
        raise failure


def _candidates(program: str) -> list[str]:
    """Return the paths at which execvp(3) looks for a program."""
    if "/" in program:
        return [program]
    return [os.path.join(folder, program) for folder in os.get_exec_path()]


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
        for child in children():
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


def children() -> list[int]:
    """Return the process ids of our children, ended ones that nobody has waited for among them."""
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


def start() -> None:
    """Read what `child.start` wrote: the bot's process id, descriptors, and a command."""
    parent, report, plan = map(int, sys.argv[1:4])
    with os.fdopen(plan, "rb") as file:
        restrictions = Restrictions(**marshal.load(file))
    os.set_inheritable(report, False)
    main(parent, report, restrictions, sys.argv[4:])
