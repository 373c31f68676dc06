"""The folders in which agents find the files of a turn. Only the bot's user can enter them."""

import re
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path


class TurnFolder:
    """The folder of one turn. It is created when it is needed.

    May be used from several threads at once.
    """

    def __init__(self, files: Path, trace_id: str) -> None:
        self._files = files
        self._prefix = f"{safe_id(trace_id)}-"
        self._path: Path | None = None
        self._lock = threading.Lock()

    def path(self) -> Path:
        with self._lock:
            if self._path is None:
                make_private(self._files)
                self._path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._files))
            return self._path

    def remove(self) -> None:
        """Remove it if it exists, empty."""
        # It is gone already if the question was deleted, and what is kept of it erased.
        if self._path is not None:
            with suppress(FileNotFoundError):
                self._path.rmdir()


def safe_id(value: object) -> str:
    """Return a file name made of the id alone, whatever characters were sent as an id."""
    return re.sub(r"[^A-Za-z0-9_-]", "", str(value or ""))[:64] or "unnamed"


def make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def delete_old_files(folder: Path, *, before: float) -> int:
    """Delete the files of turns before a time in seconds since the epoch; return how many.

    A turn's folder goes as a whole, once nothing in it has changed since then.
    """
    deleted = 0
    for turn in folder.iterdir() if folder.is_dir() else ():
        # Links are not followed: one that an agent made may lead to files that are not ours.
        is_folder = turn.is_dir() and not turn.is_symlink()
        # An earlier version stored the files of all turns in `folder` itself.
        files = [path for path in turn.rglob("*") if not path.is_dir()] if is_folder else [turn]
        with suppress(FileNotFoundError):  # Another process deletes them, too.
            if max(path.lstat().st_mtime for path in (turn, *files)) < before:
                shutil.rmtree(turn) if is_folder else turn.unlink()
                deleted += len(files)
    return deleted
