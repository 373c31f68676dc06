"""Create the tables by which a bot's processes know of each other: notices and heartbeats."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "notices" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY, "team" TEXT NOT NULL, "topic" TEXT NOT NULL,
    "key" TEXT NOT NULL, "process" TEXT NOT NULL, "posted_at" BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS "heartbeats" (
    "process" TEXT NOT NULL PRIMARY KEY, "team" TEXT NOT NULL, "version" TEXT NOT NULL,
    "mode" TEXT NOT NULL, "state" TEXT NOT NULL, "problem" TEXT NOT NULL,
    "started_at" BIGINT NOT NULL, "seen_at" BIGINT NOT NULL
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
