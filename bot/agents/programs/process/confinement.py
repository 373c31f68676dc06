"""Decide what an agent's program may reach on this machine.

What is allowed is listed; everything else is not. Paths that the agents file names are allowed as
a whole, so they must not contain anything private of the bot's. Folders of the system may, and are
then allowed without it.
"""

import os
import pwd
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.agents.programs.process import landlock, seccomp
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.paths import (
    all_names,
    closed_to_others,
    followed,
    hard_link,
    inside,
    real,
    without,
)
from bot.agents.programs.process.restrictions import Restrictions

Isolation = Literal["landlock", "off"]

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
    *("/proc", "/sys", "/nix/store", "/run/current-system", "/gnu/store", "/snap"),
    "/etc/resolv.conf",
)
"""Folders of the system. The last is often a symbolic link to a file elsewhere."""

DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"),
    "/dev/shm",
)
"""Not among them: terminals of other people of the same user, and disks, which root could read."""

PROGRAM = (
    *(Path(__file__).parents[4] / name for name in ("bot", "storage", "reports")),
    *(
        Path(sysconfig.get_path(name))
        for name in ("purelib", "platlib", "scripts", "stdlib", "platstdlib")
    ),
    Path(sys.prefix, "pyvenv.cfg"),
)
"""The bot's own program, the packages that it uses and Python: an agent that may write there could
change what the bot does next.
"""


class ConfinementError(Exception):
    """An agent cannot be confined as configured: the message says why and what to do.

    `key` is the setting of the agents file that is wrong.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A path that an agent may use.

    `key` is the setting that names it. Without one it is `ours`, made for the agent, or a part of
    the system that may contain something private.
    """

    path: Path
    writable: bool = False
    key: str = ""
    ours: bool = False


