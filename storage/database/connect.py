"""Open a database by its URL, and write to it in transactions that begin with IMMEDIATE."""

from pathlib import Path

from playhouse.cysqlite_ext import CySqliteDatabase

from storage.database.filesystem import refuse_network_file_system
from storage.database.shared_file import SharedDatabase
from storage.errors import (
    BadDatabaseURL,
    StorageError,
)

BUSY_TIMEOUT_MS = 5_000
OLDEST_SQLITE = (3, 51, 3)
"""Older ones corrupt a database that one process checkpoints while another writes."""


def default_path() -> Path:
    """`tracebot.db` in the user's data directory, wherever the process was started."""
    from platformdirs import user_data_path

    return user_data_path("tracebot", appauthor=False) / "tracebot.db"


def locate(
    url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> SharedDatabase:
    """The database that `url` names, untouched. Raises `StorageError` for what can be none."""
    path = database_path(url)
    if CySqliteDatabase.server_version < OLDEST_SQLITE:
        version = ".".join(map(str, CySqliteDatabase.server_version))
        raise StorageError(
            f"SQLite {version} can corrupt a shared database: install cysqlite 0.4 or newer."
        )
    refuse_network_file_system(path)
    return connect(path, busy_timeout_ms=busy_timeout_ms)


def connect(
    path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, thread_safe: bool = True
) -> SharedDatabase:
    """A database object for `path`, neither created nor migrated.

    Each thread gets a connection of its own, or with `thread_safe=False` all share one.
    """
    return SharedDatabase(
        path,
        rank_functions=False,
        thread_safe=thread_safe,
        timeout=busy_timeout_ms / 1000,
        lock_type="IMMEDIATE",
        pragmas={
            "journal_mode": "wal",
            "synchronous": "normal",
            "foreign_keys": "on",
            "cache_size": -64_000,
            "wal_autocheckpoint": 10_000,
            "journal_size_limit": 64_000_000,
        },
    )


def database_path(url: str | Path | None) -> Path:
    """Where the file is. Raises `BadDatabaseURL` for what is no SQLite file."""
    if url is None or url == "":
        return default_path()
    text = str(url)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text).expanduser().absolute()
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return Path(rest[1:]).expanduser().absolute()
    raise BadDatabaseURL(
        f"{scheme}:// is no database that tracebot opens: give a file's path or sqlite:///PATH."
    )
