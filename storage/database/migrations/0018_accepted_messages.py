"""Create the table of accepted messages, of which one in each thread holds its lane."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "accepted_messages" (
    "trace_id" TEXT NOT NULL PRIMARY KEY,
    "team" TEXT NOT NULL,
    "channel" TEXT NOT NULL,
    "thread_ts" TEXT NOT NULL,
    "message_ts" TEXT NOT NULL,
    "user" TEXT NOT NULL,
    "position" TEXT NOT NULL,
    "details" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "changed" INTEGER NOT NULL,
    "process" TEXT NOT NULL,
    "accepted_at" BIGINT NOT NULL,
    "seen_at" BIGINT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS "acceptedmessagerow_team_channel_thread_ts"
    ON "accepted_messages" ("team", "channel", "thread_ts") WHERE "state" <> 'waiting';
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
    # An unfinished turn is an accepted message now, which is claimed when it is stored.
    if "claim" in {column.name for column in database.get_columns("unfinished_replies")}:
        run(database, 'ALTER TABLE "unfinished_replies" DROP COLUMN "claim"')
