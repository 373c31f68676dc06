"""Recognise a database of tracebot by its file, before anything is done to it.

SQLite would create a missing file, put a log beside the database of another program, and wait for
ever at a named pipe. So the file is looked at first, in ways that change nothing.

The header of a database holds a number for the program that it belongs to
(https://sqlite.org/pragma.html#pragma_application_id). Databases of earlier versions of tracebot
lack it and are recognised by their tables; it is added when they are next opened for writing.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import peewee

from storage.database.driver import Connection, translate_errors
from storage.database.error_causes import DAMAGED, ERRNOS, cause_of
from storage.errors import DatabaseUnavailable, NoDatabase, NotOurDatabase

APPLICATION_ID = 0x74626F74
"""`tbot` in ASCII."""

HEADER = 100
"""Bytes, see https://sqlite.org/fileformat.html#the_database_header."""

OUR_TABLES = frozenset(("schema_migration", "traces", "spans"))

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

SUFFIXES = frozenset((".db", ".sqlite", ".sqlite3"))

NEXT_STEP = (
    "Nothing was changed. Name a database of tracebot with --database or TRACEBOT_DATABASE_URL."
)


def require_ours(path: Path) -> None:
    """Raise `NoDatabase` if nothing or an empty file is at `path`; else as `refuse_other_files`."""
    if not refuse_other_files(path):
        if close := _similar(path):
            raise NoDatabase(f"There is no database at {path}: did you mean {close}?")
        raise NoDatabase(
            f"There is no database at {path} yet. Record something, for example with tracebot run "
            "-- COMMAND, or name another database with --database or TRACEBOT_DATABASE_URL."
        )


def _similar(path: Path) -> Path | None:
    """Return the database in the same folder whose name is nearly the same."""
    from difflib import get_close_matches  # Here, because hardly anybody misspells it.

    try:
        names = [each.name for each in path.parent.iterdir() if each.suffix in SUFFIXES]
    except OSError:
        return None
    close = get_close_matches(path.name, set(names) - {path.name}, n=1, cutoff=0.75)
    return path.with_name(close[0]) if close else None


def refuse_other_files(path: Path) -> bool:
    """Return True if a database of tracebot is at `path`, False if nothing or an empty file is.

    Raises `NotOurDatabase` for anything else, and `DatabaseUnavailable` if it cannot be found out.
    """
    try:
        found = os.stat(path)
        if kind := KINDS.get(stat.S_IFMT(found.st_mode)):
            raise NotOurDatabase(f"{path} is {kind} and not a database. {NEXT_STEP}")
        if found.st_size and not may(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if found.st_size:
            _refuse_other_contents(path)
        return found.st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in ERRNOS:
            raise
        raise DatabaseUnavailable(
            f"The database {path} cannot be opened ({error.strerror}): check its path and its "
            "permissions, or set TRACEBOT_DATABASE_URL to another file."
        ) from error


def is_copy(path: Path) -> bool:
    """Return True if the header of a file that nobody here has open is that of our databases."""
    try:
        with path.open("rb") as file:
            header = file.read(HEADER)
    except OSError:
        return False
    sqlite = header.startswith(b"SQLite format 3\0")
    return sqlite and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def refuse_hard_links(path: Path) -> None:
    """Raise `NotOurDatabase` if the file at `path` has another name, too.

    SQLite finds the log and the locks by the name of the file, so two names would be two databases
    in one file (https://sqlite.org/howtocorrupt.html, 2.5). Symbolic links are resolved instead.
    """
    if (names := os.stat(path).st_nlink) > 1:
        raise NotOurDatabase(
            f"{path} has {names} names (hard links), and SQLite damages a database that is used by "
            "two of them. Remove the others, or use a copy of the file."
        )


def _refuse_other_contents(path: Path) -> None:
    try:
        application, tables = _signs(path)
    except peewee.DatabaseError as error:
        if cause_of(error) != DAMAGED:
            raise
        # A damaged database of ours, or a file that never was a database. tracebot creates the lock
        # file of migrations only beside its own.
        if migrating(path).exists():
            return
        # Not raised from the error, which is the one of a damaged database: that would be replaced.
        raise NotOurDatabase(f"{path} is not a database. {NEXT_STEP}") from None
    if application == APPLICATION_ID:
        return
    # Without tables it was just created, by a process whose first changes are still in the log. If
    # that process is one of ours, it made its lock file before the database.
    just_created = not tables and (opening(path).exists() or migrating(path).exists())
    if application or not (just_created or tables >= OUR_TABLES):
        raise NotOurDatabase(f"{path} is a SQLite database of another program. {NEXT_STEP}")


def _signs(path: Path) -> tuple[int, frozenset[str]]:
    """Return the application's number, and without one the names of the tables.

    SQLite itself opens the file: closing a descriptor of ours would drop the locks that SQLite
    holds on it in this process.
    """
    with translate_errors:
        connection = Connection(address(path, immutable=True), uri=True)
        try:
            # Else SQLite would report damage while another process moves its log into the file: the
            # header comes first, and speaks of pages that are not there yet.
            connection.execute("PRAGMA writable_schema = ON")
            application = int(connection.execute_scalar("PRAGMA application_id"))
            if application:
                return application, frozenset()
            query = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return 0, frozenset(name for (name,) in query.fetchall())
        finally:
            connection.close()


def may(path: Path, mode: int) -> bool:
    """Return True if this process may read (`os.R_OK`) or write (`os.W_OK`) what is at `path`."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def is_writable(path: Path) -> bool:
    """Return True if this process may write the file at `path` and others beside it."""
    return may(path, os.W_OK) and may(path.parent, os.W_OK)


def has_log(path: Path) -> bool:
    """Return True if the log may hold what is not in the database at `path` yet."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def migrating(path: Path) -> Path:
    """Return the lock file that is held to change the tables of the database at `path`."""
    return path.with_name(f"{path.name}.migrating")


def opening(path: Path) -> Path:
    """Return the lock file that is held shared to open the database and alone to rename it."""
    return path.with_name(f"{path.name}.opening")


def address(path: Path, *, mode: Literal["ro", "rw", "rwc"] = "ro", immutable: bool = False) -> str:
    """Return the URI with which SQLite opens a file, whatever bytes its name has.

    `ro` only reads, `rw` opens a file that exists, and `rwc` may create it.
    `immutable` reads the file without its log and without locks, so it is for files that nobody
    changes; nothing is created beside it.
    """
    return f"file:{quote(os.fsencode(path))}?mode={mode}{'&immutable=1' if immutable else ''}"
