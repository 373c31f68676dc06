"""Connections and transactions on a PostgreSQL server.

Transactions that write take a lock of their own, as SQLite's do (`begin_writing`): what one of them
reads does not change until it has written. All locks end with their transaction, no setting
outlasts one, and no statement is prepared: so a pooler such as PgBouncer may stand between, which
lends a session for one transaction.
"""

import os
import threading
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import peewee
from peewee import PostgresqlDatabase, Psycopg3Adapter

from storage.database.base import Database
from storage.database.bulk_insert import insert_rows
from storage.database.error_causes import (
    KNOWN,
    READ_ONLY,
    UNREACHABLE,
    ConnectionLost,
    cause_of,
    reason,
)
from storage.database.key_arrays import FEW_TRACES, SPANS, arrays, is_one, table
from storage.database.pool import Pool
from storage.database.postgres_url import PostgresURL
from storage.database.server_connection import open_connection, reporting_errors
from storage.database.server_locks import PLANS, begin_statement, milliseconds

if TYPE_CHECKING:
    from psycopg import Connection

MOST_CONNECTIONS = 10
"""Of one process, besides the one of its writer."""

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

IDLE, IN_ERROR = 0, 3
"""libpq's status of a session without a transaction, and of one in which a statement failed."""

_used: "WeakSet[ServerSessions]" = WeakSet()
"""The databases of this process, which a forked child makes forget their connections."""


class Block(Enum):
    """The reason for which a thread keeps its connection."""

    READING = "a snapshot with a time limit"
    WRITING = "a transaction"


class _Work:
    """The block in which connections are used by the one thread at a time that does so."""

    block: Block | None = None


class _WorkByThread(_Work, threading.local):
    """The same, apart for each thread."""


class Adapter(Psycopg3Adapter):
    """Peewee's use of psycopg, also if Peewee itself was imported without it (`bot.cli.main`)."""

    def check_driver(self) -> None:
        """Do nothing: `connect.locate` has imported it."""

    def get_binary_type(self) -> type[bytes]:
        return bytes


