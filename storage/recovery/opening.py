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
    """The database at a path or a `sqlite:///path` URL, created and migrated where it has to be.

    Each thread gets a connection of its own, at its first query. Raises `StorageError`.
    """
    database = locate(url, busy_timeout_ms=busy_timeout_ms)
    prepare(database)
    return database


def prepare(database: SharedDatabase, *, patience: float = 60.0) -> None:
    """Create and migrate `database` where it has to be, and replace it where it is damaged.

    A migration by another process is waited for `patience` seconds. Raises `NewerDatabase`,
    `TemporarilyUnavailable` for what may pass by itself, and `DatabaseUnavailable`.
    """
    path = database.path
    try:
        try:
            database.create(patience=patience)
        except Exception as error:
            # A file that tracebot never had open is some other one, named by mistake.
            if cause_of(error) != DAMAGED or not Path(f"{path}.migrating").exists():
                raise

            recover(database)
    except (OSError, peewee.DatabaseError, peewee.InterfaceError) as error:
        if cause_of(error) in TRANSIENT:
            raise TemporarilyUnavailable(
                f"The database {path} cannot be opened now ({error})."
            ) from error
        raise DatabaseUnavailable(
            f"The database {path} cannot be opened ({error}): check that the folder can be "
            "written, or name another with TRACEBOT_DATABASE_URL."
        ) from error
