"""A database on a PostgreSQL server, which processes of several machines share.

Transactions that write take a lock of their own, as SQLite's do (`begin`): what one of them reads
does not change until it has written. All locks end with their transaction, no setting outlasts one,
and no statement is prepared: so a pooler such as PgBouncer may stand between, which lends a session
for one transaction.
"""

import threading
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

import peewee
from peewee import PostgresqlDatabase, Psycopg3Adapter

from storage.database.base import Database
from storage.database.bulk_insert import insert_rows
from storage.database.driver import translate_errors
from storage.database.error_causes import LOCKED, ConnectionLost, cause_of
from storage.database.migrations import HISTORY, migrate
from storage.database.pool import Pool
from storage.database.postgres_errors import explain, not_ours, nothing_there, too_old
from storage.database.postgres_url import PostgresURL
from storage.errors import DatabaseUnavailable, TemporarilyUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

OLDEST = 13
"""The first version in which the owner of a database may add `pg_trgm`, which search needs."""

MOST_CONNECTIONS = 10
"""Of one process, besides the one of its writer."""

DDL_WAIT_S = 1.0
"""How long a statement of a transaction waits for a lock on a table. While it waits for one that
nobody else may hold, all who come later wait behind it."""

IN_ERROR = 3
"""libpq's status of a transaction in which a statement failed."""

WRITING, MIGRATING = 0x74626F7400000001, 0x74626F7400000002
"""Keys of advisory locks: `tbot` in ASCII, and a number."""

OF_NAMES = 0x74626F74
"""First half of the keys of locks on single things. The other half is the CRC-32 of their names."""

MOST_LOCKS = 250
"""On single things in one transaction. A server has room for 6,400 of all its transactions."""

BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"
"""For transactions that write. They look up single rows, for which there are indexes, and a server
that has not counted the rows of a new table yet would read all of it each time."""

