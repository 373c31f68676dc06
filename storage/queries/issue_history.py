"""Read from the rollups, which count any number of failures, when issues occurred."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from storage.database.base import Database
from storage.store.grains import DAY_NS, HOUR_NS, Grains, month_end
from storage.store.rollups import EVERYONE, ISSUE

FACT = "fact"
"""The level of a count that is not added to its hour, day or month yet."""

LENGTHS = {FACT: HOUR_NS, "hour": HOUR_NS, "day": DAY_NS}


class Occurrence(NamedTuple):
    """When a rollup begins and ends, and in how many traces the issue occurred within it."""

    level: str
    begins: int
    ends: int
    traces: int


def histories(
    database: Database,
    *,
    audiences: Collection[str] | None,
    names: Collection[str] | None = None,
) -> dict[str, list[Occurrence]]:
    """Return the rollups and the waiting facts of issues, of all of them if `names` is None.

    One statement reads both, so that nothing is missing while another process adds them up.
    """
    mark = database.param
    seen, everyone = "", f" AND audience = {mark}"
    of_seen, of_everyone = list(audiences or ()), [EVERYONE]
    if audiences is not None:
        seen = everyone = f" AND audience IN ({', '.join([mark] * len(of_seen)) or 'NULL'})"
        of_everyone = of_seen
    columns = "key, starts_at, traces"
    parts = (
        (f"'{FACT}' AS level, {columns} FROM facts WHERE TRUE", seen, of_seen),
        (f"level, {columns} FROM rollups WHERE level = 'hour'", seen, of_seen),
        (f"level, {columns} FROM rollups WHERE level = 'day'", everyone, of_everyone),
        (f"level, {columns} FROM rollups WHERE level = 'month'", everyone, of_everyone),
    )
    sql = " UNION ALL ".join(
        f"SELECT {part} AND dimension = {mark}{limit}" for part, limit, _ in parts
    )
    values = [value for *_, some in parts for value in (ISSUE, *some)]
    found: dict[str, list[Occurrence]] = {}
    for level, name, begins, count in database.execute_sql(sql, values).fetchall():
        # A fact that takes one back has a negative count.
        if (names is None or name in names) and (count > 0 or level == FACT):
            ends = month_end(begins) if level == "month" else begins + LENGTHS[level]
            found.setdefault(name, []).append(Occurrence(level, begins, ends, count))
    return found


def total(past: Sequence[Occurrence]) -> int:
    """Return in how many traces it occurred. Hours are left out: a day or month counts them."""
    return sum(each.traces for each in past if each.level != "hour")


def first_times(past: Sequence[Occurrence]) -> Iterator[int]:
    """Yield the beginnings of rollups; of a day or month only if none of its hours is kept."""
    hours = [each.begins for each in past if each.level in (FACT, "hour")]
    for each in past:
        if each.level in (FACT, "hour") or not any(
            each.begins <= hour < each.ends for hour in hours
        ):
            yield each.begins


def within(
    past: Sequence[Occurrence], grains: Grains, *, since: int, until: int
) -> Iterator[Occurrence]:
    """Yield the finest rollups of a period, which begins with that of `since`."""
    first = grains.start(since)
    for each in past:
        is_finest = each.level in (FACT, grains.level(each.begins))
        if is_finest and first <= each.begins < until:
            yield each


def times(past: Sequence[Occurrence], *, since: int, known: Sequence[int]) -> list[int]:
    """Return a time for each trace that is not among the *known* times: its rollup's beginning."""
    counts: Counter[tuple[int, int]] = Counter()
    for each in past:
        counts[each.begins, each.ends] += each.traces
    earliest_first = sorted(known)
    found = []
    for (start, end), count in counts.items():
        told = bisect_left(earliest_first, end) - bisect_left(earliest_first, start)
        found += [max(start, since)] * max(count - told, 0)
    return found
