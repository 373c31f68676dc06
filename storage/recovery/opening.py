"""Open a database: create it, migrate it, and replace it if it is damaged."""

import os
from pathlib import Path

import peewee

from storage.database.base import Database
from storage.database.connect import BUSY_TIMEOUT_MS, locate
from storage.database.error_causes import DAMAGED, cause_of
from storage.database.file_check import is_writable, may
from storage.database.shared_file import SharedDatabase
from storage.errors import DatabaseUnavailable


def open_database(
    url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> Database:
    """Open the database at a path or URL, and create or migrate it if necessary.

    Each thread connects at its first query. Raises `StorageError`.
    """
    database = locate(url, busy_timeout_ms=busy_timeout_ms)
    prepare(database)
    return database


def prepare_existing(database: Database) -> None:
    """Do as `prepare`, but raise `NoDatabase` rather than create the database."""
    database.require()
    prepare(database)


def is_repairable(path: Path) -> bool:
    """Return True if the database at `path` belongs to this user and can be written.

    Nothing else is repaired: not by a user who only looks at it, and not in a place where what is
    left of it can only be read.
    """
    return is_writable(path) and path.stat().st_uid == os.geteuid()


def prepare(database: Database, *, patience: float = 60.0) -> None:
    """Create or migrate `database` if necessary, and replace it if it is damaged.

    Wait at most `patience` seconds for another process that migrates. Raises `NewerDatabase`,
    `NotOurDatabase`, `TemporarilyUnavailable` if the same call can succeed later, or
    `DatabaseUnavailable`.
    """
    path = database.path
    if os.path.exists(path) and not may(path, os.W_OK):
        raise DatabaseUnavailable(
            f"The database {path} cannot be written by this user: check its permissions, and "
            "whether its disk is read-only, or set TRACEBOT_DATABASE_URL to another file."
        )
    try:
        try:
            database.create(patience=patience)
        except Exception as error:
            if cause_of(error) != DAMAGED or not isinstance(database, SharedDatabase):
                raise
            # Here, because every recorded command would wait for what hardly any needs.
            from storage.recovery.replacement import recover

            recover(database)
    except (OSError, peewee.DatabaseError, peewee.InterfaceError) as error:
        raise database.explain(error) from error
