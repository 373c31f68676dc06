"""A SQLite file that several processes have open and that any of them may replace.

A damaged database is replaced by a new one (`storage.recovery.replacement`), and a restored backup
takes the place of the database (`storage.recovery.backup`). Both rename files, and SQLite does not
notice: a connection goes on with the file that it opened, under whatever name that file has now.

Two locks keep a replacement safe:

- SQLite's write lock, taken by whoever replaces the file, so that no commit is under way.
- The lock file `opening`, held alone while files are renamed and shared while a connection is
  opened, so that nobody opens the old database with the new write-ahead log or the other way round.

Other processes notice a replacement by the inode of the file. They compare it before each query,
and again once a transaction has begun, as the file may have been replaced while they waited for
SQLite's write lock.
"""

import os
import random
import threading
import time
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import peewee

from storage.database.base import Database
from storage.database.driver import translate_errors
from storage.database.error_causes import LOCKED, TRANSIENT, CannotOpen, cause_of
from storage.database.file_check import (
    APPLICATION_ID,
    address,
    migrating,
    opening,
    refuse_hard_links,
    refuse_other_files,
    require_ours,
)
from storage.database.fork_safety import SqliteDatabase
from storage.database.lock_files import locked
from storage.database.migrations import migrate
from storage.database.new_file import create_private
from storage.database.private_file import open_private
from storage.errors import DatabaseUnavailable, StorageError, TemporarilyUnavailable

STEPS = 10_000
"""Steps of SQLite's virtual machine between two looks at the clock: about a millisecond."""

BUSY_MS = 10
"""SQLite's own wait for a lock, between our tries: ours have jitter and are fairer to other
processes (docs/explanation/performance.md), and SQLite's knows no deadline."""

LONGEST_WAIT_S = 0.005
"""Longest wait between two tries to begin a transaction, which take 10 microseconds each.

With 30 ms, the lock was free for a third of the time that others slept (8 writers on 2 CPUs). The
waits are random, which is fairer between processes than SQLite's own busy timeout.
"""

File = tuple[int, int]
"""Device and inode."""


class _State:
    """The state of a connection: the file that it opened, and whether `create` is under way."""

    file: File | None = None
    creating = False


class _StateByThread(_State, threading.local):
    """The same, apart for each thread."""


