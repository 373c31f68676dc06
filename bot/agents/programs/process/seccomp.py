"""Refuse system calls that Landlock does not cover, by a filter that children inherit (seccomp(2)).

By ctypes and with few imports, because the reaper waits for them before it starts a command.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

TYPE_CHECKING = False  # To import `typing` takes the reaper of each turn some milliseconds.
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SET_MODE_FILTER, NEW_LISTENER = 1, 8
ALLOW, ASK, REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000
LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
"""Instructions of classic BPF: load a word, mask it, jump if equal or at least, return."""

NUMBER, ARCHITECTURE = 0, 4
FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT = 16, 24, 32
"""Offsets in struct seccomp_data; the low half of an argument comes first (little endian)."""

SET_USER_ID = 0o4000
ACCESS_MODE, TRUNCATE = 0o3, 0o1000
"""Of the flags of open(2)."""
AF_UNIX, SOCK_STREAM, SOCK_SEQPACKET, SOCK_TYPE = 1, 1, 5, 0xF
X32 = 0x40000000
"""From here on x86-64 counts system calls of its variant with short pointers."""


class Machine:
    """The kernel's number of an architecture, and its numbers of system calls.

    `opens` are those that open a file, with the place of their flags.
    """

    io_uring_setup, openat2 = 425, 437
    mounting = (428, 429, 430, 431, 432, 433, 442, 467)
    """open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr, open_tree_attr."""

    def __init__(
        self,
        *,
        audit: int,
        seccomp: int,
        socket: int,
        socketpair: int,
        prlimit: int,
        truncate: int,
        opens: Mapping[int, int],
        ioctl: int,
        xattrs: Iterable[int],
        changes: Mapping[int, str],
    ) -> None:
        self.audit, self.seccomp, self.socket, self.socketpair = audit, seccomp, socket, socketpair
        self.prlimit, self.truncate, self.changes = prlimit, truncate, changes
        self.opens, self.ioctl = opens, ioctl
        # Newer ones have the same numbers everywhere: setxattrat, removexattrat, file_setattr.
        self.xattrs = (*xattrs, 463, 466, 469)


def _later_machine(audit: int) -> Machine:
    """Return an architecture that shares its numbers with all that came after x86-64."""
    return Machine(
        audit=audit,
        seccomp=277,
        socket=198,
        socketpair=199,
        prlimit=261,
        truncate=45,
        opens={56: THIRD_ARGUMENT},
        ioctl=29,
        xattrs=(5, 6, 7, 14, 15, 16),
        changes={
            52: "fchmod",
            53: "fchmodat",
            452: "fchmodat2",
            54: "fchownat",
            55: "fchown",
        },
    )


CHANGES = {
    90: "chmod",
    91: "fchmod",
    92: "chown",
    93: "fchown",
    94: "lchown",
    268: "fchmodat",
    452: "fchmodat2",
    260: "fchownat",
}
MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(
        audit=0xC000003E,
        seccomp=317,
        socket=41,
        socketpair=53,
        prlimit=302,
        truncate=76,
        opens={2: SECOND_ARGUMENT, 257: THIRD_ARGUMENT},
        ioctl=16,
        xattrs=(188, 189, 190, 197, 198, 199),
        changes=CHANGES,
    ),
    "aarch64": _later_machine(0xC00000B7),
    "riscv64": _later_machine(0xC00000F3),
}
"""Keys are those of uname(2)."""


FLAGS = (
    *(0x40086602, 0x40046602, 0x401C5820),  # FS_IOC_SETFLAGS, of 64 and 32 bits, FS_IOC_FSSETXATTR
    *(0x40087602, 0x40047602, 0x40086604, 0x40046604),  # FS_IOC_SETVERSION, EXT4_IOC_SETVERSION
    *(0x40806685, 0x800C6613),  # FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY
    # Of btrfs: SNAP_CREATE, SUBVOL_CREATE, both _V2, SNAP_DESTROY, its _V2, SUBVOL_SETFLAGS.
    *(0x50009401, 0x5000940E, 0x50009417, 0x50009418, 0x5000940F, 0x5000943F, 0x4008941A),
)
"""Requests of ioctl(2) that change a file or a folder by a descriptor that can only read it."""


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def machine() -> Machine | None:
    """Return the architecture of this process, None if filters for it are not known."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return None
    return MACHINES.get(os.uname().machine)


Instruction = tuple[int, int, int, int]
"""A code, how many instructions to skip if its test holds and if not, and a constant."""


def install(*, network: bool, unix_sockets: bool, version: int, asking: bool) -> int | None:
    """Refuse to this process, for ever: sockets, and what gets around Landlock of this version.

    If `asking`, return a descriptor at which `metadata` answers whether modes and owners of files
    may be changed. Raises `OSError`, also if the network cannot be closed on this architecture.
    """
    known = machine()
    if known is None:
        if not network:
            raise OSError(errno.ENOSYS, f"the network cannot be closed on {os.uname().machine}")
        return None
    code = [
        *_instructions(known, network=network, unix_sockets=unix_sockets, version=version),
        *_changes(known, asking=asking),
        _allow(),
    ]
    packed = b"".join(struct.pack("=HBBI", *each) for each in code)
    program = Program(length=len(code), instructions=packed)
    libc = ctypes.CDLL(None, use_errno=True)
    flags = NEW_LISTENER if asking else 0
    result: int = libc.syscall(known.seccomp, SET_MODE_FILTER, flags, ctypes.byref(program))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
    return result if asking else None


