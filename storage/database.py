"""Open a database by its URL, and write to it in transactions that begin with IMMEDIATE."""

import errno
import os
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase

from storage.errors import (
    BadDatabaseURL,
    DatabaseUnavailable,
    NetworkFileSystem,
    StorageError,
    TemporarilyUnavailable,
)
from storage.migrations import migrate

BUSY_TIMEOUT_MS = 5_000
OLDEST_SQLITE = (3, 51, 3)
"""Older ones corrupt a database that one process checkpoints while another writes."""

NETWORK_FILE_SYSTEMS = frozenset(
    ("9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3")
)

_creating = threading.Lock()


def default_path() -> Path:
    """`tracebot.db` in the user's data directory, wherever the process was started."""
    from platformdirs import user_data_path

    return user_data_path("tracebot", appauthor=False) / "tracebot.db"


def open_database(
    url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> CySqliteDatabase:
    """The database at a path or a `sqlite:///path` URL, created and migrated where it has to be.

    Each thread gets a connection of its own, at its first query. Raises `StorageError`.
    """
    database = locate(url, busy_timeout_ms=busy_timeout_ms)
    prepare(database)
    return database


def locate(
    url: str | Path | None = None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> CySqliteDatabase:
    """The database that `url` names, untouched. Raises `StorageError` for what can be none."""
    path = database_path(url)
    if CySqliteDatabase.server_version < OLDEST_SQLITE:
        version = ".".join(map(str, CySqliteDatabase.server_version))
        raise StorageError(
            f"SQLite {version} can corrupt a shared database: install cysqlite 0.4 or newer."
        )
    refuse_network_file_system(path)
    return connect(path, busy_timeout_ms=busy_timeout_ms)


def prepare(database: peewee.Database, *, patience: float = 60.0) -> None:
    """Create and migrate `database` where it has to be.

    A migration by another process is waited for `patience` seconds. Raises `NewerDatabase`,
    `TemporarilyUnavailable` for what may pass by itself, and `DatabaseUnavailable`.
    """
    path = Path(database.database)
    try:
        _create_private(path)
        migrate(database, patience=patience)
    except (OSError, peewee.DatabaseError, peewee.InterfaceError) as error:
        if cause_of(error) in PASSING:
            raise TemporarilyUnavailable(
                f"The database {path} cannot be opened now ({error})."
            ) from error
        raise DatabaseUnavailable(
            f"The database {path} cannot be opened ({error}): check that the folder can be "
            "written, or name another with TRACEBOT_DATABASE_URL."
        ) from error


CAUSES = {5: "locked", 6: "locked", 8: "read-only", 10: "I/O error", 11: "damaged", 13: "disk full"}
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


def identity(database: peewee.Database) -> tuple[int, int] | None:
    """Which file is at the database's path now; None where none is."""
    try:
        status = os.stat(database.database)  # Never an open.
    except OSError:
        return None
    return status.st_dev, status.st_ino


def connect(
    path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, thread_safe: bool = True
) -> CySqliteDatabase:
    """A database object for `path`, neither created nor migrated.

    Each thread gets a connection of its own, or with `thread_safe=False` all share one.
    """
    return CySqliteDatabase(
        str(path),
        rank_functions=False,
        thread_safe=thread_safe,
        timeout=busy_timeout_ms / 1000,
        lock_type="IMMEDIATE",
        pragmas={
            "auto_vacuum": "incremental",  # Before the first table and the first WAL page.
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


def refuse_network_file_system(path: Path, *, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Raise `NetworkFileSystem` where `mounts`, a Linux mount table, says that `path` is on one."""
    if not mounts.exists():
        return
    folder = path.parent.resolve()
    table = [line.split(" ") for line in mounts.read_text(errors="replace").splitlines()]
    parents = {str(folder), *map(str, folder.parents)}
    holding = [(row[1], row[2]) for row in table if row[1].replace("\\040", " ") in parents]
    if not holding:
        return
    mount_point, kind = max(holding, key=lambda row: len(row[0]))
    if kind in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystem(
            f"{path} is on a network file system ({kind} at {mount_point}), where SQLite loses "
            "data: name a local file with TRACEBOT_DATABASE_URL."
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
            wait = min(wait * 2, 0.1)


def _create_private(path: Path) -> None:
    # Under a lock: closing a descriptor of a database drops every SQLite lock the process has on
    # it, so the file is made before any connection is, and never opened by us again.
    with _creating:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        path.chmod(0o600)
