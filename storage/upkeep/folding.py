"""Fold old statistics: keep days without their hours, then months instead of days.

Most rollups are hours of users and channels, which nobody looks at any more after some weeks. A day
counts what its hours do, so these are only deleted; days are added up into months, and in a month
the users and channels that are counted least become one key. Totals stay the same. Everything
happens in short transactions; what a process that dies leaves undone, the next run does.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from storage.database.base import Database
from storage.database.models import RollupRow
from storage.database.statements import Statement
from storage.database.transactions import transaction
from storage.model.figures import COMMAND, FIGURE, TOOL
from storage.model.retention import CROWDED, NAMED, OTHERS, Folding
from storage.store.folding import RowKey, fold_days, fold_keys
from storage.store.grains import DAY_NS, MARK, Grains, grains_of, month_end, month_start
from storage.store.rollups import CALL, CONTEXT, ISSUE, KEY_FIELDS, SUMS, merge, take

ROWS_A_TRANSACTION = 500
"""They take about 8 ms."""

LONGEST_PAUSE_S = 0.05

READ = 20_000
"""Rows that are sorted together."""

DIMENSIONS = ("all", "decision", ISSUE, *CONTEXT, *CALL, FIGURE, COMMAND, TOOL)


@dataclass(frozen=True, slots=True)
class Folded:
    """How many rollups of hours and days are gone, and how many of months became others."""

    hours: int = 0
    days: int = 0
    keys: int = 0


def fold(database: Database, folding: Folding, *, now: int) -> Folded:
    """Fold what is older than the limits, and return how much that was."""
    grains = _advance(database, folding, now)
    # A day counts what its hours do, so that nothing is left to add.
    hours = _each_few(database, _old(database, "hour", grains.hours_since), take)
    days = _each_few(database, _old(database, "day", grains.days_since), fold_days)
    keys = _each_few(database, _rare_keys(database), fold_keys)
    return Folded(hours, days, keys)


def _advance(database: Database, folding: Folding, now: int) -> Grains:
    """Store since when hours and days are kept, before any of them goes, and return it.

    From then on nobody counts a part of a day or a month.
    """
    with transaction(database):
        before = grains_of(database)
        grains = _next(before, folding, now)
        if grains != before:
            RollupRow.delete().where(RollupRow.level == MARK).execute(database)
            marks = (("hour", grains.hours_since), ("day", grains.days_since))
            nothing = (*(0 for _ in SUMS), None)
            merge(database, [(MARK, since, name, "", "", "", *nothing) for name, since in marks])
    return grains


def _next(before: Grains, folding: Folding, now: int) -> Grains:
    """Return the grains that follow. What is folded stays so, also if the ages have grown.

    Only grains from while the clock was ahead go back, to the end of this month: hours would else
    not be kept until that time has come.
    """
    days_since = max(
        month_start(max(now - folding.days_ns, 0)), min(before.days_since, month_end(now))
    )
    hours = max(now - folding.hours_ns, 0)
    tomorrow = now - now % DAY_NS + DAY_NS
    hours_since = max(hours - hours % DAY_NS, min(before.hours_since, tomorrow))
    return Grains(max(hours_since, days_since), days_since)


def _each_few(
    database: Database,
    groups: Iterable[Sequence[RowKey]],
    change: Callable[[Database, Sequence[RowKey]], object],
) -> int:
    """Call `change` with a few rows in each transaction, and return the number of all rows."""
    changed = 0
    for keys in groups:
        for start in range(0, len(keys), ROWS_A_TRANSACTION):
            began = time.monotonic()
            with transaction(database):
                change(database, keys[start : start + ROWS_A_TRANSACTION])
            # A process that begins its next transaction at once leaves the others no moment.
            time.sleep(min(time.monotonic() - began, LONGEST_PAUSE_S))
        changed += len(keys)
    return changed


def _old(database: Database, level: str, before: int) -> Iterator[list[RowKey]]:
    """Yield the keys of a level's rows that begin before a time, until there are none."""
    for dimension in DIMENSIONS:
        while found := OLDEST.fetch(database, (level, dimension, before)):
            # By key, so that a row of a month changes once and not once for each of its days.
            yield sorted(map(tuple, found), key=lambda row: (row[4], row[3], row[1]))


def _rare_keys(database: Database) -> Iterator[list[RowKey]]:
    """Yield the keys of the rows that a month of an audience does not name."""
    for dimension in CROWDED:
        # One more key is as good as a row of others.
        for starts_at, audience in CROWDS.fetch(database, (dimension, NAMED + 1)):
            found = RANKED.fetch(database, (dimension, starts_at, audience, OTHERS))
            yield [("month", starts_at, dimension, key, audience) for (key,) in found[NAMED:]]


OLDEST = Statement(
    lambda database: (
        f"SELECT {', '.join(KEY_FIELDS)} FROM rollups WHERE level = ? "
        f"AND dimension = ? AND starts_at < ? ORDER BY starts_at LIMIT {READ}".replace(
            "?", database.param
        )
    )
)
CROWDS = Statement(
    lambda database: (
        "SELECT starts_at, audience FROM rollups WHERE level = 'month' "
        "AND dimension = ? GROUP BY starts_at, audience HAVING COUNT(*) > ?".replace(
            "?", database.param
        )
    )
)
RANKED = Statement(
    lambda database: (
        "SELECT key FROM rollups WHERE level = 'month' AND dimension = ? "
        "AND starts_at = ? AND audience = ? AND key <> ? "
        f"ORDER BY traces DESC, key COLLATE {database.by_code_point}".replace("?", database.param)
    )
)
