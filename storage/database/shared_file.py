"""A SQLite file that several processes have open, and that one of them may replace."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.database.fork_safety import SqliteDatabase
from storage.database.lock_files import locked
from storage.database.migrations import migrate

File = tuple[int, int]
"""Device and inode."""


class SharedDatabase(SqliteDatabase):
    """Goes on with the file that is at its path, when that is another one than it has open.

    `storage.recovery.replacement` and `backup` rename the file. They hold SQLite's write lock, so
    no commit is under way, and the lock `opening` alone, so that nobody opens half of the old
    files and half of the new. Others find out by the inode, before a query and once a transaction
    has begun.
    """

    def __init__(self, path: str | Path, **options: Any) -> None:
        super().__init__(str(path), **options)
        self.path = Path(path)

        self._ready: File | None = None
        """The file whose tables are known to be there."""

    @property
    def file(self) -> File | None:
        """The file that this thread opened last."""
        opened: File | None = getattr(self._state, "file", None)
        return opened

    def create(self, *, patience: float = 60.0) -> None:
        """Make the file where there is none, and bring its tables up to date."""
        self._state.creating = True
        try:
            _create_private(self.path)
            migrate(self, patience=patience)
            self._ready = self.file
        finally:
            self._state.creating = False

    def cursor(self, named_cursor: object = None) -> Any:
        self._follow()
        return super().cursor(named_cursor)

    def begin(self, lock_type: str | None = None) -> None:
        self._follow()
        super().begin(lock_type)
        while self.file != file_at(self.path):  # Replaced while this one waited for its turn.
            self.rollback()
            self._follow()
            super().begin(lock_type)

    def _connect(self) -> Any:
        with locked(opening(self.path), shared=True):
            self._state.file = file_at(self.path)  # Known also when it is no database.
            connection = super()._connect()
            self._state.file = file_at(self.path)  # It may have been made just now.
        self._ready = self._ready or self.file
        return connection

    def _set_pragmas(self, conn: Any) -> None:
        # Before the first table, and never again: it writes, and would keep readers from opening
        # a database on a full disk.
        if not self.path.exists() or not self.path.stat().st_size:
            conn.pragma("auto_vacuum", "incremental")
        super()._set_pragmas(conn)

    def _follow(self) -> None:
        if getattr(self._state, "creating", False):
            return
        if not self.is_closed() and self._state.conn.in_transaction:
            return
        here = file_at(self.path)
        if here == (self._ready or here) and (self.is_closed() or here == self.file):
            return
        if not self.is_closed():
            self.close()
        self.create()


def file_at(path: Path) -> File | None:
    """Which file is at `path` now, None where none is: a stat, never an open."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def opening(path: Path) -> Path:
    """The lock that is held shared to open the database, and alone to rename its files."""
    return path.with_name(f"{path.name}.opening")


def _create_private(path: Path) -> None:
    # Before any connection is, and never opened by us again: closing a descriptor of a database
    # drops every SQLite lock that the process has on it.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with locked(opening(path)):
            if not path.exists():
                set_aside(path, word="orphan")  # A log without its database is not of this one.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def set_aside(path: Path, *, word: str) -> Path | None:
    """Rename the database and its log to a dated name, the lock `opening` being held; which.

    None where there was nothing. SQLite leaves a log alone whose database has moved.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = path.with_name(f"{path.name}.{word}-{stamp}")
    moved = False
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
            moved = True
    return aside if moved else None
