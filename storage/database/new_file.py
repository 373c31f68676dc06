"""Create the file of a database, private to its user, and set an old one aside."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.database.driver import Connection
from storage.database.file_check import APPLICATION_ID, address, opening
from storage.database.lock_files import locked
from storage.database.private_file import open_private


def create_private(path: Path) -> None:
    # The file is opened without SQLite only while it is missing: closing a descriptor of a database
    # drops every lock that SQLite holds on it in this process.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _has_content(path):
        with locked(opening(path)):
            if not path.exists():
                # A write-ahead log that lost its database belongs to another one. SQLite would
                # replay it into the new file.
                set_aside(path, word="orphan")
                os.close(open_private(path, os.O_RDWR))
            if not _has_content(path):
                _write_header(path)
    found = path.stat()
    if sys.platform != "win32" and found.st_mode & 0o077 and found.st_uid == os.geteuid():
        path.chmod(0o600)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _write_header(path: Path) -> None:
    """Make a new database able to shrink, mark it as ours, and turn on its write-ahead log.

    SQLite takes `auto_vacuum` only before the first table. The log comes last, so that the mark is
    in the file itself. The caller holds the lock `opening` alone: several processes may create the
    database at once, and this connection does not wait for SQLite's locks.
    """
    connection = Connection(address(path, mode="rwc"), uri=True)
    try:
        connection.pragma("auto_vacuum", "incremental")
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("journal_mode", "wal")
    finally:
        connection.close()


def set_aside(path: Path, *, word: str) -> Path | None:
    """Rename the database and its log to `NAME.WORD-TIME`, and return the new path.

    Return None if there was nothing to rename. The caller holds the lock `opening` alone. SQLite
    does not touch a log whose database has moved, so the renamed files stay as they are.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = path.with_name(f"{path.name}.{word}-{stamp}")
    moved = False
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
            moved = True
    return aside if moved else None
