"""Errors of the database. Each message says what happened and what to do.

StorageError
├── BadDatabaseURL
├── NetworkFileSystem
├── NewerDatabase
├── OlderDatabase
├── BackupError
├── MoveError
├── QueryTimeout
└── DatabaseUnavailable
    ├── NoDatabase
    ├── NotOurDatabase
    └── TemporarilyUnavailable
"""


class StorageError(Exception):
    """The database cannot be used. The base class of all errors here."""


class BadDatabaseURL(StorageError):
    """The path or URL does not name a database that tracebot can open."""


class NetworkFileSystem(StorageError):
    """The file is on a network file system, which lacks the shared memory that SQLite needs."""


class NewerDatabase(StorageError):
    """The tables were changed by a newer tracebot, which this one could misread."""


class OlderDatabase(StorageError):
    """The tables lack what a newer tracebot added, and the command only reads."""


class BackupError(StorageError):
    """A backup cannot be made, is damaged, or cannot be restored."""


class MoveError(StorageError):
    """A database cannot be moved, or the move stopped; what was copied is kept."""


class QueryTimeout(StorageError):
    """A query was ended because it took too long."""


class DatabaseUnavailable(StorageError):
    """The database cannot be opened."""


class NoDatabase(DatabaseUnavailable):
    """There is no database, and the command creates none."""


class NotOurDatabase(DatabaseUnavailable):
    """The file is not a database of tracebot. It was not touched."""


class TemporarilyUnavailable(DatabaseUnavailable):
    """The database is locked, full or being migrated. What is recorded waits in the spool.

    A program that only records says what `happened`, without the advice.
    """

    def __init__(self, happened: str, advice: str) -> None:
        super().__init__(f"{happened}: {advice}.")
        self.happened = happened
