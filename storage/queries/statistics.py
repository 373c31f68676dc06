"""Compute counts, percentiles, tokens and cost of a period from rollups and facts."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from storage.database.base import Database
from storage.database.models import TraceRow
from storage.model.filters import meant
from storage.model.retention import OTHERS
from storage.model.semconv import HANDLED_ELSEWHERE
from storage.queries.rollup_sums import Row, added_up
from storage.store import rollups
from storage.store.grains import DAY_NS, HOUR_NS, SECOND_NS, Grains, grains_of
from storage.store.histogram import Histogram, extended
from storage.store.recount import recount

TRACES_AT_A_TIME = 200
"""Traces of a channel whose spans are read by one query: it names each of them."""

TIMES = ("hour", "day")
"""The values of `by` that are times, not dimensions. Their keys are nanoseconds."""

NAMES = ("agent", "provider", "model")
"""Dimensions whose keys are names that people type. Those of the others are ids."""

MOST_LOOKED_UP = 400
"""Days, times audiences, that are looked up one by one. From about 600 on, it takes less time to
read the days from the first to the last, with all of their audiences."""

NEVER = 2**62
"""A time later than any, in nanoseconds."""

ALL = "all"
"""The dimension that has one key, for the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One line of statistics. Percentiles are in nanoseconds, None if no trace ended.

    `cost` is in micro-dollars, None if no call had a known cost.
    """

    key: str
    traces: int
    errors: int
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int | None
    thumbs_up: int = 0
    thumbs_down: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of a period. `since` and `until` are in nanoseconds since the epoch.

    What is counted begins at `grains.start(since)`: old statistics are only kept by day or month.
    """

    since: int
    until: int
    total: Group
    groups: tuple[Group, ...]
    grains: Grains = Grains()


def statistics(
    database: Database,
    *,
    since: int,
    until: int,
    by: str | None = None,
    audiences: Collection[str] | None = None,
    channel: str | None = None,
    only: tuple[str, str] | None = None,
    time_zone: str = "UTC",
) -> Statistics:
    """Return counts, percentiles (within 1%), tokens and cost of a period.

    `by` is a dimension of `storage.database.models.RollupRow`, `hour`, or `day` in `time_zone`.
    Groups are sorted by their number of traces, times by time. The key of a time is its start in
    nanoseconds. Rollups are hourly, so `since` is rounded down to an hour and `until` up; of a time
    that is only kept by UTC day or by month, to these, which then stand in place of hours and
    local days, too. A local day begins with the hour that begins in it. The last group may be
    `OTHERS`, for users or channels that an old month does not name. By decision, a message that
    several processes received counts once, for the one that handled it.

    `only` limits them to the keys that are meant by a name in a dimension, such as `("agent",
    "claude")` (`storage.model.filters.meant`); `by` is then that dimension, a time or None, because
    rollups do not tell the others apart by it.

    `channel` limits them to the traces of one channel that `audiences`, then required, may see.
    They are counted from its spans, because rollups do not tell the other dimensions apart by
    channel, so keep the period short.
    """
    if channel is None:
        # Days of other zones are added up from hours, UTC's are kept as they are.
        read_by = "hour" if by == "day" and time_zone != "UTC" else by
        dimensions = [ALL] if by in (None, *TIMES) else [ALL, by]
        grains, rows = rows_of_period(
            database,
            since=since,
            until=until,
            dimensions=[only[0]] if only else dimensions,
            by=read_by,
            audiences=audiences,
            only=only and only[1],
        )
    else:
        grains = Grains()
        rows = channel_rows(
            database, channel, since=since, until=until, by=by, audiences=audiences or ()
        )
    whole = only[0] if only else ALL
    total = group_of("", [row for row in rows if row[0] == whole])
    if by in TIMES:
        start = _days_of(time_zone, grains) if by == "day" else grains.start
        groups = _by_time(rows, start)
    else:
        elsewhere = ("decision", HANDLED_ELSEWHERE)
        groups = _by_key(row for row in rows if row[0] == by and row[:2] != elsewhere)
    return Statistics(since, until, total, tuple(groups), grains)


