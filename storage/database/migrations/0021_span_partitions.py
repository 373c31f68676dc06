"""Divide the spans on PostgreSQL into partitions by the beginning of their trace's id, its time.

The key stays that of SQLite, and so does what a batch that comes again finds. The table of before
becomes the default partition as it is. `storage.database.partitions` adds one for each day, to be
dropped as a whole.
"""

from typing import Any

from peewee import Database, SqliteDatabase

STATEMENTS = (
    'ALTER TABLE "spans" RENAME TO "spans_default"',
    'ALTER INDEX "spans_pkey" RENAME TO "spans_default_pkey"',
    'ALTER INDEX "spanrow_process" RENAME TO "spans_default_process"',
    """
    CREATE TABLE "spans" (
        LIKE "spans_default" INCLUDING DEFAULTS,
        CONSTRAINT "spans_pkey" PRIMARY KEY ("trace_id", "span_id")
    ) PARTITION BY RANGE ("trace_id")
    """,
    """
    CREATE INDEX "spanrow_process" ON "spans" ("process") WHERE ("status" = 'running')
    """,
    # Random ids, of other senders: nearly all are beyond those of the next 80 years. In the default
    # partition they would be looked through whenever a day is added.
    """
    CREATE TABLE "spans_random"
    (LIKE "spans" INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING CONSTRAINTS)
    """,
    """
    WITH "moved" AS (DELETE FROM "spans_default" WHERE "trace_id" >= '04' RETURNING *)
    INSERT INTO "spans_random" SELECT * FROM "moved"
    """,
    'ALTER TABLE "spans" ATTACH PARTITION "spans_random" FOR VALUES FROM (\'04\') TO (MAXVALUE)',
    'ALTER TABLE "spans" ATTACH PARTITION "spans_default" DEFAULT',
)


def up(migrator: Any, database: Database) -> None:
    if not isinstance(database, SqliteDatabase):
        for statement in STATEMENTS:
            database.execute_sql(statement)
