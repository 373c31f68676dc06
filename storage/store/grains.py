"""Tell whether the rollups of a time are kept by hour, by day or by month.

Each hour is also counted in its day. Once hours are old they are deleted, and days that are older
still are moved into their months (`storage.upkeep.folding`). Two marks among the rollups say since
when hours and days are kept: what is added later, and what is read, follows them at once, however
far the moving has come.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from storage.database.base import Database
from storage.database.statements import Statement

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
LENGTHS = {"hour": HOUR_NS, "day": DAY_NS}

MARK = "folded"
"""The level of the two marks. Their dimension is `hour` or `day`, their start since when."""


@dataclass(frozen=True, slots=True)
class Grains:
    """Since when rollups are kept by hour and by day, in ns; before that only by month.

    `hours_since` is the start of a UTC day, `days_since` that of a month and never later.
    """

    hours_since: int = 0
    days_since: int = 0

    def level(self, at: int) -> Literal["hour", "day", "month"]:
        """Return the level of the finest rollup that counts what began at this time."""
        if at >= self.hours_since:
            return "hour"
        return "day" if at >= self.days_since else "month"

    def start(self, at: int) -> int:
        """Return the start of that rollup."""
        level = self.level(at)
        return month_start(at) if level == "month" else at - at % LENGTHS[level]

    def end(self, at: int) -> int:
        """Return the end of that rollup."""
        level = self.level(at)
        return month_end(at) if level == "month" else self.start(at) + LENGTHS[level]

    def lasting(self, at: int) -> tuple[str, int]:
        """Return the level and the start of the coarsest rollup that counts it: a day or a month.

        Days are not counted in their months: one that is folded is moved.
        """
        day = at - at % DAY_NS
        return ("day", day) if day >= self.days_since else ("month", month_start(at))


def month_start(at: int) -> int:
    return _ns(_first(at))


def month_end(at: int) -> int:
    return _ns((_first(at) + timedelta(days=32)).replace(day=1))


def _first(at: int) -> datetime:
    moment = datetime.fromtimestamp(at // SECOND_NS, UTC)
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND_NS


def grains_of(database: Database) -> Grains:
    """Return the grains of this database."""
    since = dict(MARKS.fetch(database, ()))
    return Grains(since.get("hour", 0), since.get("day", 0))


MARKS = Statement(
    lambda database: (
        f"SELECT dimension, MAX(starts_at) FROM rollups WHERE level = '{MARK}' GROUP BY dimension"
    )
)
