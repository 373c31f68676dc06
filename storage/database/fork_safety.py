"""SQLite's connections of this process, which a forked child must leave alone.

In a child SQLite would take the parent's locks for its own, and to close a connection there may
undo what the parent is writing (https://sqlite.org/howtocorrupt.html, 2.6). So a thread that forks
closes its own connections first. Those of other threads the child keeps, untouched, and opens none
of its own to the same file: what it records waits in the spool.
"""

import os
import threading
from typing import Any
from weakref import WeakSet

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase

_open: dict[int, tuple[threading.Thread, "SqliteDatabase", Any]] = {}
_inherited: list[tuple[threading.Thread, "SqliteDatabase", Any]] = []
_used: "WeakSet[SqliteDatabase]" = WeakSet()


class SqliteDatabase(CySqliteDatabase):  # type: ignore[misc]
    """Peewee's, and its connections are known."""

    def _connect(self) -> Any:
        if any(database.database == self.database for _, database, _ in _inherited):
            raise peewee.OperationalError(
                f"{self.database} was in use by another thread when this process was forked: "
                "SQLite cannot be used here (start processes with multiprocessing's spawn)"
            )
        _used.add(self)
        connection = super()._connect()
        _forget_ended_threads()
        _open[id(connection)] = (threading.current_thread(), self, connection)
        return connection

    def _close(self, conn: Any) -> None:
        _open.pop(id(conn), None)
        super()._close(conn)


def _forget_ended_threads() -> None:
    for key, (thread, _, _) in list(_open.items()):
        if not thread.is_alive():
            _open.pop(key, None)


def _before_fork() -> None:
    _forget_ended_threads()
    for thread, database, connection in list(_open.values()):
        if thread is threading.current_thread() and not connection.in_transaction:
            database.close()


def _after_fork_in_child() -> None:
    _inherited.extend(_open.values())
    _open.clear()
    for database in _used:
        database._lock = threading.Lock()  # Another thread may have held it.
        database.dispose()  # Forgets this thread's connection; it is not closed, as we hold it.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
