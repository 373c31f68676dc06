"""Create the full-text index of the summaries, and let all of them wait to be added to it.

Triggers keep it right, also for a process of an earlier version: a summary that is changed or
removed leaves the index at once, and a new one waits in `search_queue` until a process adds it.
PostgreSQL has no index.
"""

from typing import Any

from peewee import Database, SqliteDatabase

STATEMENTS = (
    'CREATE TABLE "search_queue" ("trace" INTEGER NOT NULL PRIMARY KEY)',
    """
    CREATE VIRTUAL TABLE "search_index" USING fts5(
        words, content='', contentless_delete=1, detail=none, tokenize='ascii'
    )
    """,
    """
    CREATE TRIGGER "search_added" AFTER INSERT ON "traces" BEGIN
        INSERT INTO "search_queue" VALUES (new.rowid);
    END
    """,
    """
    CREATE TRIGGER "search_changed" AFTER UPDATE OF "name", "text", "agent", "error_message"
    ON "traces" WHEN old."name" IS NOT new."name" OR old."text" IS NOT new."text"
        OR old."agent" IS NOT new."agent" OR old."error_message" IS NOT new."error_message"
    BEGIN
        DELETE FROM "search_index" WHERE rowid = old.rowid;
        INSERT INTO "search_queue" SELECT new.rowid
        WHERE NOT EXISTS (SELECT 1 FROM "search_queue" WHERE "trace" = new.rowid);
    END
    """,
    """
    CREATE TRIGGER "search_removed" AFTER DELETE ON "traces" BEGIN
        DELETE FROM "search_index" WHERE rowid = old.rowid;
        DELETE FROM "search_queue" WHERE "trace" = old.rowid;
    END
    """,
    'INSERT INTO "search_queue" SELECT rowid FROM "traces"',
)


def up(migrator: Any, database: Database) -> None:
    if isinstance(database, SqliteDatabase):
        for statement in STATEMENTS:
            database.execute_sql(statement)
