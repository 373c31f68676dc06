"""Create the table of what batches add to the rollups, until it is added up."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
CREATE TABLE IF NOT EXISTS "facts" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY, "starts_at" BIGINT NOT NULL, "dimension" TEXT NOT NULL,
    "key" TEXT NOT NULL, "audience" TEXT NOT NULL, "team" TEXT NOT NULL, "traces" BIGINT NOT NULL,
    "errors" BIGINT NOT NULL, "input_tokens" BIGINT NOT NULL, "output_tokens" BIGINT NOT NULL,
    "cached_tokens" BIGINT NOT NULL, "cost" BIGINT NOT NULL, "priced" BIGINT NOT NULL,
    "latency" BYTEA
);
"""


def up(migrator: Any, database: Database) -> None:
    run(database, SQL)