class ServerSessions(PostgresqlDatabase, Database):
    """Connect to a server, execute statements, and begin and end transactions.

    A thread has a connection only while it uses one: within a block, or for one statement.
    `PostgresDatabase` adds what concerns our tables.
    """

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
        # As Peewee's own state: apart for each thread, unless all threads share one connection.
        self._work = _WorkByThread() if thread_safe else _Work()
        self._pool = Pool(lambda: _deaf(url), most=MOST_CONNECTIONS if thread_safe else 2)
        super().__init__(url.label, thread_safe=thread_safe)
        _used.add(self)

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Give this thread a connection.

        Peewee does so under a lock, at which all threads would wait for one that opens a
        connection to a server that does not answer.
        """
        if not self._state.closed:
            if reuse_if_open:
                return False
            raise peewee.OperationalError("Connection already opened.")
        connection = self._pool.take(patience=max(self.timeout, 1.0))
        self._state.set_connection(connection)
        if self.server_version is None:  # Peewee's own `connect` would ask for it.
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
            # What was written in the transaction is lost with it, so whoever writes must know.
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

    def forget_parent(self) -> None:
        """In a forked child, leave the parent's connections alone and open others."""
        self._pool.abandon()
        self._state.reset()
        self._work.block = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise psycopg's errors as Peewee's. Leave a server that is lost, or only reads by now.

        Errors that are not tracebot's are all of one class, and have one line.
        """
        try:
            with reporting_errors():
                yield
        except peewee.PeeweeException as error:
            cause = cause_of(error)
            none_is_free = isinstance(getattr(error, "orig", None), ConnectionLost)
            # Each other connection would have to find out for itself, which may take seconds.
            if cause in (READ_ONLY, UNREACHABLE) and not none_is_free:
                self._pool.retire()
            if cause not in KNOWN:
                raise
            raise peewee.OperationalError(getattr(error, "orig", error), reason(error)) from error

    # Statements.

    def _execute_cursor(self, sql: str, params: Any, **options: Any) -> Any:
        try:
            with self._errors():
                cursor = self.connection().cursor(**options)
                # Without parameters, % is a character like any other.
                cursor.execute(sql, params or None)
        finally:
            self._settle()
        return cursor

    def execute_many(
        self, sql: str, rows: Sequence[Sequence[Any]], *, stored: Container[Any] | None = None
    ) -> None:
        try:
            with self._errors():
                insert_rows(self.cursor(), sql, rows, stored)
        finally:
            self._settle()

    def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        # As text, bytes would be twice as long, and both sides would have to convert them.
        rows: list[Any] = self._execute_cursor(sql, values, binary=True).fetchall()
        return rows

    def look_up(
        self, sql: str, keys: Sequence[Sequence[Any]], *, types: tuple[str, ...], at_a_time: int
    ) -> list[Any]:
        values, spans = arrays(keys), "spans"
        if "{spans}" in sql and len(traces := {key[0] for key in keys}) <= FEW_TRACES:
            values, spans = [*values, *arrays([(each,) for each in traces])], SPANS
        sql = sql.format(keys=table(types), is_one=is_one(types[0]), spans=spans)
        return self.fetch(sql, values)

    # Transactions.

    def begin(self, isolation_level: object = None) -> None:
        """Begin to write, alone."""
        self.begin_writing(patience=self.timeout)

    def begin_writing(self, *, patience: float, of: Collection[str] | None = None) -> None:
        # A command reads one snapshot. To write it needs what others have committed since.
        if self._work.block is Block.READING:
            self.rollback()
        if self._work.block is Block.WRITING:
            raise peewee.OperationalError("there is a transaction within a transaction")
        if self._read_only:
            raise peewee.OperationalError("the database was opened to be read only")
        self.enter(Block.WRITING, begin_statement(patience=patience, of=of))

    def commit(self) -> None:
        """Commit. Raises an error if a statement failed: the server would only roll back."""
        try:
            if self._work.block is None:
                raise peewee.OperationalError("the transaction is over already")
            if self.connection().info.transaction_status == IN_ERROR:
                raise peewee.OperationalError("a statement of the transaction failed")
            with self._errors():
                self.connection().execute("COMMIT")
        finally:
            if self._work.block is not None:
                self._end()

    def rollback(self) -> None:
        self._end()

    def enter(self, block: Block, sql: str) -> None:
        """Keep a connection for this thread, and begin a block with some statements."""
        with self._errors():
            connection = self.connection()
            self._work.block = block
            try:
                connection.execute(sql)
            except BaseException:  # Such as a wait for a lock that took too long, or Ctrl-C.
                self._end()
                raise

    def _end(self) -> None:
        """Roll back what is not committed, and give the connection back."""
        connection = None if self._state.closed else self._state.conn
        try:
            if connection and not connection.closed and connection.info.transaction_status != IDLE:
                with self._errors():
                    connection.execute("ROLLBACK")
        finally:
            self._let_go()

    @contextmanager
    def interrupting(self, seconds: float) -> Iterator[None]:
        """Read one snapshot within the block, and end each query after `seconds`.

        Within another block nothing changes: a transaction that writes must not be interrupted.
        """
        if self._work.block is not None:
            yield
            return
        # It ends with the transaction, as the next one may be in another session behind a pooler.
        limit = f"SET LOCAL statement_timeout = {milliseconds(seconds)}"
        with self._reading(f"{SNAPSHOT}; {PLANS}; {limit}"):
            yield

    def snapshot(self) -> AbstractContextManager[None]:
        return nullcontext() if self._work.block else self._reading(f"{SNAPSHOT}; {PLANS}")

    @contextmanager
    def _reading(self, begin: str) -> Iterator[None]:
        self.enter(Block.READING, begin)
        try:
            yield
        finally:
            if self._work.block is Block.READING:
                self._end()


def _deaf(url: PostgresURL) -> "Connection[Any]":
    """Connect, and drop what is announced to a session in which somebody listened before.

    A pooler lends such sessions. psycopg would keep each announcement for ever.
    """
    connection = open_connection(url)
    connection.add_notify_handler(lambda announcement: None)
    return connection


def _after_fork_in_child() -> None:
    for database in list(_used):
        database.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
