"""Lend connections to threads, a statement or a transaction at a time.

A bot has dozens of threads, of which hardly any is in the database at one moment. A server has room
for about a hundred connections of all its clients.

A connection that the server ended while nobody used it, at a restart or a failover, shows that by
its socket, and is replaced before anybody notices. After a connection could not be opened, others
fail at once for a moment: if the server does not answer, each of them would wait for seconds.

Nothing here takes a lock, which a fork could leave locked for ever in the child: each change of a
list or a set is one step under the interpreter's own lock, and between `take` and `give_back` a
connection belongs to one thread.
"""

import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from storage.database.error_causes import ConnectionLost

if TYPE_CHECKING:
    from psycopg import Connection

FAIL_FAST_S = 1.0
"""For how long the error of a failed attempt to connect is raised again instead of trying anew."""

_inherited: "list[Connection[Any]]" = []
"""The parent's connections, in a forked child. Closing one would end the parent's session."""


class Pool:
    """Keep up to *most* connections, and those that nobody uses open for the next one."""

    def __init__(self, connect: "Callable[[], Connection[Any]]", *, most: int) -> None:
        self._connect = connect
        self._most = most
        self._reset()

    def abandon(self) -> None:
        """In a forked child, leave the parent's connections alone, and begin without any."""
        _inherited.extend([*self._idle, *self._lent])
        self._reset()

    def _reset(self) -> None:
        self._free = threading.BoundedSemaphore(self._most)
        self._idle: list[Connection[Any]] = []
        self._lent: set[Connection[Any]] = set()
        self._retired: set[Connection[Any]] = set()
        self._failed: tuple[float, Exception] | None = None

    def take(self, *, patience: float) -> "Connection[Any]":
        """Return a connection for this thread alone. Raises the error of connecting."""
        if not self._free.acquire(timeout=patience):
            raise ConnectionLost(
                f"all {self._most} connections of this process were in use for {patience:g} s"
            )
        try:
            connection = self._idle_one() or self._new_one()
        except BaseException:
            self._free.release()
            raise
        self._lent.add(connection)
        return connection

    def give_back(self, connection: "Connection[Any]") -> None:
        """Take a connection back. One that is broken, or within a transaction, is closed."""
        if connection not in self._lent:
            return  # Lent before a fork, to the parent.
        self._lent.discard(connection)
        retired = connection in self._retired
        self._retired.discard(connection)
        if retired or connection.closed or connection.info.transaction_status != 0:
            _close(connection)
        else:
            self._idle.append(connection)
        self._free.release()

    def retire(self) -> None:
        """Close all connections once they are given back: their server is lost, or only reads."""
        self._retired |= self._lent
        self.close()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            with suppress(IndexError):  # Another thread took it.
                _close(self._idle.pop())

    def __del__(self) -> None:
        # Of a database that nobody closed. Whoever still uses a connection refers to the database,
        # so all connections are idle.
        self.close()

    def _idle_one(self) -> "Connection[Any] | None":
        while self._idle:
            try:
                # The one used last, so that of many from a busy moment the same few are used.
                connection = self._idle.pop()
            except IndexError:
                return None
            if _is_quiet(connection):
                return connection
            _close(connection)
        return None

    def _new_one(self) -> "Connection[Any]":
        failed = self._failed  # Another thread may connect and forget it meanwhile.
        if failed and time.monotonic() < failed[0]:
            raise failed[1].with_traceback(None)
        try:
            connection = self._connect()
        except Exception as error:
            self._failed = (time.monotonic() + FAIL_FAST_S, error)
            raise
        self._failed = None
        return connection


def _is_quiet(connection: "Connection[Any]") -> bool:
    """Return False if the server has ended the session: it has said so, or hung up."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _close(connection: "Connection[Any]") -> None:
    with suppress(Exception):  # It is gone, one way or the other.
        connection.close()
