"""Tombstones of removed traces, and how upkeep went."""

from typing import Any

from peewee import Database

from storage.database.models import MaintenanceRow, TombstoneRow


def up(migrator: Any, database: Database) -> None:
    for table in (TombstoneRow, MaintenanceRow):
        with table.bind_ctx(database):
            table.create_table()