class SharedDatabase(SqliteDatabase, Database):
    """A database that follows the file at its path: it reconnects if the file was replaced."""

    by_code_point = "BINARY"
    engine = "SQLite"

    def __init__(self, path: str | Path, **options: Any) -> None:
        super().__init__(str(path), **options)
        self._options = options
        self.path, self.label = Path(path), str(path)
        # Like Peewee's own state: by thread if each thread has a connection of its own.
        self._opened = _StateByThread() if self.thread_safe else _State()
        self._ready: File | None = None
        """The file whose tables are known to be up to date."""
        self._ours: File | None = None
        """The file that is known to be a database of tracebot."""

    @property
    def file(self) -> File | None:
        """The file that this thread opened last."""
        return self._opened.file

    @property
    def address(self) -> str:
        """The URI with which SQLite opens the file."""
        return address(self.path, mode="rwc")

    def create(self, *, patience: float = 60.0) -> None:
        """Create the file if it is missing, and bring its tables up to date.

        Wait at most `patience` seconds for another process that does so. Raises as
        `storage.database.migrations.migrate` does, and `NotOurDatabase` for a file of others.
        """
        self._refuse_other_files()
        self._opened.creating = True
        try:
            create_private(self.path)
            migrate(self, patience=patience)
            self._mark()
            self._ready = self.file
        finally:
            self._opened.creating = False

    def require(self) -> None:
        require_ours(self.path)

    def another(self, *, busy_timeout_ms: int, thread_safe: bool = True) -> Self:
        options = {**self._options, "timeout": busy_timeout_ms / 1000, "thread_safe": thread_safe}
        return type(self)(self.path, **options)

    @contextmanager
    def migrating(self, *, patience: float) -> Iterator[None]:
        try:
            with locked(migrating(self.path), patience=patience):
                yield
        except BlockingIOError as error:
            raise TemporarilyUnavailable(
                f"Another process is changing the tables of {self.path}",
                "try again when it has finished",
            ) from error

    @contextmanager
    def interrupting(self, seconds: float) -> Iterator[None]:
        connection, until = self.connection(), time.monotonic() + seconds
        connection.progress(lambda: time.monotonic() > until, STEPS)
        try:
            yield
        finally:
            if not connection.is_closed():
                connection.progress(None)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        if self.connection().in_transaction:
            yield
            return
        self.begin("deferred")
        try:
            yield
        finally:
            self.rollback()  # Nothing was written: this ends the reading.

    def execute_many(
        self, sql: str, rows: Sequence[Sequence[Any]], *, stored: Container[Any] | None = None
    ) -> None:
        with translate_errors:
            self.cursor().executemany(sql, rows)

    def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with translate_errors:
            cursor = self.cursor()
            cursor.execute(sql, values)
            rows: list[Any] = cursor.fetchall()
        return rows

    def look_up(
        self, sql: str, keys: Sequence[Sequence[Any]], *, types: tuple[str, ...], at_a_time: int
    ) -> list[Any]:
        # The last key is repeated to fill the last call, so that SQLite compiles the statement
        # once, and not once for each number of keys.
        rows = ", ".join([f"({', '.join('?' * len(types))})"] * at_a_time)
        sql = sql.format(keys=f"(VALUES {rows})", is_one=f"IN (VALUES {rows})", spans="spans")
        found: list[Any] = []
        for start in range(0, len(keys), at_a_time):
            some = keys[start : start + at_a_time]
            some = [*some, *[some[-1]] * (at_a_time - len(some))]
            found += self.fetch(sql, [value for key in some for value in key])
        return found

    def go_on_numbering(self, table: str) -> None:
        """Do nothing: SQLite numbers a row after the highest there is."""

    def version(self) -> object:
        # Also that of another file that takes the place of this one.
        return self.file, self.execute_sql("PRAGMA data_version").fetchone()

    def is_current(self) -> bool:
        return self.file == file_at(self.path)

    def disk_bytes(self) -> int:
        # A stat, never an open: closing any descriptor of the file would drop SQLite's locks on it.
        return os.stat(self.path).st_size if self.path.exists() else 0

    def used_bytes(self) -> int:
        pages, free, size = (
            self.execute_sql(f"PRAGMA {name}").fetchall()[0][0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def empty_bytes(self) -> int:
        # Even an empty table or index keeps one page, which is most of a small file.
        tables = "SELECT count(*) FROM sqlite_master WHERE rootpage > 0"
        kept, page_size = (
            int(self.execute_sql(query).fetchall()[0][0]) for query in (tables, "PRAGMA page_size")
        )
        return kept * page_size

    def explain(self, error: Exception) -> DatabaseUnavailable:
        if cause_of(error) in TRANSIENT:
            return TemporarilyUnavailable(
                f"The database {self.path} cannot be opened now ({error})", "try again later"
            )
        return DatabaseUnavailable(
            f"The database {self.path} cannot be opened ({error}): check that its folder can be "
            "written, or set TRACEBOT_DATABASE_URL to another file."
        )

    def begin_writing(self, *, patience: float, of: Collection[str] | None = None) -> None:
        until, wait = time.monotonic() + patience, 0.001
        with self._hardly_waiting():
            while True:
                try:
                    self.begin()
                    return
                except peewee.OperationalError as error:
                    if cause_of(error) != LOCKED or time.monotonic() > until:
                        raise
                    time.sleep(wait * random.random())
                    wait = min(wait * 2, LONGEST_WAIT_S)

    @contextmanager
    def _hardly_waiting(self) -> Iterator[None]:
        """Let SQLite itself wait for a lock for `BUSY_MS` at most."""
        before = int(self.timeout * 1_000)
        if before <= BUSY_MS:
            yield
            return
        with translate_errors:
            self.connection().execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        try:
            yield
        finally:
            if not self.is_closed():
                with translate_errors:
                    self.connection().execute(f"PRAGMA busy_timeout = {before}")

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Connect this thread to the file that is at the path now."""
        if reuse_if_open and not self.is_closed():
            return False
        with self._as_error_of_a_query():
            self._refuse_other_files()
            with self._lock_opening():
                self._opened.file = file_at(self.path)  # Also known if it cannot be opened.
                connected = super().connect(reuse_if_open)
                self._opened.file = file_at(self.path)  # SQLite may just have created it.
        self._ready = self._ready or self.file
        return connected

    def cursor(self, named_cursor: object = None) -> Any:
        """Return a cursor for one query on the file that is at the path now."""
        self._follow()
        return super().cursor(named_cursor)

    def begin(self, lock_type: str | None = None) -> None:
        """Begin a transaction on the file that is at the path once the transaction has begun."""
        self._follow()
        super().begin(lock_type)
        while self.file != file_at(self.path):
            self.rollback()
            self._follow()
            super().begin(lock_type)

    def rollback(self) -> None:
        """End the transaction, unless SQLite has: on a full disk it rolls back by itself.

        Rolling back again would fail, and Peewee, which migrates, would raise that error.
        """
        if self.connection().in_transaction:
            super().rollback()

    def _mark(self) -> None:
        """Mark the file as ours for `storage.database.file_check`, in two places.

        The application id is in the file and lost with its first page, so the lock file `migrating`
        beside it counts, too. Databases of earlier versions, and copies, lack one or the other.
        """
        if self.execute_sql("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            self.execute_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        if not migrating(self.path).exists():
            os.close(open_private(migrating(self.path), os.O_RDONLY))

    @contextmanager
    def _as_error_of_a_query(self) -> Iterator[None]:
        """Raise what keeps the file from being opened as `CannotOpen`, unless `create` opens it.

        Each thread opens the file with a query, and whoever runs one expects Peewee's errors alone.
        """
        try:
            yield
        except (OSError, StorageError) as error:
            if self._opened.creating:
                raise
            raise CannotOpen(str(error)) from error

    def _lock_opening(self) -> AbstractContextManager[None]:
        return locked(opening(self.path), shared=True)

    def _refuse_other_files(self) -> None:
        """Raise `NotOurDatabase` unless the file is ours. Each file is looked at once."""
        here = file_at(self.path)
        if here is None or here != self._ours:
            self._ours = None
            if refuse_other_files(self.path):
                refuse_hard_links(self.path)
                self._ours = here

    def _follow(self) -> None:
        if self._opened.creating:
            return  # `create` itself runs queries, on a file that has no tables yet.
        if not self.is_closed() and self.connection().in_transaction:
            return  # `begin` has compared the files, and a replacement waits for its end.
        here = file_at(self.path)
        # Nothing to do if the file at the path has our tables and is the one that is open. Before
        # the first `connect` no file is known to be ready, and any will do.
        if here == (self._ready or here) and (self.is_closed() or here == self.file):
            return
        if not self.is_closed():
            self.close()
        with self._as_error_of_a_query():
            self.create()


def file_at(path: Path) -> File | None:
    """Return which file is at `path` now, None if there is none. The file is not opened."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
