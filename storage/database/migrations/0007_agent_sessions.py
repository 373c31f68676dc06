"""Create the table of the sessions in which agents answered threads."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "agent_sessions" (
    "team" TEXT NOT NULL, "channel" TEXT NOT NULL, "thread_ts" TEXT NOT NULL,
    "agent" TEXT NOT NULL, "provider" TEXT NOT NULL, "session_id" TEXT, "settings" TEXT NOT NULL,
    "thread" TEXT NOT NULL, "since" TEXT NOT NULL, "trace_id" TEXT NOT NULL,
    "input_tokens" BIGINT NOT NULL, "output_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL,
    PRIMARY KEY ("team", "channel", "thread_ts", "agent", "provider")
);
CREATE INDEX IF NOT EXISTS "agentsessionrow_trace_id" ON "agent_sessions" ("trace_id");
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
