"""What a database says its tables, columns and indexes are, to compare two of them."""

import re
from typing import Any

from peewee import Database, SqliteDatabase

from storage.database.migrations import HISTORY

SQLITE = f"""
SELECT tbl_name, name, sql FROM sqlite_master
WHERE sql IS NOT NULL AND tbl_name <> '{HISTORY}' AND name NOT LIKE 'search%'
"""
SEARCH_INDEX = "SELECT tbl_name, name, sql FROM sqlite_master WHERE name LIKE 'search%'"
POSTGRESQL = f"""
SELECT table_name, column_name, ordinal_position || data_type || is_nullable
  || coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '{HISTORY}'
  AND table_name !~ '^(spans|search)_'
UNION ALL
SELECT tablename, indexname, replace(indexdef, ' ON ONLY ', ' ON ')
FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '{HISTORY}'
  AND tablename !~ '^(spans|search)_'
"""


def schema_of(database: Database) -> list[tuple[Any, ...]]:
    """Return rows of a table, one of its columns or indexes, and its definition.

    The full-text index, partitions, and what an index of PostgreSQL has besides its key are left
    out, as no model describes them.
    """
    query = SQLITE if isinstance(database, SqliteDatabase) else POSTGRESQL
    rows = database.execute_sql(query).fetchall()
    return sorted((table, name, _tidied(definition)) for table, name, definition in rows)


def search_index_of(database: SqliteDatabase) -> list[tuple[Any, ...]]:
    """Return the same rows of the full-text index, its tables and its triggers."""
    return sorted(database.execute_sql(SEARCH_INDEX).fetchall())


def _tidied(definition: str) -> str:
    """SQLite keeps the line breaks of the statement that created a table."""
    definition = re.sub(r" INCLUDE \([^)]*\)", "", definition)
    return re.sub(r"(?<=\() | (?=[),])", "", re.sub(r"\s+", " ", definition))
