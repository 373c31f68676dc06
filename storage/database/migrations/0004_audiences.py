"""Name the team in private audiences, and create the table of channels that became private.

Two workspaces in one database may know the same channel or user, whose audiences were one.
"""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
UPDATE "spans" SET "audience" = "team" || '/' || "audience" WHERE "audience" <> "team";
UPDATE "traces" SET "audience" = "team" || '/' || "audience" WHERE "audience" <> "team";
UPDATE "tombstones" SET "audience" = "team" || '/' || "audience" WHERE "audience" <> "team";
UPDATE "rollups" SET "audience" = "team" || '/' || "audience"
    WHERE "team" <> '' AND "audience" NOT IN ('', '*') AND "audience" <> "team";

CREATE TABLE IF NOT EXISTS "private_channels" (
    "team" TEXT NOT NULL, "channel" TEXT NOT NULL, PRIMARY KEY ("team", "channel")
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
