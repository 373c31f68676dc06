"""Remove the times at which processes were seen from what they hold: heartbeats tell that."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run


def up(migrator: Any, database: Database) -> None:
    for table in ("accepted_messages", "unfinished_replies"):
        if "seen_at" in {column.name for column in database.get_columns(table)}:
            run(database, f'ALTER TABLE "{table}" DROP COLUMN "seen_at"')
