"""Create the table of the issues that somebody resolved or muted."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "issue_states" (
    "issue" TEXT NOT NULL PRIMARY KEY, "state" TEXT NOT NULL, "changed_by" TEXT,
    "changed_at" BIGINT NOT NULL
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
