"""Add partitions for the spans of the next days on PostgreSQL, and drop those that are due.

A span lies in the partition of its trace's id, which begins with the milliseconds at which the
trace began. What is older than the first day is in `spans_past`. What has no partition, because a
clock is ahead or nobody added one, is in the default one: so a batch never fails for want of a
partition. The server reads all of the default one whenever it adds a day, while others wait: so it
should hold little.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from peewee import OperationalError, PeeweeException

from storage.database.base import Database
from storage.database.error_causes import LOCKED, NO_RIGHT, READ_ONLY, cause_of
from storage.database.transactions import transaction

logger = logging.getLogger("tracebot.storage")

DAY_MS = 24 * 3_600 * 1_000

AHEAD = 7
"""So many days are there before they begin: as long may upkeep fail."""

MOST_MOVED = 10_000
"""Spans of a day that move into its partition, while others wait. If there are more, they stay."""

MANY = 100
"""Days, after which those that are added without a limit of age are divided less finely."""

LONG = 30
"""Days of one of those."""


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
    return [each for each in _ranges(database) if each.low] if database.on_server else []


def _ranges(database: Database) -> list[Partition]:
    """Return the partition of the past, whose `low` is "", and those of days."""
    return [Partition(*row) for row in database.execute_sql(_RANGES).fetchall()]


def keep_ahead(database: Database) -> None:
    """Add what is missing by the server's clock, so that nothing depends on a bot's upkeep.

    Errors are logged, not raised: spans are stored without it, too.
    """
    if not database.on_server:
        return
    try:
        with if_possible():
            if not database.fetch(_IS_AHEAD, ())[0][0]:
                add_partitions(database, now=database.now())
    except PeeweeException as error:
        logger.warning("Partitions for the next days are added later: %s", error)


def add_partitions(database: Database, *, now: int, days: int | None = None) -> None:
    """Add what is missing from `now` on, in nanoseconds, each of so many days.

    The few spans of these days that the default partition has move to the new one. Does nothing for
    a SQLite file.
    """
    if not database.on_server:
        return
    first = now // 1_000_000 // DAY_MS * DAY_MS
    end = first + AHEAD * DAY_MS
    known = _ranges(database)
    if not known or known[0].low:
        _begin(database, min([_hex(first), *(each.low for each in known)]))
    length = (days or (1 if len(known) < MANY else LONG)) * DAY_MS
    while first <= end:
        later = [each for each in known if each.high > _hex(first)]
        if later and later[0].low <= _hex(first):
            first = int(later[0].high, 16)
            continue
        last = min([first + length, *(int(each.low, 16) for each in later)])
        name = f"spans_{datetime.fromtimestamp(first / 1_000, UTC):%Y%m%d}"
        _add(database, Partition(name, _hex(first), _hex(last)))
        first = last


def _hex(milliseconds: int) -> str:
    return f"{milliseconds:012x}"


def _begin(database: Database, low: str) -> None:
    """Turn the default partition into that of the past, before `low`, unless it is there."""
    with transaction(database):
        if not _exists(database, "spans_past"):
            for statement in _BEGIN:
                database.execute_sql(statement.format(low))


def _add(database: Database, new: Partition) -> None:
    with transaction(database):
        if _exists(database, new.name):
            return  # Another process was quicker.
        if database.fetch(_COUNT, (new.low, new.high, MOST_MOVED))[0][0] == MOST_MOVED:
            return
        for statement in ADD:
            database.execute_sql(statement.format(*new))


def _exists(database: Database, name: str) -> bool:
    # Not by `to_regclass`, which may remember that there was none before this waited for its lock.
    return bool(database.fetch(_FIND, (name,)))


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
def if_possible() -> Iterator[None]:
    """Leave partitions for the next time if the server does not allow it, or not now.

    Somebody may read all spans for longer than a moment: other readers and writers would wait
    behind a statement that waits for a lock on the table.
    """
    try:
        yield
    except OperationalError as error:
        if cause_of(error) not in (LOCKED, NO_RIGHT, READ_ONLY):
            raise


# A bound is shown as FOR VALUES FROM (MINVALUE) TO ('019ac1234567') or FROM ('019ac1234567') TO ….
_RANGES = r"""
SELECT name, coalesce(bounds[1], ''), bounds[2] FROM (
    SELECT relname AS name, regexp_match(
        pg_get_expr(relpartbound, oid),
        '\((?:MINVALUE|''([0-9a-f]{12})'')\) TO \(''([0-9a-f]{12})''\)'
    ) AS bounds
    FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE inhparent = 'spans'::regclass
) AS partitions WHERE bounds IS NOT NULL ORDER BY 2
"""
_IS_AHEAD = f"""
SELECT to_regclass(
    'spans_' || to_char((now() AT TIME ZONE 'UTC') + interval '{AHEAD} days', 'YYYYMMDD')
) IS NOT NULL
"""
_BEGIN = (
    'ALTER TABLE "spans" DETACH PARTITION "spans_default"',
    'ALTER TABLE "spans_default" RENAME TO "spans_past"',
    'ALTER INDEX "spans_default_pkey" RENAME TO "spans_past_pkey"',
    'CREATE TABLE "spans_default" (LIKE "spans" INCLUDING DEFAULTS INCLUDING INDEXES)',
    """WITH "moved" AS (DELETE FROM "spans_past" WHERE "trace_id" >= '{0}' RETURNING *) """
    'INSERT INTO "spans_default" SELECT * FROM "moved"',
    """ALTER TABLE "spans" ATTACH PARTITION "spans_past" FOR VALUES FROM (MINVALUE) TO ('{0}')""",
    'ALTER TABLE "spans" ATTACH PARTITION "spans_default" DEFAULT',
)
_FIND = (
    "SELECT 1 FROM pg_class WHERE relname = %s AND relnamespace = current_schema()::regnamespace"
)
_COUNT = """
SELECT count(*) FROM (
    SELECT 1 FROM spans_default WHERE trace_id >= %s AND trace_id < %s LIMIT %s
) AS few
"""
ADD = (
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
