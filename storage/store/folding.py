"""Move rollups of days into their months, and of rare keys into one row, in a transaction.

The caller has begun a transaction. A row that moves is deleted and added in it, so that it counts
once at every moment, and moving it again changes nothing.
"""

from collections.abc import Sequence
from typing import Any

from storage.database.base import Database
from storage.model.retention import OTHERS
from storage.store.grains import DAY_NS, month_end, month_start
from storage.store.rollups import Row, merge, take

RowKey = tuple[Any, ...]
"""Level, dimension …: the values of `storage.store.rollups.KEY_FIELDS`."""


def fold_days(database: Database, keys: Sequence[RowKey]) -> None:
    """Move the rows of these days to those of their months."""
    merge(database, [_of_month(row) for row in take(database, keys)])


def fold_keys(database: Database, keys: Sequence[RowKey]) -> None:
    """Move these rows to the row of others with the same period, dimension and audience."""
    merge(database, [(*row[:3], OTHERS, *row[4:]) for row in take(database, keys)])


def days_of(month: RowKey) -> list[RowKey]:
    """Return the keys of the rows of days that a row of a month takes in."""
    _, start, *rest = month[:5]
    return [("day", day, *rest) for day in range(start, month_end(start), DAY_NS)]


def _of_month(row: Row) -> Row:
    return ("month", month_start(row[1]), *row[2:])
