"""All that tracebot uses of a database, whether it is a SQLite file or on a PostgreSQL server.

Everything that differs between the two is a method here. Models, queries and the order of
transactions are the same.
"""

import threading
import time
from abc import abstractmethod
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import peewee

from storage.database.error_causes import INTERRUPTED, cause_of
from storage.errors import DatabaseUnavailable, QueryTimeout


class Database(peewee.Database):
    """A database of tracebot: `shared_file.SharedDatabase` or `postgres.PostgresDatabase`."""

    on_server: ClassVar[bool] = False
    """True if a server checks, compacts and backs up the data, and not tracebot."""

    path: Path
    """Beside it lies what the processes of a machine share: locks, the spool, the files of turns.

    With SQLite it is the database itself; for a server there is no file of this name.
    """
    label: str
    """The name for people. It never holds a password."""
    most_names: ClassVar[int | None] = None
    """How many things a transaction can lock one by one (`begin_writing`); None if it never does.

    One that changes more of them keeps everybody else from writing anything.
    """
    poll_s: ClassVar[float] = 0.05
    """How often those look again who wait for another process: with a file nothing wakes them."""
    by_code_point: ClassVar[str]
    """The name of the collation that sorts text as Python does. A server may use a language's."""
    engine: ClassVar[str]
    """The name of the software: SQLite or PostgreSQL."""
    timeout: float
    """How long a transaction waits for other writers, in seconds."""
    told: tuple[str, float] | None = None
    """Why nothing could be recorded when that was told last, and when by the monotonic clock."""

    if TYPE_CHECKING:  # Peewee has no types for these.
        _state: Any

        def begin(self, lock_type: Any = None) -> None: ...
        def connection(self) -> Any: ...
        def cursor(self, named_cursor: Any = None) -> Any: ...
        def execute(self, query: Any, **context_options: Any) -> Any: ...
        def execute_sql(self, sql: str, params: Any = None) -> Any: ...

    @abstractmethod
    def create(self, *, patience: float = 60.0) -> None:
        """Create what is missing, and bring the tables up to date.

        Wait at most `patience` seconds for another process that does so. Raises as
        `storage.database.migrations.migrate` does, and `NotOurDatabase`.
        """

    @abstractmethod
    def require(self) -> None:
        """Raise `NoDatabase` or `NotOurDatabase` if there is none of tracebot. Changes nothing."""

    @abstractmethod
    def another(self, *, busy_timeout_ms: int, thread_safe: bool = True) -> Self:
        """Return the same database with connections of its own.

        With `thread_safe=False` all threads share one of them.
        """

    def for_reading(self) -> "Database":
        """Return the same database, to be read only. `read_only` does it for a file."""
        raise NotImplementedError

    @abstractmethod
    def migrating(self, *, patience: float) -> AbstractContextManager[None]:
        """Keep other processes from changing the tables. Raises `TemporarilyUnavailable`."""

    def now(self) -> int:
        """Return the time in nanoseconds since the epoch, by the clock of the database.

        By it processes on several machines judge each other's leases. Those who share a file are on
        one machine, whose clock it is.
        """
        return time.time_ns()

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """End this thread's queries within the block after `seconds`. Raises `QueryTimeout`.

        While a query reads a file, its write-ahead log can only grow.
        """
        try:
            with self.interrupting(seconds):
                yield
        except Exception as error:
            if cause_of(error) == INTERRUPTED:
                raise QueryTimeout(
                    f"This takes longer than {seconds:g} s: ask for less with --since or a filter."
                ) from error
            raise

    @abstractmethod
    def interrupting(self, seconds: float) -> AbstractContextManager[None]:
        """End this thread's queries after `seconds` with an error of the cause `INTERRUPTED`."""

    @abstractmethod
    def begin_writing(self, *, patience: float, of: Collection[str] | None = None) -> None:
        """Begin a transaction for `transactions.transaction`, which says what `of` means.

        Wait for others that write for at most `patience` seconds.
        """

    def announce(self) -> None:
        """Wake those who wait for announcements, once this transaction is committed.

        With a file nothing can wake them: they look again after a while.
        """

    def wait_for_announcement(self, closing: threading.Event, *, seconds: float) -> None:
        """Wait until a process announces something, for at most so many seconds.

        With a file, that is until *closing* is set. Only one thread may wait.
        """
        closing.wait(seconds)

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Read within the block what was committed when it began, and nothing later.

        Within a transaction, or another snapshot, it is the one of that.
        """

    @abstractmethod
    def execute_many(
        self, sql: str, rows: Sequence[Sequence[Any]], *, stored: Container[Any] | None = None
    ) -> None:
        """Execute a statement once for each row, in this order.

        `stored` tells which values of their first column are in the table already, so that the
        other rows are certain to be new; None if that is not known.
        """

    @abstractmethod
    def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Execute a statement and return its rows."""

    @abstractmethod
    def look_up(
        self, sql: str, keys: Sequence[Sequence[Any]], *, types: tuple[str, ...], at_a_time: int
    ) -> list[Any]:
        """Return the rows of a `statements.LookUp`, which says what the arguments mean."""

    @abstractmethod
    def go_on_numbering(self, table: str) -> None:
        """Give the next row of a table a higher `id` than those that were inserted with one."""

    @abstractmethod
    def version(self) -> object:
        """Return a value that changes when another connection commits, or more often."""

    @abstractmethod
    def is_current(self) -> bool:
        """Return True if this thread's connection writes to what is found under the name now."""

    @abstractmethod
    def disk_bytes(self) -> int:
        """Return how many bytes of the disk the database takes."""

    @abstractmethod
    def used_bytes(self) -> int:
        """Return about how many of them hold data, and are not free to be used again."""

    @abstractmethod
    def empty_bytes(self) -> int:
        """Return how many of these an empty database would have."""

    def open_doors(self) -> Sequence[str]:
        """Return the hosts or sockets at which a server lets this user in without a password.

        So it does with every program of that user. A file has permissions instead.
        """
        return ()

    def obstacle(self) -> DatabaseUnavailable | None:
        """Return why nothing can be recorded although the database can be read, if that is known.

        Nothing is tried: it is None for a file.
        """
        return None

    @abstractmethod
    def explain(self, error: Exception) -> DatabaseUnavailable:
        """Return an error that says why the database cannot be used and what to do."""
