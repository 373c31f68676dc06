"""Limit which files this process, and all that it starts, can open: Landlock (Linux, landlock(7)).

By ctypes and with few imports, because the reaper waits for them before it starts a command.
"""

from __future__ import annotations

import ctypes
import os
import stat

TYPE_CHECKING = False  # To import `typing` takes the reaper of each turn some milliseconds.
if TYPE_CHECKING:
    from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls, with the same numbers on every architecture that Python runs on."""

ABI_QUESTION, PATH_BENEATH = 1, 1
PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_DEVICES = 1 << 6 | 1 << 11
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = EXECUTE | READ_FILE | READ_DIR
SIGNALS_AND_ABSTRACT_SOCKETS = 0b11

SIGNALS_ABI = 6
"""The first version that keeps signals inside (Linux 6.12)."""

Rule = tuple[str, bool]
"""A real path, and whether writing is allowed, beside reading, there and in all below it."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class RulesetAttributes(ctypes.Structure):
    """struct landlock_ruleset_attr. Older kernels know only its beginning."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class PathAttributes(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the kernel's version of Landlock, 0 if it has none or it is switched off."""
    version: int = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ABI_QUESTION)
    return max(version, 0)


def handled(version: int) -> int:
    """Return the rights that this version can withhold."""
    rights = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if version >= since:
            rights |= right
    return rights


def create_ruleset(rules: Iterable[Rule], *, version: int) -> int:
    """Return the descriptor of a ruleset that allows `rules` and nothing else.

    Paths that do not exist are left out. Raises `OSError`.
    """
    rights = handled(version)
    scoped = SIGNALS_AND_ABSTRACT_SOCKETS if version >= SIGNALS_ABI else 0
    attributes = RulesetAttributes(files=rights, network=0, scoped=scoped)
    size = ctypes.sizeof(attributes) if version >= SIGNALS_ABI else 8
    ruleset = _call(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    for path, writable in rules:
        # No device can be made: through one, root could read the disk below the file system.
        allowed = rights & ~MAKE_DEVICES if writable else READ
        _add_rule(ruleset, path, allowed & rights)
    return ruleset


def _add_rule(ruleset: int, path: str, allowed: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        # Another agent may have put a symbolic link in its place since the path was checked.
        if os.readlink(f"/proc/self/fd/{place}") != path:
            raise OSError(0, f"{path} has changed")
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            allowed &= ON_FILES
        attributes = PathAttributes(allowed=allowed, parent=place)
        _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(attributes), 0)
    finally:
        os.close(place)


def restrict(ruleset: int) -> None:
    """Apply a ruleset to this process for ever. Needs `keep_privileges_from_growing` first."""
    _call(RESTRICT_SELF, ruleset, 0)


def keep_privileges_from_growing() -> None:
    """Let no program that this process starts gain privileges, such as sudo."""
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
