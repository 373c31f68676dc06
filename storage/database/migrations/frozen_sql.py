"""Run the SQL of a migration on SQLite or PostgreSQL."""

import re

from peewee import Database, SqliteDatabase

SQLITE_TYPES = {
    "BIGINT": "INTEGER",
    "BIGSERIAL": "INTEGER",
    "BYTEA": "BLOB",
    "DOUBLE PRECISION": "REAL",
}
"""PostgreSQL's types that SQLite names differently, as Peewee's models name them."""


def run(database: Database, script: str) -> None:
    """Execute statements that are separated by semicolons, with types as PostgreSQL names them."""
    if isinstance(database, SqliteDatabase):
        types = "|".join(SQLITE_TYPES)
        script = re.sub(rf"\b({types})\b", lambda found: SQLITE_TYPES[found[1]], script)
    for statement in script.split(";"):
        if statement.strip():
            database.execute_sql(statement)