CONNECT = {
    "application_name": "tracebot",
    "connect_timeout": 5,
    # A host that is switched off says nothing: without these, a statement waits for 15 minutes.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Settings of libpq, unless the URL has its own."""


USED_BYTES = """
SELECT coalesce(
    (SELECT sum(span_count) FROM traces)
    * (SELECT avg(pg_column_size(few.*)) + 28 FROM (SELECT * FROM spans LIMIT 1000) AS few)
    * pg_database_size(current_database()) / nullif(pg_table_size('spans'), 0), 0)
"""
"""A row has 28 bytes besides its columns."""


class _Block(Enum):
    """The reason for which a thread keeps its connection."""

    READING = "a snapshot with a time limit"
    WRITING = "a transaction"


class _Work:
    block: _Block | None = None


class _WorkByThread(_Work, threading.local):
    """The same, apart for each thread."""


class Adapter(Psycopg3Adapter):
    """Peewee's use of psycopg, also if Peewee itself was imported without it (`bot.cli.main`)."""

    def check_driver(self) -> None:
        """Do nothing: `connect.locate` has imported it."""

    def get_binary_type(self) -> type[bytes]:
        return bytes


class PostgresDatabase(PostgresqlDatabase, Database):
    """A database on a server. A thread has a connection only while it uses one."""

    on_server = True
    engine = "PostgreSQL"
    psycopg2_adapter = psycopg3_adapter = Adapter

    def __init__(
        self,
        url: PostgresURL,
        *,
        busy_timeout_ms: int,
        thread_safe: bool = True,
        read_only: bool = False,
    ) -> None:
        self.url = url
        self.path, self.label = url.path, url.label
        self.timeout = busy_timeout_ms / 1000
        self._read_only = read_only
        self._work = _WorkByThread() if thread_safe else _Work()
        self._pool = Pool(self._open, most=MOST_CONNECTIONS if thread_safe else 2)
        super().__init__(url.label, thread_safe=thread_safe)

    def another(self, *, busy_timeout_ms: int, thread_safe: bool = True) -> Self:
        return type(self)(self.url, busy_timeout_ms=busy_timeout_ms, thread_safe=thread_safe)

    def for_reading(self) -> Database:
        self.require()
        return type(self)(self.url, busy_timeout_ms=int(self.timeout * 1000), read_only=True)

    # Connections.

    def _open(self) -> "Connection[Any]":
        import psycopg
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        with translate_errors:
            # Not the URL itself, which an error about it would quote with its password.
            known: dict[str, Any] = {**CONNECT, **conninfo_to_dict(self.url.text)}
            settings = make_conninfo(**known)
            connection = psycopg.connect(settings, autocommit=True, prepare_threshold=None)
        if connection.info.server_version < OLDEST * 10_000:
            version = connection.info.parameter_status("server_version")
            connection.close()
            raise too_old(self.label, version, OLDEST)
        return connection

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Give this thread a connection. Not under a lock of all threads, as Peewee does it."""
        if not self._state.closed:
            if reuse_if_open:
                return False
            raise peewee.OperationalError("Connection already opened.")
        connection = self._pool.take(patience=max(self.timeout, 1.0))
        self._state.set_connection(connection)
        if self.server_version is None:
            self.server_version = connection.info.server_version
        return True

    def close(self) -> bool:
        """Close this thread's connection, and those that nobody uses."""
        had_one = self._let_go()
        self._pool.close()
        return had_one

    def connection(self) -> "Connection[Any]":
        """Return this thread's connection. One that broke is replaced, but never within a block."""
        if not self._state.closed and self._state.conn.closed:
            if self._work.block is not None:
                raise ConnectionLost("the connection was lost within a transaction")
            self._let_go()
        if self._state.closed:
            self.connect()
        found: Connection[Any] = self._state.conn
        return found

    def cursor(self, named_cursor: object = None) -> Any:
        return self.connection().cursor()

    def _let_go(self) -> bool:
        self._work.block = None
        if self._state.closed:
            return False
        connection = self._state.conn
        self._state.reset()
        self._pool.give_back(connection)
        return True

    def _settle(self) -> None:
        """Give the connection back, unless a block needs it. What was read is read already."""
        if self._work.block is None:
            self._let_go()

    # Statements.

    def _execute_cursor(self, sql: str, params: Any, **options: Any) -> Any:
        try:
            with translate_errors:
                cursor = self.cursor()
                # Without parameters, % is a character like any other.
                cursor.execute(sql, params or None)
        finally:
            self._settle()
        return cursor

    def execute_many(
        self, sql: str, rows: Sequence[Sequence[Any]], *, stored: Container[Any] | None = None
    ) -> None:
        try:
            with translate_errors:
                insert_rows(self.cursor(), sql, rows, stored)
        finally:
            self._settle()

    def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        rows: list[Any] = self._execute_cursor(sql, values).fetchall()
        return rows

    # Transactions.

    def begin(self, isolation_level: object = None) -> None:
        """Begin to write, alone."""
        self.begin_writing(patience=self.timeout)

    def begin_writing(self, *, patience: float, of: Collection[str] | None = None) -> None:
        if self._work.block is _Block.READING:
            self.rollback()
        if self._read_only:
            raise peewee.OperationalError("the database was opened to be read only")
        self._enter(
            _Block.WRITING,
            f"BEGIN; SET LOCAL lock_timeout = {_milliseconds(patience)}; {_locks(of)}; "
            f"SET LOCAL lock_timeout = {_milliseconds(DDL_WAIT_S)}; {BY_INDEX}",
        )

    def commit(self) -> None:
        """Commit. Raises an error if a statement failed: the server would only roll back."""
        try:
            if self._work.block is None:
                raise peewee.OperationalError("the transaction is over already")
            if self.connection().info.transaction_status == IN_ERROR:
                raise peewee.OperationalError("a statement of the transaction failed")
            with translate_errors:
                self.connection().execute("COMMIT")
        finally:
            if self._work.block is not None:
                self._end()

    def rollback(self) -> None:
        self._end()

    def _enter(self, block: _Block, sql: str) -> None:
        with translate_errors:
            connection = self.connection()
            self._work.block = block
            try:
                connection.execute(sql)
            except BaseException:
                self._end()
                raise

    def _end(self) -> None:
        """Roll back what is not committed, and give the connection back."""
        connection = None if self._state.closed else self._state.conn
        try:
            if connection and not connection.closed and connection.info.transaction_status:
                with translate_errors:
                    connection.execute("ROLLBACK")
        finally:
            self._let_go()

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Read one snapshot within the block, and end each query after `seconds`."""
        if self._work.block is not None:
            yield
            return
        self._enter(
            _Block.READING,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
            f"SET LOCAL statement_timeout = {_milliseconds(seconds)}",
        )
        try:
            yield
        finally:
            if self._work.block is _Block.READING:
                self._end()

    # Tables.

    def create(self, *, patience: float = 60.0) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refuse_other_tables()
        migrate(self, patience=patience)

    def require(self) -> None:
        try:
            self._refuse_other_tables()
            if not self.table_exists(HISTORY):
                raise nothing_there(self.label)
        except peewee.PeeweeException as error:
            raise self.explain(error) from error

    def _refuse_other_tables(self) -> None:
        tables = set(self.get_tables())
        if HISTORY not in tables and (others := tables & {"traces", "spans"}):
            raise not_ours(self.label, max(others))

    @contextmanager
    def migrating(self, *, patience: float) -> Iterator[None]:
        """Hold a lock on a second connection, in a transaction that does nothing else."""
        own = self.another(busy_timeout_ms=int(patience * 1000), thread_safe=False)
        try:
            own._enter(
                _Block.WRITING,
                f"BEGIN; SET LOCAL lock_timeout = {_milliseconds(patience)}; "
                f"SELECT pg_advisory_xact_lock({MIGRATING})",
            )
        except peewee.OperationalError as error:
            own.close()
            if cause_of(error) != LOCKED:
                raise
            raise TemporarilyUnavailable(
                f"Another process is changing the tables of {self.label}: try again when it has "
                "finished."
            ) from error
        try:
            yield
        finally:
            own.rollback()
            own.close()

    def version(self) -> object:
        return self.fetch("SELECT pg_current_snapshot()::text", ())[0][0]

    def is_current(self) -> bool:
        return True

    def disk_bytes(self) -> int:
        return int(self.fetch("SELECT pg_database_size(current_database())", ())[0][0])

    def used_bytes(self) -> int:
        # Files do not shrink when rows are deleted. So this is counted from the rows that there
        # are, from how long some of them are, and from what indexes and other tables take besides.
        return int(self.fetch(USED_BYTES, ())[0][0])

    def empty_bytes(self) -> int:
        return 0

    def explain(self, error: Exception) -> DatabaseUnavailable:
        return explain(self.label, error)


def _locks(names: Collection[str] | None) -> str:
    """Return the statement that locks what has these names, or everything.

    Everything is one lock, which those who lock something share. The others are taken in the same
    order by all, so that no two wait for each other.
    """
    if names is None or len(names) > MOST_LOCKS:
        return f"SELECT pg_advisory_xact_lock({WRITING})"
    shared = f"SELECT pg_advisory_xact_lock_shared({WRITING})"
    keys = sorted({crc32(name.encode()) - 2**31 for name in names})
    if not keys:
        return shared
    places = f"unnest('{{{','.join(map(str, keys))}}}'::int[])"
    return f"{shared}; SELECT pg_advisory_xact_lock({OF_NAMES}, key) FROM {places} AS key"


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)  # 0 would be without a limit.
