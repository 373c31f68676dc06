"""Bring the tables of a database up to date.

Each `NNNN_name.py` here has a function `up(migrator, database)`, which is applied once. Its SQL is
frozen: a migration that used today's models would create tomorrow's columns on a new database, and
fail in the later migration that adds them. A changed model therefore needs a new migration.

One process applies what is missing while others wait. A migration and the record that it was
applied are one transaction. A database with a record of a migration that is not here was changed by
a newer tracebot.
"""

import logging
from pathlib import Path

from storage.database.base import Database
from storage.errors import NewerDatabase

HERE = Path(__file__).parent
HISTORY = "schema_migration"

logger = logging.getLogger("tracebot.storage")


def migrate(database: Database, *, folder: Path = HERE, patience: float = 60.0) -> list[str]:
    """Apply the migrations in `folder` that are missing, and return their names.

    Wait at most `patience` seconds for another process that migrates. Raises `NewerDatabase` and
    `TemporarilyUnavailable`.
    """
    known = {path.stem for path in folder.glob("[0-9]*.py")}
    before = _applied(database, known=known)
    if before == known:
        return []
    with database.migrating(patience=patience):
        # Peewee's runner looks again what is missing: another process may just have applied it.
        from playhouse.migrations import Runner

        applied: list[str] = Runner(database, str(folder), table_name=HISTORY).up()
    if before and applied:
        logger.info("The tables of %s were brought up to %s.", database.label, applied[-1])
    return applied


def missing(database: Database) -> set[str]:
    """Return the migrations that are not applied. Raises `NewerDatabase`."""
    known = {path.stem for path in HERE.glob("[0-9]*.py")}
    return known - _applied(database, known=known)


def _applied(database: Database, *, known: set[str]) -> set[str]:
    if not database.table_exists(HISTORY):
        return set()
    rows = database.execute_sql(f'SELECT "name" FROM "{HISTORY}"').fetchall()
    applied = {row[0] for row in rows}
    if newer := applied - known:
        raise NewerDatabase(
            f"The database {database.label} was changed by a newer tracebot (it has {max(newer)}): "
            "update tracebot, or name another database."
        )
    return applied
