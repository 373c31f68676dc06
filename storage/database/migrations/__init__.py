"""The tables' history. Each `NNNN_name.py` here has `up(migrator, database)`, applied once.

One process applies what is missing while others wait; each migration and its record are one
transaction. A database that knows migrations which are not here is of a newer tracebot.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import peewee

from storage.database.lock_files import locked
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
    with _one_at_a_time(database, patience=patience):
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
def _one_at_a_time(database: peewee.Database, *, patience: float) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(Path(f"{database.database}.migrating"), patience=patience))
        except BlockingIOError as error:
            raise TemporarilyUnavailable(
                f"Another process is changing the tables of {database.database}: try again when it "
                "is done."
            ) from error
        yield
