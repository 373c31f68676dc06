"""Create the tables of removed traces and of upkeep's results."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

# IF NOT EXISTS: 0001 once created all tables of its version, so a process that was killed between
# the two migrations left these behind.
SQL = """
CREATE TABLE IF NOT EXISTS "tombstones" (
    "trace_id" TEXT NOT NULL PRIMARY KEY, "removed_at" BIGINT NOT NULL, "audience" TEXT,
    "team" TEXT, "channel" TEXT
);

CREATE TABLE IF NOT EXISTS "maintenance" (
    "name" TEXT NOT NULL PRIMARY KEY, "at" BIGINT NOT NULL, "ok" INTEGER NOT NULL, "details" TEXT
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
