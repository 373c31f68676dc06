"""Replace the indexes of lists by ones that also hold what a list asks of every row.

Databases of different ages meet here: 0001 once created the tables and indexes of whatever version
ran it, so some have the old indexes and some already have the new ones.
"""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
DROP INDEX IF EXISTS "tracerow_agent_started_at";
DROP INDEX IF EXISTS "tracerow_audience_started_at";
DROP INDEX IF EXISTS "tracerow_channel_thread_ts_started_at";
DROP INDEX IF EXISTS "tracerow_started_at";
DROP INDEX IF EXISTS "tracerow_status_started_at";
DROP INDEX IF EXISTS "tracerow_user_started_at";

CREATE INDEX IF NOT EXISTS "tracerow_agent_started_at_audience_decision"
    ON "traces" ("agent", "started_at", "audience", "decision") WHERE ("agent" IS NOT NULL);
CREATE INDEX IF NOT EXISTS "tracerow_audience_started_at_decision"
    ON "traces" ("audience", "started_at", "decision") WHERE ("audience" IS NOT NULL);
CREATE INDEX IF NOT EXISTS "tracerow_channel_started_at_audience_decision"
    ON "traces" ("channel", "started_at", "audience", "decision") WHERE ("channel" IS NOT NULL);
CREATE INDEX IF NOT EXISTS "tracerow_message_ts_channel_started_at"
    ON "traces" ("message_ts", "channel", "started_at") WHERE ("message_ts" IS NOT NULL);
CREATE INDEX IF NOT EXISTS "tracerow_platform_started_at_audience_decision"
    ON "traces" ("platform", "started_at", "audience", "decision");
CREATE INDEX IF NOT EXISTS "tracerow_started_at_audience_decision"
    ON "traces" ("started_at", "audience", "decision");
CREATE INDEX IF NOT EXISTS "tracerow_status_started_at_audience_decision"
    ON "traces" ("status", "started_at", "audience", "decision") WHERE "status" <> 'ok';
CREATE INDEX IF NOT EXISTS "tracerow_thread_ts_channel_started_at"
    ON "traces" ("thread_ts", "channel", "started_at") WHERE ("thread_ts" IS NOT NULL);
CREATE INDEX IF NOT EXISTS "tracerow_user_started_at_audience_decision"
    ON "traces" ("user", "started_at", "audience", "decision") WHERE ("user" IS NOT NULL);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
