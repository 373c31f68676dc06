"""The tables' history. Each `NNNN_name.py` here has `up(migrator, database)`, applied once.

One process applies what is missing while others wait; each migration and its record are one
transaction. A database that knows migrations which are not here is of a newer tracebot.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee

from storage.errors import NewerDatabase, TemporarilyUnavailable

HERE = Path(__file__).parent
HISTORY = "schema_migration"


def migrate(database: peewee.Database, *, folder: Path = HERE, patience: float = 60.0) -> list[str]:
    """Bring the tables up to date; the names of what was applied.

    Another process that does so is waited for `patience` seconds. Raises `NewerDatabase` and
    `TemporarilyUnavailable`.
    """
    known = {path.stem for path in folder.glob("[0-9]*.py")}
    if _applied(database, known=known) == known:
        return []
    with _one_at_a_time(database, until=time.monotonic() + patience):
        from playhouse.migrations import Runner

        applied: list[str] = Runner(database, str(folder), table_name=HISTORY).up()
    return applied


def _applied(database: peewee.Database, *, known: set[str]) -> set[str]:
    if not database.table_exists(HISTORY):
        return set()
    rows = database.execute_sql(f'SELECT "name" FROM "{HISTORY}"').fetchall()
    applied = {row[0] for row in rows}
    if newer := applied - known:
        raise NewerDatabase(
            f"The database was changed by a newer tracebot (it has {max(newer)}): update tracebot, "
            "or name another database with TRACEBOT_DATABASE_URL."
        )
    return applied


@contextmanager
def _one_at_a_time(database: peewee.Database, *, until: float) -> Iterator[None]:
    # A lock file of its own: the database's own file must never be opened beside SQLite.
    descriptor = os.open(f"{database.database}.migrating", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        while not _taken(descriptor):
            if time.monotonic() > until:
                raise TemporarilyUnavailable(
                    f"Another process is changing the tables of {database.database}: try again "
                    "when it is done."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
