"""End queries that take too long. While one reads, the write-ahead log can only grow."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from peewee import Database

from storage.database.error_causes import INTERRUPTED, cause_of
from storage.database.shared_file import SharedDatabase
from storage.errors import QueryTimeout

STEPS = 10_000
"""Steps of SQLite's virtual machine between two looks at the clock: about a millisecond."""


@contextmanager
def query_timeout(database: Database, seconds: float) -> Iterator[None]:
    """End this thread's queries within the block after `seconds`. Raises `QueryTimeout`.

    Does nothing on PostgreSQL.
    """
    if not isinstance(database, SharedDatabase):
        yield
        return
    connection, until = database.connection(), time.monotonic() + seconds
    connection.progress(lambda: time.monotonic() > until, STEPS)
    try:
        yield
    except Exception as error:
        if cause_of(error) == INTERRUPTED:
            raise QueryTimeout(
                f"This takes longer than {seconds:g} s: ask for less with --since or a filter."
            ) from error
        raise
    finally:
        if not connection.is_closed():
            connection.progress(None)
