"""Back up the database while other processes write to it, and restore a backup."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cysqlite
from peewee import PeeweeException

from storage.coordination.process_identity import is_alive
from storage.database.base import Database
from storage.database.connect import connect
from storage.database.driver import Connection
from storage.database.error_causes import DAMAGED, LOCKED, cause_of
from storage.database.file_check import NEXT_STEP, address, has_log, opening, refuse_other_files
from storage.database.lock_files import locked
from storage.database.migrations import HERE, HISTORY
from storage.database.models import ProcessRow
from storage.database.new_file import set_aside
from storage.database.private_file import give_to_owner
from storage.database.shared_file import SharedDatabase
from storage.errors import BackupError, NotOurDatabase
from storage.recovery.known_backups import note_backup, partial_copies
from storage.recovery.replacement import set_aside_with_write_lock
from storage.upkeep.erasure import apply_pending
from storage.upkeep.journal import JournalEntry, add_entry

PAGES_A_STEP = 1_000
ALONE_S = 1.0
"""How long to wait for other processes to close the database, in seconds."""

WRITTEN = "name a file that `tracebot backup` wrote"

Progress = Callable[[int, int], object]
"""Called with the number of pages copied so far and the number in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A copy that was checked. `size` is in bytes."""

    path: Path
    size: int
    traces: int
    spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The restored copy, and where the earlier database is kept, None if there was none.

    `erasures` is how many erasures since the backup were applied to it again.
    """

    copied: Copied
    aside: Path | None
    erasures: int


def backup(
    database: Database, target: Path, *, force: bool = False, progress: Progress | None = None
) -> Copied:
    """Copy the database to `target` as it is at this moment. Raises `BackupError`.

    The copy is written under another name, checked, and then renamed, so that `target` never holds
    part of a copy. `force` replaces an existing file, unless another process has it open.
    """
    database = _file(database)
    target = target.absolute()
    if target.exists() and target.samefile(database.path):
        raise BackupError(f"{target} is the database itself: name another file.")
    if target.exists() and not target.is_file():
        raise BackupError(f"{target} is not a regular file: name another file.")
    if (there := [path for path in (target, *_logs(target)) if path.exists()]) and not force:
        raise BackupError(
            f"{there[0]} exists already: name another file, or add --force to replace it."
        )
    # Before there is a file: no agent that begins its turn meanwhile may read it.
    note_backup(database.path, target)
    apply_pending(database)  # A copy must not hold what somebody asked to erase.
    with _partial(target) as partial:
        own = connect(database.path)
        own.begin("deferred")
        try:
            # One read transaction is one snapshot. Without it, SQLite would start the copy again
            # at each commit of another process.
            counts = _counts(own.connection())
            _copy(own.connection(), partial, progress)
        finally:
            own.rollback()
            own.close()
        copied = _verified(partial, name=target)
        if (copied.traces, copied.spans) != counts:
            raise BackupError(f"{target} would not have the same rows as the database: try again.")
        _rename(partial, target)
    _sync(target.parent)
    details = {"size": copied.size, "traces": copied.traces, "spans": copied.spans}
    add_entry(database, JournalEntry(name="backup", at=time.time_ns(), ok=True, details=details))
    return copied


def restore(
    database: Database, source: Path, *, force: bool = False, progress: Progress | None = None
) -> Restored:
    """Put a backup in place of the database, which is kept under another name.

    Raises `BackupError`. One reason is another process that has the database open; with `force`,
    that process continues with the restored database. Raises `NotOurDatabase` if the file in whose
    place the backup would be put is not a database of tracebot.
    """
    database = _file(database)
    source, path = source.absolute(), database.path
    try:
        if not refuse_other_files(source):
            problem = "is empty and not a database" if source.exists() else "does not exist"
            raise BackupError(f"{source} {problem}: {WRITTEN}.")
    except NotOurDatabase as error:
        said = str(error).replace(NEXT_STEP, f"Nothing was changed: {WRITTEN}.")
        raise BackupError(said) from None
    refuse_other_files(path)
    if not database.is_closed():
        database.close()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    note_backup(path, source)
    with _partial(path) as partial:
        origin = Connection(address(source, immutable=not has_log(source)), uri=True)
        try:
            origin.execute("SELECT count(*) FROM sqlite_master").fetchall()
            _copy(origin, partial, progress)
        except cysqlite.DatabaseError as error:
            raise BackupError(
                f"{source} is damaged or not a database ({error}): name another backup."
            ) from error
        finally:
            origin.close()
        copied = _verified(partial, name=source)
        users = _users(database) if path.exists() else ""
        with locked(opening(path)):
            aside = _displace(path, users, force=force)
            os.replace(partial, path)
    _sync(path.parent)
    database.create()
    # The backup may be older than an erasure.
    erasures = apply_pending(database)
    return Restored(copied=copied, aside=aside, erasures=erasures)


