"""End queries that take too long. While one reads, the write-ahead log can only grow."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.database.base import Database
from storage.database.error_causes import INTERRUPTED, cause_of
from storage.errors import QueryTimeout


@contextmanager
def query_timeout(database: Database, seconds: float) -> Iterator[None]:
    """End this thread's queries within the block after `seconds`. Raises `QueryTimeout`."""
    try:
        with database.time_limit(seconds):
            yield
    except Exception as error:
        if cause_of(error) == INTERRUPTED:
            raise QueryTimeout(
                f"This takes longer than {seconds:g} s: ask for less with --since or a filter."
            ) from error
        raise
