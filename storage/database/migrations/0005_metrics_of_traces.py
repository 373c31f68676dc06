"""Index the metrics that belong to traces, by which an erasure finds them."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE INDEX IF NOT EXISTS "metricrow_trace_id"
    ON "metrics" ("trace_id") WHERE ("trace_id" IS NOT NULL);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
