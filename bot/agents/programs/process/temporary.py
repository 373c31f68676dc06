"""Make a folder for the temporary files of one turn, and remove it with whatever is in it.

A folder is locked as long as its turn runs. A bot that is killed leaves its folders without locks,
and the next one removes them.
"""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from storage.database.lock_files import lock

PREFIX = "tracebot-turn-"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
YOUNGEST_S = 60.0
"""A younger folder may have been made by another bot a moment ago, and not be locked yet."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder that only its owner can enter."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix=PREFIX)))
    descriptor = os.open(folder, FOLDER)
    try:
        lock(descriptor)
        yield folder
    finally:
        _remove(folder)
        os.close(descriptor)


def remove_left_folders(*, youngest_s: float = YOUNGEST_S) -> None:
    """Remove the folders of turns whose bot was killed. Those of running turns are locked."""
    for folder in Path(os.path.realpath(tempfile.gettempdir())).glob(f"{PREFIX}*"):
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
            _remove(folder)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if os.geteuid() == 0 or not folder.exists():
        return
    # What an agent protected from itself, it protected from us. Nothing of it runs any more.
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
