"""The first tables."""

from typing import Any

from peewee import Database

from storage.database.models import TABLES


def up(migrator: Any, database: Database) -> None:
    for table in TABLES:
        with table.bind_ctx(database):
            table.create_table()