def _file(database: Database) -> SharedDatabase:
    """Return the database if it is a file. Raises `BackupError` if it is on a server."""
    if isinstance(database, SharedDatabase):
        return database
    raise BackupError(
        f"{database.label} is on a PostgreSQL server, whose own tools back it up: run pg_dump "
        "--format=custom --file=FILE --dbname=URL to write a backup, and pg_restore --clean "
        "--if-exists --dbname=URL FILE to restore it."
    )


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """Create a private file beside `target`, and remove it at the end unless it was renamed."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    for left in partial_copies(target):
        if not _is_written(left):
            _remove_with_logs(left)
    try:
        # Whoever may write in the folder could put a link in our way.
        partial.unlink(missing_ok=True)
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(partial, flags, 0o600)
        give_to_owner(descriptor, target.parent)
        os.close(descriptor)
        yield partial
    except OSError as error:
        raise BackupError(
            f"{target} cannot be written ({error.strerror}): name another file."
        ) from error
    finally:
        _remove_with_logs(partial)


def _is_written(partial: Path) -> bool:
    """Return whether the process in the name of a partial copy still runs."""
    try:
        os.kill(int(partial.name.split(".")[-2]), 0)  # Signal 0 only checks that it exists.
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError, OverflowError):  # Of another user, or not our file.
        return True
    return True


def _remove_with_logs(path: Path) -> None:
    for each in (path, *_logs(path)):
        with suppress(OSError):
            each.unlink()


def _logs(path: Path) -> list[Path]:
    """Return the files that SQLite has beside a database which is open, or whose process died."""
    return [path.with_name(f"{path.name}-{suffix}") for suffix in ("wal", "shm", "journal")]


def _rename(partial: Path, target: Path) -> None:
    """Put a copy at `target`. Raises `BackupError` if another process has the file there open.

    SQLite would apply the log of an earlier file to the copy, which then has the earlier content.
    """
    logs = _logs(target)
    if not any(log.exists() for log in logs):
        os.replace(partial, target)
        return
    with locked(opening(target)):
        if target.exists() and not _is_alone(target):
            raise BackupError(
                f"Another process has {target} open: stop it first, or name another file."
            )
        for log in logs:
            log.unlink(missing_ok=True)
        os.replace(partial, target)


def _copy(source: Any, partial: Path, progress: Progress | None) -> None:
    def step(remaining: int, pages: int, done: bool) -> None:
        if progress:
            progress(pages - remaining, pages)

    target = Connection(str(partial))
    try:
        source.backup(target, pages=PAGES_A_STEP, progress=step)
        # Without WAL mode, the copy can also be read where nothing can be written beside it.
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    except cysqlite.OperationalError as error:
        raise BackupError(
            f"The copy cannot be written to {partial.parent} ({error}): make room there, or name a "
            "file in another folder."
        ) from error
    finally:
        target.close()


def _verified(copy: Path, *, name: Path) -> Copied:
    """Check a copy. Raises `BackupError` if it is damaged or not a database of tracebot."""
    connection = Connection(str(copy))
    try:
        finding = connection.execute("PRAGMA integrity_check(1)").fetchall()[0][0]
        if finding != "ok":
            raise BackupError(f"{name} is damaged ({finding}): use another backup.")
        applied = {row[0] for row in connection.execute(f'SELECT name FROM "{HISTORY}"')}
        if newer := applied - {path.stem for path in HERE.glob("[0-9]*.py")}:
            raise BackupError(
                f"{name} was written by a newer tracebot ({max(newer)}): update tracebot."
            )
        traces, spans = _counts(connection)
    except cysqlite.DatabaseError as error:
        raise BackupError(
            f"{name} is not a database of tracebot ({error}): name another file."
        ) from error
    finally:
        connection.close()
    return Copied(path=name, size=copy.stat().st_size, traces=traces, spans=spans)


def _counts(connection: Any) -> tuple[int, int]:
    traces, spans = (
        connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
        for table in ("traces", "spans")
    )
    return int(traces), int(spans)


def _users(database: SharedDatabase) -> str:
    """Return the running processes that have written to the database, as words for a message."""
    own = connect(database.path)
    try:
        query = ProcessRow.select(ProcessRow.process)
        names = [name for (name,) in query.tuples().execute(own)]
    except (PeeweeException, cysqlite.DatabaseError):  # It may be damaged, or not a database.
        names = []
    finally:
        if not own.is_closed():
            own.close()
    alive = {name.split(":")[1] for name in names if is_alive(name)}
    return f" ({'processes' if len(alive) > 1 else 'process'} {', '.join(alive)})" if alive else ""


def _displace(path: Path, users: str, *, force: bool) -> Path | None:
    if not path.exists():
        set_aside(path, word="orphan")
        return None
    if not force and not _is_alone(path):
        raise BackupError(
            f"Another process{users} has {path} open: stop it first, or add --force, and it "
            "continues with the restored database."
        )
    return set_aside_with_write_lock(path, word="replaced")


def _is_alone(path: Path) -> bool:
    """Return whether no other process has the database open.

    SQLite leaves WAL mode only for the last connection, and answers others that it is locked.
    """
    connection = Connection(str(path), timeout=ALONE_S)
    try:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except cysqlite.DatabaseError as error:
        cause = cause_of(error)
        if cause not in (LOCKED, DAMAGED):
            raise
        return cause == DAMAGED
    finally:
        connection.close()
    return True


def _sync(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
