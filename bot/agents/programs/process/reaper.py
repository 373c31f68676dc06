"""Run as a program: starts a command, and leaves nothing of it behind.

    python -I -S keeper.py DESCRIPTOR COMMAND [ARGUMENT …]

What the command forks comes to us when its parent ends, however often it forked and whatever
session it made for itself: we are its sub-reaper (Linux, prctl(2)). When the command has ended, on
SIGUSR1, or when who started us is gone, all of it is killed. SIGTERM goes on to the command's
group. Two lines are written to DESCRIPTOR: an errno, 0 when the command has started, and its exit
code, negative for a signal.

It is a process of its own so that whoever starts agents may have other children too. It imports
nothing of ours: it is to start quickly.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""By Python, and not to be by the command."""
WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1}


def main(descriptor: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    os.set_inheritable(descriptor, False)
    try:
        # As the leader of its group it cannot leave it.
        started = os.posix_spawnp(
            command[0], command, os.environ, setpgroup=0, setsigmask=(), setsigdef=IGNORED
        )
    except OSError as error:
        os.write(descriptor, f"{error.errno}\n".encode())
        return
    os.write(descriptor, b"0\n")
    _let_go_of_its_pipes()
    status = _kill_all(started, _wait_for(started))
    os.write(descriptor, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _let_go_of_its_pipes() -> None:
    """So that who reads the command's output sees its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait_for(started: int) -> int | None:
    """The command's status; None when it is to be killed."""
    while (number := signal.sigwait(WATCHED)) != signal.SIGUSR1:
        if number == signal.SIGTERM:
            os.killpg(started, signal.SIGTERM)
            continue
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == started:
                return status
            if pid == 0:
                break
    return None


def _kill_all(started: int, status: int | None) -> int:
    """Kill our children, and theirs as they come to us, until there are none."""
    while True:
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except PermissionError:
                continue  # It has become somebody else, and can only be waited for.
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
                parent = file.read().rpartition(b")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == os.getpid():
            found.append(int(name))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
