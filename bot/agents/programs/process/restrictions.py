"""Restrict a process that is about to become an agent's command.

`Restrictions` are made by the bot and applied between fork and exec, so that they hold for the
command and all that it starts, and not for the reaper, which has to be able to end it.
"""

from __future__ import annotations

import ctypes
import os

from bot.agents.programs.process import landlock, metadata, seccomp

TYPE_CHECKING = False  # To import `typing` takes the reaper of each turn some milliseconds.
if TYPE_CHECKING:
    from collections.abc import Sequence

PR_CAPBSET_DROP, LAST_CAPABILITY = 24, 63
CAPABILITY_VERSION_3 = 0x20080522
KEPT = (0, 1, 3)
"""Capabilities that root keeps when confined, for files: CHOWN, DAC_OVERRIDE, FOWNER.

Landlock limits which files. The others would lead around it: to the memory of other processes,
the disk below the file system, or the kernel. With FSETID a program could be written that is
set-user-id.
"""


class Restrictions:
    """Limits of what a command may do.

    `rules` are the paths that it may use if `version`, that of Landlock, is not 0. `user` is the
    id, main group and groups of the user that it becomes, None to stay the bot's.
    """

    def __init__(
        self,
        *,
        version: int = 0,
        rules: Sequence[landlock.Rule] = (),
        confined: bool = False,
        network: bool = True,
        unix_sockets: bool = True,
        user: tuple[int, int, Sequence[int]] | None = None,
    ) -> None:
        self.version = version
        self.rules = tuple(rules)
        self.confined = confined
        self.network = network
        self.unix_sockets = unix_sockets
        self.user = user and (user[0], user[1], tuple(user[2]))

    def as_dict(self) -> dict[str, object]:
        """Return the arguments that make the same again."""
        return vars(self).copy()

    @property
    def asking(self) -> bool:
        """Return True if the kernel is to ask whether modes and owners of files may be changed.

        Another user cannot change those of the bot's files anyway.
        """
        return self.confined and self.version > 0 and self.user is None and metadata.can_answer()

    @property
    def own_folders(self) -> tuple[str, ...]:
        """Return the paths that may be written, without devices."""
        return tuple(
            path for path, writable in self.rules if writable and not path.startswith("/dev/")
        )

    def apply(self) -> int | None:
        """Restrict this process for ever. Raises `OSError`, and then it must not go on.

        Return the descriptor for `metadata.answer_all` if `asking`.
        """
        asking = self.asking
        # The rules name paths that only the bot's user may be able to reach: before it changes.
        ruleset = (
            landlock.create_ruleset(self.rules, version=self.version) if self.version else None
        )
        if self.user is not None:
            identity, group, groups = self.user
            os.setgroups(list(groups))
            os.setgid(group)
            os.setuid(identity)
        if not self.confined:
            return None
        if os.geteuid() == 0:
            _drop_capabilities()
        landlock.keep_privileges_from_growing()
        if ruleset is not None:
            landlock.restrict(ruleset)
        return seccomp.install(
            network=self.network,
            unix_sockets=self.unix_sockets,
            version=self.version,
            asking=asking,
        )


def _drop_capabilities() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(LAST_CAPABILITY + 1):
        if capability not in KEPT:
            # Those that the kernel does not know are refused.
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable: the low halves of the three, then the high ones.
    sets = (ctypes.c_uint32 * 6)()
    libc.capget(ctypes.byref(header), ctypes.byref(sets))
    kept = sets[1] & sum(1 << capability for capability in KEPT)
    sets = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    if libc.capset(ctypes.byref(header), ctypes.byref(sets)):
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
