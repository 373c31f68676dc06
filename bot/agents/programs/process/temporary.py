"""Make a folder for the temporary files of one turn, and remove it with whatever is in it.

A folder is locked as long as its turn runs. A bot that is killed leaves its folders without locks,
and the next one removes them.
"""

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from storage.database.lock_files import lock

PREFIX = "tracebot-turn-"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
YOUNGEST_S = 60.0
"""A younger folder may have been made by another bot a moment ago, and not be locked yet."""


class NoTemporaryFolder(Exception):
    """No folder can be made for a turn: the message says why and what to do."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder that only its owner can enter. Raises `NoTemporaryFolder`."""
    try:
        folder = Path(os.path.realpath(tempfile.mkdtemp(prefix=PREFIX)))
    except OSError as error:  # In a container whose disk can only be read, for instance.
        raise NoTemporaryFolder(
            f"a temporary folder cannot be made ({error.strerror}): let the bot write to /tmp, or "
            "set TMPDIR to a folder to which it can"
        ) from error
    descriptor = os.open(folder, FOLDER)
    try:
        lock(descriptor)
        yield folder
    finally:
        _remove(folder, descriptor)
        os.close(descriptor)


def remove_left_folders(*, youngest_s: float = YOUNGEST_S) -> None:
    """Remove the folders of turns whose bot was killed. Those of running turns are locked."""
    try:
        place = Path(os.path.realpath(tempfile.gettempdir()))
    except FileNotFoundError:  # There is none that can be written.
        return
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_left(folder, youngest_s)


def _remove_left(folder: Path, youngest_s: float) -> None:
    # No link is followed: everybody may put one into /tmp.
    descriptor = os.open(folder, FOLDER)
    try:
        found = os.fstat(descriptor)
        # Agents with a `user` own theirs, and only root can start those. An agent can set the
        # modification time of its folder to the future, but not the change time.
        ours = os.geteuid() in (0, found.st_uid)
        if ours and found.st_ctime <= time.time() - youngest_s:
            lock(descriptor, patience=0)
            _remove(folder, descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path, top: int) -> None:
    """Remove a folder, whose descriptor is *top*, as far as possible, however deep it is.

    `shutil.rmtree` calls itself for each level, and the path of a deep folder is longer than the
    kernel takes. So folders within folders are moved up, and each is emptied only once. Nothing of
    the agent runs any more.
    """
    with contextlib.suppress(OSError):
        # What an agent protected from itself, it protected from us.
        os.fchmod(top, 0o700)
        left = _emptied(top, top)
        while left:
            name = left.pop()
            with contextlib.suppress(OSError):
                within = os.open(name, FOLDER, dir_fd=top)
                try:
                    left += _emptied(within, top)
                finally:
                    os.close(within)
                os.rmdir(name, dir_fd=top)
        os.rmdir(folder)


def _emptied(within: int, top: int) -> list[str]:
    """Remove what is in a folder; move the folders in it to the top, and return their names."""
    moved = []
    for name in os.listdir(within):
        with contextlib.suppress(OSError):
            if not stat.S_ISDIR(os.lstat(name, dir_fd=within).st_mode):
                os.unlink(name, dir_fd=within)
                continue
            if os.geteuid() != 0:
                os.chmod(name, 0o700, dir_fd=within)
            new = uuid4().hex
            os.rename(name, new, src_dir_fd=within, dst_dir_fd=top)
            moved.append(new)
    return moved
