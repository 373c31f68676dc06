"""Create the first tables."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "spans" (
    "trace_id" TEXT NOT NULL, "span_id" TEXT NOT NULL, "parent_id" TEXT, "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL, "status" TEXT NOT NULL, "started_at" BIGINT NOT NULL, "ended_at" BIGINT,
    "duration_ns" BIGINT, "platform" TEXT, "audience" TEXT, "team" TEXT, "channel" TEXT,
    "thread_ts" TEXT, "message_ts" TEXT, "user" TEXT, "agent" TEXT, "configured_provider" TEXT,
    "provider" TEXT, "model" TEXT, "input_tokens" BIGINT, "output_tokens" BIGINT,
    "cached_tokens" BIGINT, "cost" BIGINT, "cost_source" TEXT, "decision" TEXT, "reason" TEXT,
    "text" TEXT, "error_type" TEXT, "error_message" TEXT, "attributes" TEXT, "events" TEXT,
    "links" TEXT, "scope" TEXT, "process" TEXT, PRIMARY KEY ("trace_id", "span_id")
);
CREATE INDEX IF NOT EXISTS "spanrow_process" ON "spans" ("process") WHERE ("status" = 'running');

CREATE TABLE IF NOT EXISTS "traces" (
    "trace_id" TEXT NOT NULL PRIMARY KEY, "rooted" INTEGER NOT NULL, "name" TEXT,
    "status" TEXT NOT NULL, "platform" TEXT, "audience" TEXT, "team" TEXT, "channel" TEXT,
    "thread_ts" TEXT, "message_ts" TEXT, "user" TEXT, "agent" TEXT, "provider" TEXT, "model" TEXT,
    "started_at" BIGINT NOT NULL, "ended_at" BIGINT, "duration_ns" BIGINT,
    "span_count" INTEGER NOT NULL, "error_count" INTEGER NOT NULL, "input_tokens" BIGINT,
    "output_tokens" BIGINT, "cached_tokens" BIGINT, "cost" BIGINT, "decision" TEXT, "reason" TEXT,
    "text" TEXT, "error_message" TEXT
);
CREATE INDEX IF NOT EXISTS "tracerow_started_at" ON "traces" ("started_at");
CREATE INDEX IF NOT EXISTS "tracerow_agent_started_at" ON "traces" ("agent", "started_at");
CREATE INDEX IF NOT EXISTS "tracerow_status_started_at" ON "traces" ("status", "started_at");
CREATE INDEX IF NOT EXISTS "tracerow_channel_thread_ts_started_at"
    ON "traces" ("channel", "thread_ts", "started_at");
CREATE INDEX IF NOT EXISTS "tracerow_user_started_at" ON "traces" ("user", "started_at");
CREATE INDEX IF NOT EXISTS "tracerow_audience_started_at" ON "traces" ("audience", "started_at");

CREATE TABLE IF NOT EXISTS "rollups" (
    "level" TEXT NOT NULL, "starts_at" BIGINT NOT NULL, "dimension" TEXT NOT NULL,
    "key" TEXT NOT NULL, "audience" TEXT NOT NULL, "team" TEXT NOT NULL, "traces" BIGINT NOT NULL,
    "errors" BIGINT NOT NULL, "input_tokens" BIGINT NOT NULL, "output_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL, "cost" BIGINT NOT NULL, "priced" BIGINT NOT NULL,
    "latency" BYTEA, PRIMARY KEY ("level", "dimension", "starts_at", "audience", "key")
);

CREATE TABLE IF NOT EXISTS "metrics" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY, "name" TEXT NOT NULL, "value" DOUBLE PRECISION NOT NULL,
    "labels" TEXT, "recorded_at" BIGINT NOT NULL, "trace_id" TEXT, "span_id" TEXT
);
CREATE INDEX IF NOT EXISTS "metricrow_name_recorded_at" ON "metrics" ("name", "recorded_at");

CREATE TABLE IF NOT EXISTS "logs" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY, "level" TEXT NOT NULL, "message" TEXT NOT NULL,
    "attributes" TEXT, "recorded_at" BIGINT NOT NULL, "trace_id" TEXT, "span_id" TEXT
);
CREATE INDEX IF NOT EXISTS "logrow_trace_id" ON "logs" ("trace_id");

CREATE TABLE IF NOT EXISTS "scores" (
    "trace_id" TEXT NOT NULL, "name" TEXT NOT NULL, "user" TEXT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL, "label" TEXT, "recorded_at" BIGINT NOT NULL,
    PRIMARY KEY ("trace_id", "name", "user")
);

CREATE TABLE IF NOT EXISTS "claims" (
    "key" TEXT NOT NULL PRIMARY KEY, "owner" TEXT NOT NULL, "claimed_at" BIGINT NOT NULL,
    "expires_at" BIGINT NOT NULL, "done_at" BIGINT
);

CREATE TABLE IF NOT EXISTS "subscriptions" (
    "team" TEXT NOT NULL, "channel" TEXT NOT NULL, "local_time" TEXT NOT NULL,
    "time_zone" TEXT NOT NULL, "created_by" TEXT NOT NULL, "created_at" BIGINT NOT NULL,
    PRIMARY KEY ("team", "channel")
);

CREATE TABLE IF NOT EXISTS "processes" (
    "process" TEXT NOT NULL PRIMARY KEY, "started_at" BIGINT NOT NULL, "last_batch" BIGINT NOT NULL
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
