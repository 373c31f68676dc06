"""Store budgets: limits of what agents may cost in a day, a week or a month.

Amounts are in micro-dollars. A period begins at midnight in the budget's time zone, a week on
Monday.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from storage.database.base import Database
from storage.database.models import BudgetRow
from storage.database.statements import Statement
from storage.database.transactions import transaction

SECOND_NS = 1_000_000_000

Dimension = Literal["all", "agent", "channel", "user"]
Period = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit for an agent, a channel or a user, whose name or id is `key`; for all without a key.

    Past `soft` somebody has to agree to each question, past `hard` nothing is asked. `team` is
    empty for a budget that was made in a shell: it counts what all workspaces and shells spend.
    `channel` is where it was made, None in a shell.
    """

    id: str
    dimension: Dimension
    key: str
    period: Period
    soft: int
    hard: int | None = None
    team: str = ""
    time_zone: str = "UTC"
    channel: str | None = None
    created_by: str
    created_at: int

    def period_at(self, now: int) -> tuple[int, int]:
        """Return the start and the end of the period at `now`, in nanoseconds since the epoch."""
        zone = ZoneInfo(self.time_zone)
        first = _first_day(self.period, datetime.fromtimestamp(now / SECOND_NS, zone).date())
        after = _first_day(self.period, first + LONGER[self.period])
        since, until = (datetime.combine(day, time(), zone) for day in (first, after))
        return _ns(since), _ns(until)

    def counts(self, spender: "Spender") -> bool:
        """Return whether this budget is for what *spender* spends."""
        return self.team in ("", spender.team) and self.key == {
            "all": "",
            "agent": spender.agent,
            "channel": spender.channel,
            "user": spender.user,
        }.get(self.dimension)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spender:
    """The agent that is asked, where, and by whom."""

    team: str
    agent: str
    channel: str
    user: str


LONGER: Mapping[Period, timedelta] = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
}
"""From the first day of a period, this leads into the next one."""


def _first_day(period: Period, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def _ns(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * SECOND_NS


def add_budget(database: Database, budget: Budget) -> None:
    with transaction(database):
        BudgetRow.insert(**asdict(budget)).execute(database)


def remove_budget(database: Database, id: str) -> None:
    with transaction(database):
        BudgetRow.delete().where(BudgetRow.id == id).execute(database)


def raise_budget(database: Database, id: str, *, soft: int, hard: int | None) -> None:
    """Set the limits of a budget. Lower ones do not replace those that somebody has just set.

    A hard limit that would be below the soft one becomes as high.
    """
    same = BudgetRow.id == id
    with transaction(database):
        BudgetRow.update(soft=soft).where(same, BudgetRow.soft < soft).execute(database)
        if hard is not None:
            BudgetRow.update(hard=hard).where(
                same, BudgetRow.hard.is_null() | (BudgetRow.hard < hard)
            ).execute(database)
        below = BudgetRow.hard < BudgetRow.soft
        BudgetRow.update(hard=BudgetRow.soft).where(same, below).execute(database)


def budgets(database: Database, *, team: str | None = None) -> tuple[Budget, ...]:
    """Return the budgets in the order in which they were made: of a workspace and of shells."""
    # Each question asks this, most often for nothing: Peewee would take ten times as long.
    rows = (dict(zip(FIELDS, row, strict=True)) for row in ALL.fetch(database, ()))
    return tuple(Budget(**row) for row in rows if team is None or row["team"] in ("", team))


FIELDS = tuple(Budget.__dataclass_fields__)
ALL = Statement(lambda database: f"SELECT {', '.join(FIELDS)} FROM budgets ORDER BY created_at, id")
