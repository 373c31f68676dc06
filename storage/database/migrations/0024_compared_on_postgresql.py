"""Keep in two indexes on PostgreSQL what lists compare without an index, such as a cost.

A list of the traces that cost more than a dollar reads the index alone then, and not each trace.
SQLite has no INCLUDE.
"""

from typing import Any

from peewee import Database, SqliteDatabase

INCLUDED = """
INCLUDE ("trace_id", "cost", "duration_ns", "input_tokens", "output_tokens", "model")
"""

STATEMENTS = (
    'DROP INDEX "tracerow_started_at_audience_decision"',
    f"""
    CREATE INDEX "tracerow_started_at_audience_decision"
    ON "traces" ("started_at", "audience", "decision") {INCLUDED}
    """,
    'DROP INDEX "tracerow_audience_started_at_decision"',
    f"""
    CREATE INDEX "tracerow_audience_started_at_decision"
    ON "traces" ("audience", "started_at", "decision") {INCLUDED}
    WHERE ("audience" IS NOT NULL)
    """,
)


def up(migrator: Any, database: Database) -> None:
    if not isinstance(database, SqliteDatabase):
        for statement in STATEMENTS:
            database.execute_sql(statement)
