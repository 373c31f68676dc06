"""Create the table by which the machines that share a server know of each other's erasures."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "erasures" (
    "at" BIGINT NOT NULL, "line" TEXT NOT NULL, "done" INTEGER NOT NULL, PRIMARY KEY ("at", "line")
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
