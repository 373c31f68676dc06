"""Find out what a path really names: through symbolic links, bind mounts and hard links."""

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
MOST_LINKS = 40
"""The kernel follows no more for one path (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo, see proc(5): the folder `root` of `device` is shown at `point`."""

    device: str
    root: Path
    point: Path


def real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def followed(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the real path, and the real paths of the symbolic links that lead to it.

    Both from one walk: an agent may exchange a link between two.
    """
    place, links = Path("/"), list[Path]()
    names = [*reversed(path.absolute().parts[1:])]
    while names:
        name = names.pop()
        if name == "..":
            place = place.parent
            continue
        here = place / name
        try:
            target = Path(os.readlink(here) if len(links) < MOST_LINKS else here)
        except OSError:  # It is no link, or there is nothing.
            target = here
        if target == here:
            place = here
            continue
        links.append(here)
        place = Path("/") if target.is_absolute() else place
        names += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return place, tuple(links)


def inside(path: Path, folder: Path) -> bool:
    """Return True if `path` is `folder` or below it. Both must be real paths."""
    # Not is_relative_to: this is asked thousands of times for one agent, and strings are faster.
    return path == folder or str(path).startswith(f"{str(folder).rstrip('/')}/")


def all_names(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return all real paths at which these files and folders, or parts of them, can be reached."""
    mounts = list(_mounts())
    return tuple(dict.fromkeys(name for path in paths for name in _names(real(path), mounts)))


def _names(place: Path, mounts: Sequence[Mount]) -> Iterator[Path]:
    yield place
    holding = [mount for mount in mounts if inside(place, mount.point)]
    if not holding:
        return
    # The deepest mount point holds it; of several at one point, the one that was mounted last.
    holder = max(reversed(holding), key=lambda mount: len(mount.point.parts))
    within = holder.root / place.relative_to(holder.point)
    for mount in mounts:
        if mount.device != holder.device:
            continue
        if inside(within, mount.root):
            yield mount.point / within.relative_to(mount.root)
        elif inside(mount.root, within):
            yield mount.point


def _mounts() -> Iterator[Mount]:
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, device, root, point, *_ = line.split(b" ")
        yield Mount(device=device.decode(), root=_unescaped(root), point=_unescaped(point))


def _unescaped(field: bytes) -> Path:
    """Return a path in which mountinfo writes spaces and the like as three octal digits."""
    return Path(os.fsdecode(field.decode("unicode_escape").encode("latin-1")))


def hard_link(folder: Path, files: Iterable[Path]) -> Path | None:
    """Return another name of one of the `files` within `folder`, or None.

    Walks the folder, but only if one of the files has several names.
    """
    wanted = {_identity(file, least_links=2) for file in files} - {None}
    if not wanted:
        return None
    return next((path for path in files_within(folder) if _identity(path) in wanted), None)


def files_within(folder: Path) -> Iterator[Path]:
    """Yield all that is in a folder at any depth, except folders.

    `os.walk` calls itself for each level, and an agent can make thousands of them.
    """
    left = [folder]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))
                else:
                    yield Path(entry.path)


def _identity(path: Path, *, least_links: int = 1) -> tuple[int, int] | None:
    """Return the device and inode of a file with at least so many names, else None."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_nlink >= least_links:
            return status.st_dev, status.st_ino
    return None


def without(folder: Path, avoided: Set[Path]) -> Iterator[Path]:
    """Yield real paths that together are `folder` without the `avoided` files and folders.

    Landlock cannot take a path out of an allowed folder. Its neighbours are allowed one by one.
    Each is looked up in a set: an agent can make thousands of files to avoid, however deep.
    """
    if not avoided.isdisjoint(folder.parents):
        return
    above = set[Path]()
    for each in avoided:
        for parent in each.parents:
            if parent in above:
                break
            above.add(parent)
    left = [folder]
    while left:
        place = left.pop()
        if place in avoided:
            continue
        if place not in above:
            yield place
            continue
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            left += [Path(entry.path) for entry in entries if not entry.is_symlink()]


def closed_to_others(folder: Path, *, opened: Collection[str]) -> Iterator[Path]:
    """Yield what not everybody may read. If the bot may, it is likely to be its own secret.

    What is in the `opened` folders can be read anyway. A folder that cannot be looked at, such as
    one that is too deep for a path, is closed as well.
    """
    left = [str(folder)]
    while left:
        place = left.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    # A file that was just deleted hides none of the others.
                    with contextlib.suppress(FileNotFoundError):
                        if entry.path in opened:
                            continue
                        if not entry.stat(follow_symlinks=False).st_mode & 0o004:
                            yield Path(entry.path)
                        elif entry.is_dir(follow_symlinks=False):
                            left.append(entry.path)
        except OSError:
            yield Path(place)