Places = Sequence[tuple[Opened, Path]]
"""Each path that an agent may use, with its real path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """An agent's confinement as the agents file has it, and the files that it must not reach.

    `read` and `write` are paths that it may use in addition.
    """

    isolation: Isolation = "landlock"
    user: str | None = None
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    network: bool = True
    unix_sockets: bool = False
    private: BotFiles = BotFiles()

    @property
    def is_on(self) -> bool:
        return self.isolation != "off"

    @property
    def has_landlock(self) -> bool:
        """Return True if Landlock limits which files the program can use."""
        return self.is_on and landlock_version() > 0

    def restrictions(self, opened: Iterable[Opened]) -> Restrictions:
        """Return what a program may do that uses `opened`. Raises `ConfinementError`."""
        user = self.identity()
        self._refuse_half_measures()
        if not self.is_on:
            return Restrictions(user=user)
        places = _places([*opened, *self._named()])
        names = all_names(self.private.paths())
        self._refuse_private(places, names)
        return Restrictions(
            version=landlock_version(),
            rules=tuple(self._rules(places, names)),
            confined=True,
            network=self.network,
            unix_sockets=self.unix_sockets,
            user=user,
        )

    def check(self, opened: Iterable[Opened]) -> None:
        """Raise `ConfinementError` if `restrictions` would."""
        self.identity()
        self._refuse_half_measures()
        if self.is_on:
            places = _places([*opened, *self._named()])
            self._refuse_private(places, all_names(self.private.paths()))

    def _refuse_half_measures(self) -> None:
        if not self.network and (not self.is_on or seccomp.machine() is None):
            raise ConfinementError("network", "the network cannot be closed on this machine")

    def variables(self) -> dict[str, str]:
        """Return the variables that a login of `user` would set."""
        if self.user is None:
            return {}
        try:
            entry = pwd.getpwnam(self.user)
        except KeyError:
            return {}
        names = dict.fromkeys(("USER", "LOGNAME"), self.user)
        return {**names, "HOME": entry.pw_dir, "SHELL": entry.pw_shell}

    def _named(self) -> Iterator[Opened]:
        for path in self.read:
            yield Opened(path=path, key="read")
        for path in self.write:
            yield Opened(path=path, writable=True, key="write")

    def _refuse_private(self, places: Places, names: Iterable[Path]) -> None:
        """Refuse paths which the agents file names and that contain something private."""
        for each, place in places:
            if not each.key:
                continue
            found = next((name for name in names if _reaches(each, place, name)), None)
            found = found or hard_link(place, names)
            if each.writable and found is None:
                found = next((path for path in PROGRAM if _overlap(real(path), place)), None)
            if found is not None:
                raise ConfinementError(
                    each.key,
                    f"{each.key} opens {each.path} to the agent, and with it {found}, which "
                    'belongs to the bot: move one of them, or set isolation = "off"',
                )

    def _rules(self, places: Places, names: Iterable[Path]) -> Iterator[landlock.Rule]:
        writable = {place for each, place in places if each.writable}
        whole = {place for each, place in places if each.key or each.ours}
        for folder in {place for _, place in places} - whole:
            whole.update(without(folder, set(names)))
        system = {real(Path(path)) for path in SYSTEM}
        avoided = set(names)
        if self.user is None:
            for folder in (Path("/etc"), *_installations(names, system)):
                avoided.update(closed_to_others(folder, opened={str(path) for path in whole}))
        for folder in system - whole:
            whole.update(without(folder, avoided))
        for path in whole:
            yield str(path), path in writable
        for device in DEVICES:
            yield os.path.realpath(device), True

    def identity(self) -> tuple[int, int, tuple[int, ...]] | None:
        """Return the id of the user to become, its main group and its groups; None for our own.

        Raises `ConfinementError`.
        """
        if self.user is None:
            return None
        try:
            entry = pwd.getpwnam(self.user)
        except KeyError:
            raise ConfinementError(
                "user", f"this machine has no user {self.user}: create it with useradd"
            ) from None
        if sys.platform != "linux" or os.geteuid() not in (0, entry.pw_uid):
            raise ConfinementError(
                "user",
                f"the bot cannot run programs as {self.user}: on Linux it can if it runs as root",
            )
        if os.geteuid() == entry.pw_uid:
            return None
        groups = os.getgrouplist(self.user, entry.pw_gid)
        return entry.pw_uid, entry.pw_gid, tuple(groups)


def landlock_version() -> int:
    """Return the version of the kernel's Landlock, 0 if there is none."""
    return landlock.abi() if sys.platform == "linux" else 0


def _places(opened: Iterable[Opened]) -> Places:
    """Follow links once: what is checked must be what is opened.

    A link in a folder that the agent may write is not followed: an earlier turn can have made it
    lead anywhere. What is in that folder is open as a part of it. Another agent may exchange a
    folder for a link at any moment. If it does so later, then Landlock refuses to open the path,
    see `landlock`.
    """
    found = [(each, *followed(each.path)) for each in opened]
    writable = {place for each, place, _ in found if each.writable}
    places = []
    for each, place, links in found:
        link = next((link for link in links if any(inside(link, own) for own in writable)), None)
        if link is None:
            places.append((each, place))
        elif each.key:
            raise ConfinementError(
                each.key,
                f"{each.key} opens {each.path} to the agent, but the agent may change the link "
                f"{link}, which leads there: name the folder or file that it should lead to",
            )
    return places


def _reaches(opened: Opened, place: Path, name: Path) -> bool:
    """Return True if the agent could use the private `name`, or put a file of its own there."""
    return inside(place, name) or (
        inside(name, place) and (opened.writable or os.path.exists(name))
    )


def _overlap(one: Path, other: Path) -> bool:
    return inside(one, other) or inside(other, one)


def _installations(names: Iterable[Path], system: Iterable[Path]) -> set[Path]:
    """Return the folders in the system's that hold something private, such as `/opt/tracebot`.

    What else is in them, such as backups and the workspaces of other agents, is private too if
    not everybody may read it.
    """
    return {
        folder / name.relative_to(folder).parts[0]
        for folder in system
        for name in names
        if name != folder and inside(name, folder)
    }
