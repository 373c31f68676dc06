"""Open a database: create it, migrate it, and replace it if it is damaged."""

from pathlib import Path

import peewee

from storage.database.connect import BUSY_TIMEOUT_MS, locate
from storage.database.error_causes import DAMAGED, TRANSIENT, cause_of
from storage.database.shared_file import SharedDatabase
from storage.errors import DatabaseUnavailable, TemporarilyUnavailable
from storage.recovery.replacement import recover


def open_database(
    url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> SharedDatabase:
    """Open the database at a path or `sqlite:///` URL, and create or migrate it if necessary.

    Each thread connects at its first query. Raises `StorageError`.
    """
    database = locate(url, busy_timeout_ms=busy_timeout_ms)
    prepare(database)
    return database


def prepare(database: SharedDatabase, *, patience: float = 60.0) -> None:
    """Create or migrate `database` if necessary, and replace it if it is damaged.

    Wait at most `patience` seconds for another process that migrates. Raises `NewerDatabase`,
    `TemporarilyUnavailable` if the same call can succeed later, or `DatabaseUnavailable`.
    """
    path = database.path
    try:
        try:
            database.create(patience=patience)
        except Exception as error:
            # Without the lock file of migrations, tracebot never opened this file: it is not a
            # damaged database but some other file, named by mistake, and must not be moved.
            if cause_of(error) != DAMAGED or not Path(f"{path}.migrating").exists():
                raise
            recover(database)
    except (OSError, peewee.DatabaseError, peewee.InterfaceError) as error:
        if cause_of(error) in TRANSIENT:
            raise TemporarilyUnavailable(
                f"The database {path} cannot be opened now ({error}): try again later."
            ) from error
        raise DatabaseUnavailable(
            f"The database {path} cannot be opened ({error}): check that its folder can be "
            "written, or set TRACEBOT_DATABASE_URL to another file."
        ) from error
