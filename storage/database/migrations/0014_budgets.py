"""Create the tables of budgets, and of what running turns reserve of them."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "budgets" (
    "id" TEXT NOT NULL PRIMARY KEY, "team" TEXT NOT NULL, "dimension" TEXT NOT NULL,
    "key" TEXT NOT NULL, "period" TEXT NOT NULL, "soft" BIGINT NOT NULL, "hard" BIGINT,
    "time_zone" TEXT NOT NULL, "channel" TEXT, "created_by" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS "reservations" (
    "trace_id" TEXT NOT NULL, "agent" TEXT NOT NULL, "team" TEXT NOT NULL,
    "channel" TEXT NOT NULL, "user" TEXT NOT NULL, "amount" BIGINT NOT NULL,
    "process" TEXT NOT NULL, "reserved_at" BIGINT NOT NULL,
    PRIMARY KEY ("trace_id", "agent")
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
