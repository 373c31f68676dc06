"""Add to each digest the days on which it comes, and what is posted if nothing happened."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

ADDED = {"days": "daily", "quiet": "line"}
"""The columns, and what the digests of before have in them."""


def up(migrator: Any, database: Database) -> None:
    there = {column.name for column in database.get_columns("subscriptions")}
    for column, default in ADDED.items():
        if column not in there:
            definition = f"\"{column}\" TEXT NOT NULL DEFAULT '{default}'"
            run(database, f'ALTER TABLE "subscriptions" ADD COLUMN {definition}')