def _by_time(rows: Iterable[Row], start: Callable[[int], int]) -> list[Group]:
    times: dict[int, list[Row]] = {}
    for row in rows:
        times.setdefault(start(row[1]), []).append(row)
    return [group_of(str(time), times[time]) for time in sorted(times)]


def _by_key(rows: Iterable[Row]) -> list[Group]:
    keys: dict[str, list[Row]] = {}
    for row in rows:
        keys.setdefault(row[1], []).append(row)
    groups = [group_of(key, some) for key, some in keys.items()]
    return sorted(groups, key=lambda group: (group.key == OTHERS, -group.traces, group.key))


def _days_of(time_zone: str, grains: Grains) -> Callable[[int], int]:
    """Return a function that returns the start of the local day in which an hour begins.

    The day in which hours begin to be kept starts with the first of them, because those before it
    are in UTC's days.
    """
    zone = ZoneInfo(time_zone)

    def start(at: int) -> int:
        if grains.level(at) != "hour":
            return grains.start(at)
        midnight = datetime.fromtimestamp(at // SECOND_NS, zone).replace(hour=0, minute=0, fold=0)
        return max(int(midnight.timestamp()) * SECOND_NS, grains.hours_since)

    return start


def rows_of_period(
    database: Database,
    *,
    since: int,
    until: int,
    dimensions: Sequence[str],
    audiences: Collection[str] | None,
    by: str | None = None,
    only: str | None = None,
    daily: bool = False,
) -> tuple[Grains, list[Row]]:
    """Return the rows that cover the period, and the grains by which they were chosen.

    `only` limits them to the keys that are meant by a name, of one dimension. `daily` is for
    dimensions without rollups by hour.
    """
    if audiences is not None and not audiences:
        return Grains(), []
    while True:
        stored = grains_of(database)
        grains = replace(stored, hours_since=NEVER) if daily else stored
        end = grains.end(until - 1)
        if by != "hour":
            end = _end(database, end, dimensions)
        parts = partial(
            _parts,
            database,
            grains,
            grains.start(since),
            end,
            dimensions=dimensions,
            audiences=audiences,
        )
        keys = None if only is None else _meant(database, dimensions[0], only, parts(by=None))
        rows = added_up(database, *parts(by=by, only=keys))
        # They change before any row is folded. Then these may be a part of what they were.
        if grains_of(database) == stored:
            return grains, rows


def _end(database: Database, end: int, dimensions: Sequence[str]) -> int:
    """Return the end of the day if nothing is stored that began later in it, else `end`.

    Most periods end now. So today is read as one row for each key, and not as one for each hour.
    """
    midnight = end + -end % DAY_NS
    mark = database.param
    later = (
        f"dimension IN ({_marks(database, dimensions)}) "
        f"AND starts_at >= {mark} AND starts_at < {mark}"
    )
    values = [*dimensions, end, midnight]
    found = database.fetch(
        f"SELECT EXISTS (SELECT 1 FROM rollups WHERE level = {mark} AND {later}) "
        f"OR EXISTS (SELECT 1 FROM facts WHERE {later})",
        ["hour", *values, *values],
    )
    return end if found[0][0] else midnight


Part = tuple[str, list[Any]]
"""A query with its values."""


def _meant(database: Database, dimension: str, only: str, rows: Part) -> tuple[str, ...]:
    """Return the keys in these rows that are meant by a name, or the name itself."""
    if dimension not in NAMES:
        return (only,)
    sql, values = rows
    found = database.execute_sql(f"SELECT DISTINCT key FROM ({sql}) AS part", values).fetchall()
    return meant(dimension, only, [key for (key,) in found]) or (only,)


def _parts(
    database: Database,
    grains: Grains,
    first: int,
    last: int,
    *,
    dimensions: Sequence[str],
    by: str | None,
    audiences: Collection[str] | None,
    only: Sequence[str] | None = None,
) -> Part:
    """Return a query of the rows that cover a period: by month or day where it is whole, else hour.

    One statement reads them with the facts that are not added up yet: nothing is counted twice, and
    nothing is missing, while another process adds them up.
    """
    mark = database.param
    key = "starts_at" if by in TIMES else "key"
    columns = f"dimension, {key} AS key, {', '.join(rollups.SUMS)}, latency"
    those = f"dimension IN ({_marks(database, dimensions)})"
    within = f"starts_at >= {mark} AND starts_at < {mark}"
    seen, of_seen = "", list(audiences or ())
    if audiences is not None:
        seen = f" AND audience IN ({_marks(database, of_seen)})"
    if only is not None:
        seen, of_seen = f"{seen} AND key IN ({_marks(database, only)})", [*of_seen, *only]
    parts = [f"SELECT {columns} FROM facts WHERE {those} AND {within}{seen}"]
    values: list[Any] = [*dimensions, first, last, *of_seen]
    for level, start, end in periods(grains, first, last, days=by != "hour"):
        when, times = within, [start, end]
        days = range(start, end, DAY_NS)
        if level == "day" and len(days) * len(audiences or (rollups.EVERYONE,)) <= MOST_LOOKED_UP:
            when, times = f"starts_at IN ({_marks(database, days)})", [*days]
        part = f"SELECT {columns} FROM rollups WHERE level = {mark} AND {those} AND {when}{seen}"
        values += [level, *dimensions, *times, *of_seen]
        if audiences is None and level != "hour":
            # They have rows for everyone beside those by audience; to add both would count twice.
            part += f" AND audience = {mark}"
            values.append(rollups.EVERYONE)
        parts.append(part)
    return " UNION ALL ".join(parts), values


def _marks(database: Database, values: Collection[object]) -> str:
    return ", ".join([database.param] * len(values))


def channel_rows(
    database: Database,
    channel: str,
    *,
    since: int,
    until: int,
    by: str | None,
    audiences: Collection[str],
) -> list[Row]:
    """Count the traces of a channel, and return rows as `rows_of_period` does."""
    first, last = since - since % HOUR_NS, until + -until % HOUR_NS
    query = TraceRow.select(TraceRow.trace_id).where(
        TraceRow.channel == channel,
        TraceRow.started_at >= first,
        TraceRow.started_at < last,
        TraceRow.audience.in_(list(audiences)),
    )
    ids = [trace_id for (trace_id,) in query.tuples().execute(database)]
    return [
        (
            dimension,
            starts_at if by in TIMES else key,
            *(getattr(added, name) for name in rollups.SUMS),
            [extended(None, added.durations)] if added.durations else [],
        )
        for start in range(0, len(ids), TRACES_AT_A_TIME)
        for (_, starts_at, dimension, key, *_), added in recount(
            database, ids[start : start + TRACES_AT_A_TIME], audiences=audiences
        ).items()
        if dimension in (ALL, by)
    ]


def periods(grains: Grains, first: int, last: int, *, days: bool) -> Iterable[tuple[str, int, int]]:
    """Return `(level, start, end)` of the rows to read; with `days`, by day where that is exact."""
    first_day, last_day = first + -first % DAY_NS, last - last % DAY_NS
    if not days:
        # Hours begin later only if the period begins with whole days, see `Grains.start`.
        first_day, last_day = first, max(first, min(last, grains.hours_since))
    elif first_day >= last_day:
        return [("hour", first, last)]
    parts = [
        ("hour", first, first_day),
        ("month", first_day, min(last_day, grains.days_since)),
        ("day", first_day, last_day),
        ("hour", last_day, last),
    ]
    return [(level, start, end) for level, start, end in parts if start < end]


def group_of(key: str, rows: Sequence[Row]) -> Group:
    # Turn rows into columns: one for each sum, and the histograms.
    columns = list(zip(*rows, strict=True))[2:] if rows else [()] * (len(rollups.SUMS) + 1)
    sums = dict(zip(rollups.SUMS, map(sum, columns[:-1]), strict=True))
    priced, cost = sums.pop("priced"), sums.pop("cost")
    latency = Histogram(chain.from_iterable(columns[-1]))
    return Group(
        key=key,
        p50_ns=latency.quantile(0.50),
        p95_ns=latency.quantile(0.95),
        p99_ns=latency.quantile(0.99),
        cost=cost if priced else None,
        **sums,
    )
