"""Create the tables of alerts: their rules, and how each one is doing."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "alert_rules" (
    "id" TEXT NOT NULL PRIMARY KEY, "team" TEXT NOT NULL, "channel" TEXT NOT NULL,
    "condition" TEXT NOT NULL, "created_by" TEXT NOT NULL, "created_at" BIGINT NOT NULL,
    "in_file" INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS "alert_states" (
    "rule_id" TEXT NOT NULL PRIMARY KEY, "level" TEXT NOT NULL, "told" TEXT NOT NULL,
    "recent" TEXT NOT NULL, "value" DOUBLE PRECISION, "since" BIGINT NOT NULL,
    "begun_at" BIGINT, "seq" BIGINT NOT NULL, "posted" BIGINT NOT NULL,
    "tests" BIGINT NOT NULL, "tests_posted" BIGINT NOT NULL, "thread_ts" TEXT,
    "acknowledged_by" TEXT, "snoozed_until" BIGINT NOT NULL
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
