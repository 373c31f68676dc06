"""Read a database without creating or changing anything, also where nothing can be written."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import peewee

from storage.database.base import Database
from storage.database.connect import BUSY_TIMEOUT_MS
from storage.database.driver import NO_CHECKPOINT_ON_CLOSE, Connection
from storage.database.error_causes import CAUSES, KNOWN, NO_TABLES, cause_of
from storage.database.file_check import address, has_log, is_writable, opening, require_ours
from storage.database.lock_files import locked_if_present
from storage.database.migrations import missing
from storage.database.shared_file import SharedDatabase, file_at
from storage.errors import DatabaseUnavailable, OlderDatabase


class ReadOnlyDatabase(SharedDatabase):
    """A database that is only read. It follows the file at its path, but never creates one."""

    def __init__(self, path: Path) -> None:
        pragmas = {"query_only": "on", "cache_size": -64_000}
        super().__init__(
            path, rank_functions=False, timeout=BUSY_TIMEOUT_MS / 1000, pragmas=pragmas
        )

    @property
    def address(self) -> str:
        """The URI for SQLite, by what this user can write.

        Ordinarily SQLite may write, as readers share the index of the log with writers. In a place
        where it cannot, it needs an index that is already there; without one nobody has the
        database open, and it can be read as it is.
        """
        if is_writable(self.path):
            return address(self.path, mode="rw")
        in_use = Path(f"{self.path}-shm").exists() or has_log(self.path)
        return address(self.path, immutable=not in_use)

    def before_pragmas(self, connection: Connection) -> None:
        """Leave a log that an ended process left behind as it is.

        The last connection to close would move it into the database. A log that SQLite creates for
        this connection is removed at its end.
        """
        if Path(f"{self.path}-wal").exists():
            connection.db_config(NO_CHECKPOINT_ON_CLOSE, 1)

    def explain(self, error: Exception) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            f"The database {self.path} cannot be read here ({error}): it has a log, "
            f"{self.path.name}-wal, whose index cannot be created. Copy both to a folder that you "
            "can write."
        )

    @contextmanager
    def _as_error_of_a_query(self) -> Iterator[None]:
        yield  # Whoever reads is shown the errors themselves.

    def _lock_opening(self) -> AbstractContextManager[None]:
        return locked_if_present(opening(self.path))

    def _refuse_other_files(self) -> None:
        require_ours(self.path)
        super()._refuse_other_files()

    def _follow(self) -> None:
        if self.is_closed() or self.connection().in_transaction:
            return
        if file_at(self.path) != self.file:
            self.close()


@contextmanager
def reading(database: Database) -> Iterator[Database]:
    """Open `database` to read it: nothing is created or changed.

    Raises `NoDatabase`, `NotOurDatabase`, `NewerDatabase`, `DatabaseUnavailable`, and
    `OlderDatabase` if the block fails for lack of tables that a migration would add.
    """
    is_file = isinstance(database, SharedDatabase)
    own = ReadOnlyDatabase(database.path) if is_file else database.for_reading()
    try:
        lacks = _missing_migrations(own)
        try:
            yield own
        except (peewee.OperationalError, peewee.ProgrammingError) as error:
            if not lacks or cause_of(error) in KNOWN - {NO_TABLES}:
                raise
            raise OlderDatabase(
                f"The database {own.label} was written by an older tracebot. Run tracebot "
                "checkpoint, which also brings its tables up to date, and try again."
            ) from error
    finally:
        if not own.is_closed():
            own.close()


def _missing_migrations(database: Database) -> set[str]:
    try:
        return missing(database)
    except peewee.OperationalError as error:
        if cause_of(error) in CAUSES.values():
            raise
        raise database.explain(error) from error
