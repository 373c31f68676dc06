"""Add partitions for the spans of the next days on PostgreSQL, and drop those that are due.

A span lies in the partition of its trace's id, which begins with the milliseconds at which the
trace began. What has no partition of its own, because its id is random or from the past, lies in
the default one: so a batch never fails for want of a partition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from peewee import OperationalError

from storage.database.base import Database
from storage.database.error_causes import LOCKED, cause_of
from storage.database.transactions import transaction

DAY_MS = 24 * 3_600 * 1_000

AHEAD = 7
"""How many days have their partition before they begin. Upkeep may fail for that long."""


class Partition(NamedTuple):
    """A partition with the ids from `low` on and before `high`, both in hex."""

    name: str
    low: str
    high: str

    @property
    def ends_at(self) -> int:
        """Its end in nanoseconds since the epoch."""
        return int(self.high, 16) * 1_000_000


def partitions(database: Database) -> list[Partition]:
    """Return the partitions of days, oldest first; none for a SQLite file."""
    if not database.on_server:
        return []
    return [Partition(*row) for row in database.execute_sql(_PARTITIONS).fetchall()]


def add_partitions(database: Database, *, now: int, days: int = 1) -> None:
    """Add the partitions that are missing from `now` on, each of so many days.

    Spans of these days that are in the default partition move to the new one. `now` is in
    nanoseconds since the epoch. Does nothing for a SQLite file.
    """
    if not database.on_server:
        return
    today = now // 1_000_000 // DAY_MS * DAY_MS
    last = max((int(each.high, 16) for each in partitions(database)), default=today)
    while last <= today + AHEAD * DAY_MS:
        first = max(last, today)
        last = first + days * DAY_MS
        name = f"spans_{datetime.fromtimestamp(first / 1_000, UTC):%Y%m%d}"
        _add(database, Partition(name, f"{first:012x}", f"{last:012x}"))


def _add(database: Database, new: Partition) -> None:
    with transaction(database):
        if database.fetch(f"SELECT to_regclass('{new.name}')", ())[0][0]:
            return  # Another process was quicker.
        for statement in _ADD:
            database.execute_sql(statement.format(*new))


def drop_partitions(database: Database, *, before: int) -> None:
    """Drop the partitions in which all traces began before this time and have ended.

    Their summaries stay. `before` is in nanoseconds since the epoch.
    """
    for each in partitions(database):
        if each.ends_at <= before:
            with transaction(database):
                if not database.fetch(_KEPT, (each.low, each.high, before)):
                    database.execute_sql(f'DROP TABLE "{each.name}"')


@contextmanager
def unless_in_use() -> Iterator[None]:
    """Leave partitions for the next time if somebody reads all spans for longer than a moment.

    Other readers and writers would wait behind a statement that waits for a lock on the table.
    """
    try:
        yield
    except OperationalError as error:
        if cause_of(error) != LOCKED:
            raise


# A bound is shown as FOR VALUES FROM ('019ac1234567') TO ('019ac789abcd').
_PARTITIONS = r"""
SELECT name, bounds[1], bounds[2] FROM (
    SELECT relname AS name, regexp_match(
        pg_get_expr(relpartbound, oid), '\(''([0-9a-f]{12})''\) TO \(''([0-9a-f]{12})''\)'
    ) AS bounds
    FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'spans'::regclass
) AS partitions WHERE bounds IS NOT NULL ORDER BY bounds[1]
"""
# What the default partition has of these days moves before the new one is attached: the server
# refuses to attach a partition while the default one holds rows of it.
_ADD = (
    'CREATE TABLE "{0}" (LIKE "spans" INCLUDING DEFAULTS INCLUDING INDEXES)',
    'WITH "moved" AS (DELETE FROM "spans_default" '
    """WHERE "trace_id" >= '{1}' AND "trace_id" < '{2}' RETURNING *) """
    'INSERT INTO "{0}" SELECT * FROM "moved"',
    """ALTER TABLE "spans" ATTACH PARTITION "{0}" FOR VALUES FROM ('{1}') TO ('{2}')""",
)
_KEPT = (
    "SELECT 1 FROM traces WHERE trace_id >= %s AND trace_id < %s "
    "AND (started_at >= %s OR status = 'running') LIMIT 1"
)
