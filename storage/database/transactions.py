"""Write in transactions that begin with IMMEDIATE, and wait while the database is locked.

IMMEDIATE takes SQLite's write lock at once. A transaction that reads first and then writes could
find that another process has written in between, and would have to be repeated as a whole.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import peewee

from storage.database.error_causes import LOCKED, cause_of


@contextmanager
def transaction(database: peewee.Database, *, deadline: float | None = None) -> Iterator[None]:
    """Run the block in one transaction, and roll it back if it fails.

    Try to begin for `deadline` seconds, or for as long as the database waits for a lock; then raise
    the error of the last try. The waits are random, which is fairer between processes than SQLite's
    own busy timeout.
    """
    patience = getattr(database, "timeout", 0.0) if deadline is None else deadline
    _begin(database, until=time.monotonic() + patience)
    try:
        yield
        database.commit()
    except BaseException:
        # On a full disk or an I/O error SQLite has rolled back already, and this fails. The first
        # error is the one to raise; Peewee's `atomic` would raise "cannot rollback" in its place.
        with suppress(Exception):
            database.rollback()
        raise


LONGEST_WAIT_S = 0.005
"""Longest wait between two tries, which take 10 microseconds each.

With 30 ms, the lock was free for a third of the time that others slept (8 writers on 2 CPUs).
"""


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
