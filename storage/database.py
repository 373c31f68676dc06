"""Open a database by its URL, and write to it in transactions that begin with IMMEDIATE."""

import errno
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase

from storage.errors import (
    BadDatabaseURL,
    DatabaseUnavailable,
    StorageError,
    TemporarilyUnavailable,
)
from storage.mounts import refuse_network_file_system
from storage.shared import SharedDatabase, file_at

BUSY_TIMEOUT_MS = 5_000
OLDEST_SQLITE = (3, 51, 3)
"""Older ones corrupt a database that one process checkpoints while another writes."""


def default_path() -> Path:
    """`tracebot.db` in the user's data directory, wherever the process was started."""
    from platformdirs import user_data_path

    return user_data_path("tracebot", appauthor=False) / "tracebot.db"


def open_database(
    url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> SharedDatabase:
    """The database at a path or a `sqlite:///path` URL, created and migrated where it has to be.

    Each thread gets a connection of its own, at its first query. Raises `StorageError`.
    """
    database = locate(url, busy_timeout_ms=busy_timeout_ms)
    prepare(database)
    return database


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


def prepare(database: SharedDatabase, *, patience: float = 60.0) -> None:
    """Create and migrate `database` where it has to be, and replace it where it is damaged.

    A migration by another process is waited for `patience` seconds. Raises `NewerDatabase`,
    `TemporarilyUnavailable` for what may pass by itself, and `DatabaseUnavailable`.
    """
    path = database.path
    try:
        try:
            database.make(patience=patience)
        except Exception as error:
            # A file that tracebot never had open is some other one, named by mistake.
            if cause_of(error) != "damaged" or not Path(f"{path}.migrating").exists():
                raise
            from storage.recovery import recover  # It opens databases itself.

            recover(database)
    except (OSError, peewee.DatabaseError, peewee.InterfaceError) as error:
        if cause_of(error) in PASSING:
            raise TemporarilyUnavailable(
                f"The database {path} cannot be opened now ({error})."
            ) from error
        raise DatabaseUnavailable(
            f"The database {path} cannot be opened ({error}): check that the folder can be "
            "written, or name another with TRACEBOT_DATABASE_URL."
        ) from error


CAUSES = {
    5: "locked",
    6: "locked",
    8: "read-only",
    10: "I/O error",
    11: "damaged",
    13: "disk full",
    26: "damaged",
}
"""SQLite's result codes, https://sqlite.org/rescode.html, in words."""

ERRNOS = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk full", errno.EIO: "I/O error"}
PASSING = frozenset(("locked", "disk full", "I/O error"))
"""Causes that may pass by themselves, or soon be mended."""

_CODE = re.compile(r"\(code=(\d+)")


def cause_of(error: BaseException) -> str:
    """Why the database failed, in a word or two; the error's own name where that is unknown."""
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return ERRNOS[error.errno]
    code = _CODE.search(str(error))
    known = CAUSES.get(int(code[1])) if code else None
    if known is None and isinstance(error, TemporarilyUnavailable):
        return "locked"
    return known or type(error).__name__


def identity(database: SharedDatabase) -> tuple[int, int] | None:
    """Which file is at the database's path now; None where none is."""
    return file_at(database.path)


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


@contextmanager
def transaction(database: peewee.Database, *, deadline: float = 5.0) -> Iterator[None]:
    """One transaction that may write. Raises the first error, whatever its rollback says.

    Getting in is retried with jitter for `deadline` seconds: fairer between processes than
    SQLite's own busy timeout. Peewee's `atomic` would answer a full disk with "cannot rollback".
    """
    _begin(database, until=time.monotonic() + deadline)
    try:
        yield
        database.commit()
    except BaseException:
        with suppress(Exception):  # SQLite rolls back by itself on a full disk or an I/O error.
            database.rollback()
        raise


LONGEST_WAIT_S = 0.03
"""Between two tries. Trying more often commits sooner, and takes the processor time that spans need
to be seen: see `writers` in docs/performance.md."""


def _begin(database: peewee.Database, *, until: float) -> None:
    wait = 0.001
    while True:
        try:
            database.begin()
            return
        except peewee.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(wait * random.random())
            wait = min(wait * 2, LONGEST_WAIT_S)