def _instructions(
    machine: Machine, *, network: bool, unix_sockets: bool, version: int
) -> Iterator[Instruction]:
    """Yield the beginning of the filter's program, which refuses."""
    # Programs for another architecture would have other numbers for the same system calls.
    yield _load(ARCHITECTURE)
    yield (EQUAL, 1, 0, machine.audit)
    yield _refuse(errno.ENOSYS)
    yield _load(NUMBER)
    if machine.audit == MACHINES["x86_64"].audit:
        yield (AT_LEAST, 0, 1, X32)
        yield _refuse(errno.ENOSYS)
    # io_uring opens sockets without the system call socket.
    yield from _when(machine.io_uring_setup, _refuse(errno.ENOSYS))
    if not network:
        yield from _when(machine.socket, _refuse(errno.EACCES))
    elif not unix_sockets:
        refuse_unix = (_load(FIRST_ARGUMENT), (EQUAL, 0, 1, AF_UNIX), _refuse(errno.EACCES))
        yield from _when(machine.socket, *refuse_unix, _allow())
    if not (network and unix_sockets):
        yield from _when(machine.socketpair, *_only_connected(errno.EACCES))
    # A limit on the processor time of the bot would kill it. 0 stands for the caller itself.
    own = (_load(FIRST_ARGUMENT), (EQUAL, 1, 0, 0), _refuse(errno.EPERM))
    yield from _when(machine.prlimit, *own, _allow())
    yield from _openings(machine, version=version)
    # In a user namespace of its own an agent may mount. Landlock refuses mount(2), but does not see
    # an overlay that is made in steps, for which the kernel itself writes in any folder.
    for number in machine.mounting:
        yield from _when(number, _refuse(errno.EPERM))
    flags = [each for request in FLAGS for each in _if_equal(request, _refuse(errno.EOPNOTSUPP))]
    yield from _when(machine.ioctl, _load(SECOND_ARGUMENT), *flags, _allow())
    # An access control list is such an attribute.
    for number in machine.xattrs:
        yield from _when(number, _refuse(errno.EOPNOTSUPP))


def _openings(machine: Machine, *, version: int) -> Iterator[Instruction]:
    """Yield what refuses to open files in ways in which Landlock of this version sees no writing.

    The kernel empties a file that is opened with O_TRUNC also if it is opened for reading or, with
    both bits of the mode set, for neither. A device that is opened so obeys ioctl(2).
    """
    refuse = _refuse(errno.EACCES)
    if version < TRUNCATE_ABI:
        yield from _when(machine.truncate, refuse)
    if version < IOCTL_ABI:
        for number, offset in machine.opens.items():
            flags = (_load(offset), (AND, 0, 0, ACCESS_MODE | TRUNCATE))
            refused = (TRUNCATE, ACCESS_MODE, ACCESS_MODE | TRUNCATE)
            modes = [each for mode in refused for each in _if_equal(mode, refuse)]
            yield from _when(number, *flags, *modes, _allow())
        # Its flags are in memory, which a filter does not see. Programs then call openat.
        yield from _when(machine.openat2, _refuse(errno.ENOSYS))


def _changes(machine: Machine, *, asking: bool) -> Iterator[Instruction]:
    """Yield what is done about changes of modes and owners: no file becomes set-user-id."""
    for number, name in machine.changes.items():
        if asking:
            yield from _when(number, (RETURN, 0, 0, ASK))
        elif "chmod" in name:
            mode = _load(THIRD_ARGUMENT if "at" in name else SECOND_ARGUMENT)
            plain = (mode, (AND, 0, 0, SET_USER_ID), (EQUAL, 1, 0, 0), _refuse(errno.EPERM))
            yield from _when(number, *plain, _allow())


TRUNCATE_ABI, IOCTL_ABI = 3, 5
"""The first versions of Landlock that keep files from being emptied by their path or without
writing (Linux 6.2), and devices from being changed by ioctl(2) (6.10)."""


def _when(number: int, *then: Instruction) -> Iterator[Instruction]:
    """Yield instructions that do `then`, which returns, if it is this system call."""
    yield (EQUAL, 0, len(then), number)
    yield from then


def _if_equal(value: int, then: Instruction) -> tuple[Instruction, Instruction]:
    return (EQUAL, 0, 1, value), then


def _only_connected(error: int) -> tuple[Instruction, ...]:
    """Return instructions that allow pairs which stay connected to each other.

    A pair of datagram sockets can be connected to, or send to, any other socket.
    """
    return (
        _load(SECOND_ARGUMENT),
        (AND, 0, 0, SOCK_TYPE),
        (EQUAL, 2, 0, SOCK_STREAM),
        (EQUAL, 1, 0, SOCK_SEQPACKET),
        _refuse(error),
        _allow(),
    )


def _load(offset: int) -> Instruction:
    return (LOAD, 0, 0, offset)


def _refuse(error: int) -> Instruction:
    return (RETURN, 0, 0, REFUSE | error)


def _allow() -> Instruction:
    return (RETURN, 0, 0, ALLOW)
