"""Create the table of replies that are not in their final form in Slack yet."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "unfinished_replies" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "trace_id" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "team" TEXT NOT NULL,
    "channel" TEXT NOT NULL,
    "thread_ts" TEXT NOT NULL,
    "message_ts" TEXT NOT NULL,
    "user" TEXT NOT NULL,
    "ts" TEXT,
    "ending" TEXT,
    "process" TEXT NOT NULL,
    "begun_at" BIGINT NOT NULL,
    "seen_at" BIGINT NOT NULL
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
