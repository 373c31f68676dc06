"""Keep forked processes from using the SQLite connections of their parent.

SQLite does not support this (https://sqlite.org/howtocorrupt.html, 2.6): a child would take its
parent's locks for its own, and closing a connection there can undo what the parent is writing.

- Before a fork, the forking thread closes its own connections, so that both processes open new
  ones. It cannot close those of other threads, which may be in the middle of a statement.
- After a fork, the child keeps the connections of other threads, untouched, and refuses to open
  their files: SQLite keeps one record of locks per process and file, and the child's copy of it is
  wrong. What the child records waits in the spool, which any other process stores.
"""

import os
import threading
from typing import Any
from weakref import WeakSet

import peewee

from storage.database.driver import DriverDatabase

OpenConnection = tuple[threading.Thread, "SqliteDatabase", Any]

# All three are changed without a lock. A lock could be held by another thread at a fork and stay
# held for ever in the child; each of these changes is one step under the interpreter's own lock.
_open: dict[int, OpenConnection] = {}
"""The connections of this process, by the `id` of the connection."""
_inherited: list[OpenConnection] = []
"""The parent's connections. They are kept, as collecting one as garbage would close it."""
_used: "WeakSet[SqliteDatabase]" = WeakSet()


class SqliteDatabase(DriverDatabase):
    """A database whose open connections are known when the process is forked."""

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Connect this thread. Raises `peewee.OperationalError` in a child that must not."""
        if any(database.database == self.database for _, database, _ in _inherited):
            raise peewee.OperationalError(
                f"{self.database} was in use by another thread when this process was forked, so "
                "SQLite cannot be used here: start processes with multiprocessing's spawn method."
            )
        _used.add(self)
        connected: bool = super().connect(reuse_if_open)
        connection = self.connection()
        _forget_ended_threads()
        _open[id(connection)] = (threading.current_thread(), self, connection)
        return connected

    def close(self) -> bool:
        """Close this thread's connection; return False if it had none."""
        connection = None if self.is_closed() else self.connection()
        if connection is not None and connection.in_transaction:
            # Ctrl-C came before whoever began it could end it. cysqlite would refuse to close it.
            self.rollback()
        try:
            closed: bool = super().close()
        finally:
            if self.is_closed():
                _open.pop(id(connection), None)
        return closed


def _forget_ended_threads() -> None:
    # A thread that ends without closing its connection leaves it here. Dropping the reference lets
    # Python collect and close it.
    # A copy is made in one step. To make a list of its items is not: each is a new object, for
    # which Python may collect garbage first, and then another thread may connect.
    for key, (thread, _, _) in _open.copy().items():
        if not thread.is_alive():
            _open.pop(key, None)


def _before_fork() -> None:
    _forget_ended_threads()
    for thread, database, connection in list(_open.values()):
        # A connection within a transaction is left open: closing it would lose what was written.
        if thread is threading.current_thread() and not connection.in_transaction:
            database.close()


def _after_fork_in_child() -> None:
    _inherited.extend(_open.values())
    _open.clear()
    for database in _used:
        database.forget_connection()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
