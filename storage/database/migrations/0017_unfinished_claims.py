"""Add to each unfinished turn the key by which its process claims the message."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run


def up(migrator: Any, database: Database) -> None:
    if "claim" not in {column.name for column in database.get_columns("unfinished_replies")}:
        run(
            database,
            'ALTER TABLE "unfinished_replies" ADD COLUMN "claim" TEXT NOT NULL DEFAULT \'\'',
        )
