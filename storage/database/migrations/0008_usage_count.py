"""Add to each trace the number of its spans that report tokens or a cost."""

from typing import Any

from peewee import Database

from storage.database.migrations.frozen_sql import run

SQL = """
ALTER TABLE "traces" ADD COLUMN "usage_count" INTEGER;
"""


def up(migrator: Any, database: Database) -> None:
    # The first migrations created the tables of their day's models until their SQL was frozen.
    if "usage_count" not in {column.name for column in database.get_columns("traces")}:
        run(database, SQL)
