"""Count thumbs in the summaries and the rollups, and tell apart how somebody rated a trace.

What was rated before is counted now, as facts that wait to be added up.
"""

from typing import Any

from peewee import Database, SqliteDatabase

from storage.database.migrations.frozen_sql import run

COUNTED = {"traces": "INTEGER", "rollups": "BIGINT", "facts": "BIGINT"}

SCORES_SQLITE = """
CREATE TABLE "scores_by_source" (
    "trace_id" TEXT NOT NULL, "name" TEXT NOT NULL, "user" TEXT NOT NULL, "value" DOUBLE PRECISION,
    "label" TEXT, "recorded_at" BIGINT NOT NULL, "source" TEXT NOT NULL DEFAULT '', "text" TEXT,
    PRIMARY KEY ("trace_id", "name", "user", "source")
);
INSERT INTO "scores_by_source" ("trace_id", "name", "user", "value", "label", "recorded_at")
    SELECT "trace_id", "name", "user", "value", "label", "recorded_at" FROM "scores";
DROP TABLE "scores";
ALTER TABLE "scores_by_source" RENAME TO "scores";
"""

SCORES_POSTGRESQL = """
ALTER TABLE "scores" ADD COLUMN "source" TEXT NOT NULL DEFAULT '', ADD COLUMN "text" TEXT,
    ALTER COLUMN "value" DROP NOT NULL, DROP CONSTRAINT "scores_pkey",
    ADD PRIMARY KEY ("trace_id", "name", "user", "source");
"""

INDEXES = """
CREATE INDEX IF NOT EXISTS "tracerow_started_at_thumbs_up_audience_decision"
    ON "traces" ("started_at", "thumbs_up", "audience", "decision") WHERE "thumbs_up" > 0;
CREATE INDEX IF NOT EXISTS "tracerow_started_at_thumbs_down_audience_decision"
    ON "traces" ("started_at", "thumbs_down", "audience", "decision") WHERE "thumbs_down" > 0;
"""

RATED = """
UPDATE "traces" SET
    "thumbs_up" = (SELECT count(*) FROM "scores" WHERE "scores"."trace_id" = "traces"."trace_id"
        AND "scores"."name" = 'user_feedback' AND "scores"."value" > 0.5),
    "thumbs_down" = (SELECT count(*) FROM "scores" WHERE "scores"."trace_id" = "traces"."trace_id"
        AND "scores"."name" = 'user_feedback' AND "scores"."value" < 0.5)
WHERE "trace_id" IN (SELECT "trace_id" FROM "scores")
"""

FACT = """
INSERT INTO "facts" ("starts_at", "dimension", "key", "audience", "team", "traces", "errors",
    "input_tokens", "output_tokens", "cached_tokens", "cost", "priced", "thumbs_up", "thumbs_down")
SELECT "spans"."started_at" / 3600000000000 * 3600000000000, '{dimension}', {key},
    coalesce("spans"."audience", ''), coalesce("spans"."team", ''), 0, 0, 0, 0, 0, 0, 0,
    "traces"."thumbs_up", "traces"."thumbs_down"
FROM "traces" JOIN "spans" ON "spans"."trace_id" = "traces"."trace_id"
WHERE "traces"."thumbs_up" + "traces"."thumbs_down" > 0 AND {key} IS NOT NULL AND {condition}
"""

OF_ROOT = (
    '"spans"."parent_id" IS NULL AND coalesce("spans"."decision", \'\') <> \'skip\' '
    'AND "spans"."process" IS NOT NULL'
)
OF_CALL = """
"spans"."configured_provider" IS NOT NULL AND "spans"."status" = 'ok' AND NOT EXISTS (
    SELECT 1 FROM "spans" AS "later" WHERE "later"."trace_id" = "spans"."trace_id"
    AND "later"."configured_provider" IS NOT NULL AND "later"."status" = 'ok'
    AND "later"."ended_at" > "spans"."ended_at"
)
"""


def up(migrator: Any, database: Database) -> None:
    # The first migrations created the tables of their day's models until their SQL was frozen.
    for table, kind in COUNTED.items():
        there = {column.name for column in database.get_columns(table)}
        for column in ("thumbs_up", "thumbs_down"):
            if column not in there:
                definition = f'"{column}" {kind} NOT NULL DEFAULT 0'
                run(database, f'ALTER TABLE "{table}" ADD COLUMN {definition}')
    if "source" not in {column.name for column in database.get_columns("scores")}:
        is_sqlite = isinstance(database, SqliteDatabase)
        run(database, SCORES_SQLITE if is_sqlite else SCORES_POSTGRESQL)
    run(database, INDEXES)
    run(database, RATED)
    for dimension in ("all", "platform", "channel", "user", "agent"):
        key = "''" if dimension == "all" else f'"spans"."{dimension}"'
        run(database, FACT.format(dimension=dimension, key=key, condition=OF_ROOT))
    for dimension in ("provider", "model"):
        key = f'"spans"."{dimension}"'
        run(database, FACT.format(dimension=dimension, key=key, condition=OF_CALL))
