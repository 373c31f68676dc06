"""Change the mode and owner of files for a confined command, where it may write.

Landlock does not limit chmod(2) and chown(2): an agent of the bot's user could close the database
to the bot, or open it to everybody, and one of root could make a program of the system set-user-id:
to be able to read a file is enough for fchmod(2). The kernel asks the reaper instead of carrying
these system calls out (seccomp_unotify(2)), and the reaper does it, or refuses, on a file that it
has opened itself: the agent cannot exchange it in between.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from bot.agents.programs.process import seccomp

TYPE_CHECKING = False  # To import `typing` takes the reaper of each turn some milliseconds.
if TYPE_CHECKING:
    from collections.abc import Sequence

RECEIVE, SEND, IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
"""The requests of ioctl(2) in seccomp_unotify(2)."""
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH = -100, 0x100, 0x1000
PATH_BYTES = 4096
"""The longest path that Linux takes, with its NUL (PATH_MAX)."""
SET_ID = stat.S_ISUID | stat.S_ISGID
PTRACE_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"

_libc = ctypes.CDLL(None, use_errno=True)


class Question(ctypes.Structure):
    """struct seccomp_notif."""

    _fields_ = (
        ("id", ctypes.c_uint64),
        ("pid", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("number", ctypes.c_int32),
        ("architecture", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    )


class Answer(ctypes.Structure):
    """struct seccomp_notif_resp. `error` is 0 or a negative errno."""

    _fields_ = (
        ("id", ctypes.c_uint64),
        ("value", ctypes.c_int64),
        ("error", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    )


def can_answer() -> bool:
    """Return True if this process may read the paths that its children pass to the kernel."""
    if seccomp.machine() is None:
        return False
    try:
        with open(PTRACE_SCOPE, "rb") as file:
            return int(file.read()) < 2 or os.geteuid() == 0
    except OSError:
        return True


def answer_all(listener: int, writable: Sequence[str]) -> None:
    """Answer the kernel's questions until no process is left that could cause one.

    `writable` are the real paths below which a change is allowed.
    """
    while True:
        question = Question()
        if _libc.ioctl(listener, RECEIVE, ctypes.byref(question)):
            # ENOENT: the one that asked was killed in the meantime.
            if ctypes.get_errno() in (errno.ENOENT, errno.EINTR):
                continue
            return
        answer = Answer(id=question.id)
        try:
            _change(listener, question, writable)
        except OSError as error:
            answer.error = -(error.errno or errno.EPERM)
        _libc.ioctl(listener, SEND, ctypes.byref(answer))


def _change(listener: int, question: Question, writable: Sequence[str]) -> None:
    known = seccomp.machine()
    assert known is not None
    name, arguments = known.changes[question.number], list(question.arguments)
    # An int of the command is the low half of an argument.
    if name in ("fchmod", "fchown"):
        descriptor, *values = arguments
        file = _open_descriptor(question.pid, ctypes.c_int(descriptor).value)
    else:
        directory = ctypes.c_int(arguments.pop(0)).value if "at" in name else AT_FDCWD
        address, *values = arguments
        flags = {"fchmodat2": values[1], "fchownat": values[2], "lchown": AT_SYMLINK_NOFOLLOW}
        file = _open(question.pid, directory, address, flags.get(name, 0))
    try:
        # Only now: as long as the question is open, its process id has not been reused.
        if _libc.ioctl(listener, IS_VALID, ctypes.byref(ctypes.c_uint64(question.id))):
            raise OSError(errno.ENOENT, "it has ended")
        place = f"/proc/self/fd/{file}"
        path = os.readlink(place)
        # Pipes and memory have no name, and belong to whoever holds them.
        nameless = not path.startswith("/") or path.startswith("/memfd:")
        if not nameless and not any(
            path == each or path.startswith(f"{each}/") for each in writable
        ):
            raise OSError(errno.EPERM, "it is not its own")
        if "chmod" in name:
            mode = values[0] & 0o7777
            # A shell with the rights of its owner would make everybody on this machine the bot.
            if mode & SET_ID and not stat.S_ISDIR(os.fstat(file).st_mode):
                raise OSError(errno.EPERM, "it would run as somebody else")
            os.chmod(place, mode)
        else:
            os.chown(place, *(ctypes.c_int(value).value for value in values[:2]))
    finally:
        os.close(file)


def _open_descriptor(process: int, descriptor: int) -> int:
    """Return a descriptor of what a process has open."""
    try:
        return os.open(f"/proc/{process}/fd/{descriptor}", os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OSError(errno.EBADF, "not open") from None


def _open(process: int, directory: int, address: int, flags: int) -> int:
    """Return a descriptor of the file that a process names, for its path alone."""
    start = f"/proc/{process}/cwd" if directory == AT_FDCWD else f"/proc/{process}/fd/{directory}"
    path = _text(process, address)
    options = os.O_PATH | os.O_CLOEXEC
    if not path:
        if not flags & AT_EMPTY_PATH:
            raise OSError(errno.ENOENT, "no path")
        return os.open(start, options)
    if flags & AT_SYMLINK_NOFOLLOW:
        options |= os.O_NOFOLLOW
    if path.startswith((b"/proc/self/", b"/proc/thread-self/")):
        path = b"/proc/%d/%s" % (process, path.split(b"/", 3)[3])
    if path.startswith(b"/"):
        return os.open(path, options)
    folder = os.open(start, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.open(path, options, dir_fd=folder)
    finally:
        os.close(folder)


def _text(process: int, address: int) -> bytes:
    """Return the text at an address of a process, up to the NUL that ends it."""
    memory = os.open(f"/proc/{process}/mem", os.O_RDONLY | os.O_CLOEXEC)
    found = b""
    try:
        while b"\0" not in found and len(found) < PATH_BYTES:
            # At most to the end of a page: the next one need not exist.
            here = address + len(found)
            more = os.pread(memory, 4096 - here % 4096, here)
            if not more:
                break
            found += more
    except OSError:
        raise OSError(errno.EFAULT, "no text") from None
    finally:
        os.close(memory)
    text, end, _ = found.partition(b"\0")
    if not end:
        raise OSError(errno.ENAMETOOLONG, "too long")
    return text
