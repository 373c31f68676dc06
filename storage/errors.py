"""What can go wrong with the database, in one sentence each.

StorageError
├── BadDatabaseURL
├── NetworkFileSystem
├── NewerDatabase
├── BackupError
├── QueryTimeout
└── DatabaseUnavailable
    └── TemporarilyUnavailable
"""


class StorageError(Exception):
    """The database cannot serve; the message says why and what to do."""


class BadDatabaseURL(StorageError):
    """The words do not name a database that tracebot can open."""


class NetworkFileSystem(StorageError):
    """SQLite's write-ahead log needs shared memory, which network file systems lack."""


class NewerDatabase(StorageError):
    """A newer tracebot has changed the tables; this one would misread them."""


class BackupError(StorageError):
    """The copy cannot be made, is not whole, or cannot take the database's place."""


class QueryTimeout(StorageError):
    """A question was not answered in its time."""


class DatabaseUnavailable(StorageError):
    """The database cannot be opened, or is busy past every retry."""


class TemporarilyUnavailable(DatabaseUnavailable):
    """The database is locked, full or being migrated: what is recorded waits in the spool."""
