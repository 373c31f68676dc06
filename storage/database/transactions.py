"""Write in transactions that begin with a lock, and wait while somebody else has it.

A transaction that reads first and then writes could find that another process has written in
between, and would have to be repeated as a whole. So it takes SQLite's write lock at once
(IMMEDIATE), and on a server a lock of ours.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from storage.database.base import Database
from storage.database.stopping import raise_if_stopped


@contextmanager
def transaction(
    database: Database, *, deadline: float | None = None, of: Collection[str] | None = None
) -> Iterator[None]:
    """Run the block in one transaction, and roll it back if it fails.

    Try to begin for `deadline` seconds, or for as long as the database waits for a lock; then raise
    the error of the last try. `of` names all that the block reads and changes, such as its traces:
    on a server it then only waits for transactions of the same things, and for those without names.
    """
    raise_if_stopped()
    patience = database.timeout if deadline is None else deadline
    database.begin_writing(patience=patience, of=of)
    try:
        yield
        database.commit()
    except BaseException:
        # This fails if the connection to a server is lost. The first error is the one to raise.
        with suppress(Exception):
            database.rollback()
        raise
