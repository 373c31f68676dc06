"""Begin write transactions with IMMEDIATE and retry with jitter while the database is locked."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import peewee

from storage.database.error_causes import LOCKED, cause_of


@contextmanager
def transaction(database: peewee.Database, *, deadline: float = 5.0) -> Iterator[None]:
    """One transaction that may write. Raises the first error, whatever its rollback says.

    Getting in is retried with jitter for `deadline` seconds: fairer between processes than
    SQLite's own busy timeout. Peewee's `atomic` would answer a full disk with "cannot rollback".
    """
    _begin(database, until=time.monotonic() + deadline)
    try:
        yield
        database.commit()
    except BaseException:
        with suppress(Exception):  # SQLite rolls back by itself on a full disk or an I/O error.
            database.rollback()
        raise


LONGEST_WAIT_S = 0.03
"""Between two tries. Trying more often commits sooner, and takes the processor time that spans need
to be seen: see `writers` in docs/performance.md."""


def _begin(database: peewee.Database, *, until: float) -> None:
    wait = 0.001
    while True:
        try:
            database.begin()
            return
        except peewee.OperationalError as error:
            if cause_of(error) != LOCKED or time.monotonic() > until:
                raise
            time.sleep(wait * random.random())
            wait = min(wait * 2, LONGEST_WAIT_S)
