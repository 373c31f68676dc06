"""Create the index of the summaries' words on PostgreSQL, as 0009 did on SQLite.

Its key is the trace's id, as there are no row ids. A summary that changes leaves the index after it
has joined the queue: so it waits for a process that adds its old words just then.
"""

from typing import Any

from peewee import Database, SqliteDatabase

STATEMENTS = (
    """
    CREATE TABLE "search_queue" ("trace" TEXT NOT NULL PRIMARY KEY, "number" BIGSERIAL NOT NULL)
    """,
    'CREATE INDEX "search_queue_number" ON "search_queue" ("number")',
    """
    CREATE TABLE "search_index" ("trace" TEXT NOT NULL PRIMARY KEY, "words" TSVECTOR NOT NULL)
    """,
    'CREATE INDEX "search_index_words" ON "search_index" USING gin ("words")',
    """
    CREATE FUNCTION "search_added"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO "search_queue" ("trace") SELECT "trace_id" FROM "added"
        ON CONFLICT ("trace") DO UPDATE SET "number" = excluded."number";
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER "search_added" AFTER INSERT ON "traces" REFERENCING NEW TABLE AS "added"
    FOR EACH STATEMENT EXECUTE FUNCTION "search_added"()
    """,
    """
    CREATE FUNCTION "search_changed"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO "search_queue" ("trace") VALUES (new."trace_id")
        ON CONFLICT ("trace") DO UPDATE SET "number" = "search_queue"."number";
        DELETE FROM "search_index" WHERE "trace" = old."trace_id";
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER "search_changed" AFTER UPDATE ON "traces" FOR EACH ROW WHEN (
        old."name" IS DISTINCT FROM new."name" OR old."text" IS DISTINCT FROM new."text"
        OR old."agent" IS DISTINCT FROM new."agent"
        OR old."error_message" IS DISTINCT FROM new."error_message"
    ) EXECUTE FUNCTION "search_changed"()
    """,
    """
    CREATE FUNCTION "search_removed"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        DELETE FROM "search_queue" WHERE "trace" IN (SELECT "trace_id" FROM "removed");
        DELETE FROM "search_index" WHERE "trace" IN (SELECT "trace_id" FROM "removed");
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER "search_removed" AFTER DELETE ON "traces" REFERENCING OLD TABLE AS "removed"
    FOR EACH STATEMENT EXECUTE FUNCTION "search_removed"()
    """,
    """
    INSERT INTO "search_queue" ("trace") SELECT "trace_id" FROM "traces" ORDER BY "started_at"
    """,
)


def up(migrator: Any, database: Database) -> None:
    if not isinstance(database, SqliteDatabase):
        for statement in STATEMENTS:
            database.execute_sql(statement)
