"""Tell what was spent of a budget, what running turns will add, and what a question costs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from storage.coordination.budgets import Budget
from storage.coordination.reservations import Reservation
from storage.database.base import Database
from storage.queries.statistics import periods
from storage.store.grains import grains_of
from storage.store.rollups import EVERYONE

SIMILAR = 200
"""How many of an agent's newest turns are looked through for those of the same channel."""

LOOKED_THROUGH = 1_000
"""How many of its newest turns are looked through for these: few may have a known cost."""

ENOUGH = 3
"""So many turns of a channel say more about it than those of all channels."""


@dataclass(frozen=True, slots=True)
class Spending:
    """A budget and what was spent of it in the period from `since` to `until`.

    `reserved` is what running turns will probably add. Amounts are in micro-dollars.
    """

    budget: Budget
    since: int
    until: int
    spent: int
    reserved: int

    @property
    def total(self) -> int:
        return self.spent + self.reserved

    @property
    def share(self) -> float:
        """Return the used part of the soft limit; above 1 it is passed."""
        return self.total / self.budget.soft

    @property
    def suspends(self) -> bool:
        return self.total >= self.budget.soft

    @property
    def refuses(self) -> bool:
        return self.budget.hard is not None and self.total >= self.budget.hard


def spending(
    database: Database, budget: Budget, reserved: Iterable[Reservation], *, now: int
) -> Spending:
    """Return what was spent of a budget until now."""
    since, until = budget.period_at(now)
    running = sum(each.amount for each in reserved if budget.counts(each.spender))
    return Spending(budget, since, until, _spent(database, budget, since, now), running)


def _spent(database: Database, budget: Budget, since: int, now: int) -> int:
    """Add up rollups and the facts that wait, which one statement reads. Hours count as a whole."""
    while True:
        grains = grains_of(database)
        first, last = grains.start(since), grains.end(now)
        parts, values = ["SELECT cost FROM facts WHERE {same} AND starts_at >= {mark}"], []
        same = [budget.dimension, budget.key, *([budget.team] if budget.team else [])]
        values += [*same, first]
        for level, start, end in periods(grains, first, last, days=True):
            part = (
                "SELECT cost FROM rollups WHERE level = {mark} AND {same} "
                "AND starts_at >= {mark} AND starts_at < {mark}"
            )
            values += [level, *same, start, end]
            if level != "hour" and not budget.team:
                # They have rows for everyone beside those by audience, which belong to a team.
                part += " AND audience = {mark}"
                values.append(EVERYONE)
            parts.append(part)
        total = _sum(database, parts, values, by_team=bool(budget.team))
        # They change before any row is folded. Then these may be a part of what they were.
        if grains_of(database) == grains:
            return total


def _sum(database: Database, parts: Sequence[str], values: list[Any], *, by_team: bool) -> int:
    mark = database.param
    same = f"dimension = {mark} AND key = {mark}"
    if by_team:
        # What nobody in Slack may see is not the team's. A row of an earlier version may say so.
        same += f" AND team = {mark} AND audience <> ''"
    rows = " UNION ALL ".join(part.format(mark=mark, same=same) for part in parts)
    sql = f"SELECT COALESCE(SUM(cost), 0) FROM ({rows}) AS part"
    ((total,),) = database.execute_sql(sql, values).fetchall()
    return int(total)


def usual_cost(
    database: Database,
    *,
    agent: str,
    channel: str,
    audiences: Collection[str],
    here_only: bool = False,
) -> int | None:
    """Return the median cost of an agent's newest turns in a channel, in micro-dollars.

    It is that of all channels of these audiences if there are few in this one, unless `here_only`,
    and None if no cost is known.
    """
    mark, names = database.param, list(audiences) or [""]
    rows = database.execute_sql(
        "SELECT channel, cost FROM (SELECT audience, channel, cost FROM traces "
        f"WHERE agent = {mark} ORDER BY started_at DESC LIMIT {LOOKED_THROUGH}) AS newest "
        f"WHERE audience IN ({', '.join([mark] * len(names))}) "
        f"AND cost IS NOT NULL LIMIT {SIMILAR}",
        [agent, *names],
    ).fetchall()
    here = [cost for where, cost in rows if where == channel]
    costs = here if here_only or len(here) >= ENOUGH else [cost for _, cost in rows]
    return round(median(costs)) if costs else None
