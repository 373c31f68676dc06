"""Compute counts, percentiles, tokens and cost of a period from the rollups."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import Database

from storage.database.models import RollupRow, TraceRow
from storage.store import rollups
from storage.store.histogram import Histogram, extended
from storage.store.recount import recount
from storage.store.rollups import LEVELS

TRACES_AT_A_TIME = 200
"""Traces of a channel whose spans are read by one query: it names each of them."""

SUMS = tuple(getattr(RollupRow, name) for name in rollups.SUMS)

Row = Sequence[Any]
"""A key, the sums in the order of `storage.store.rollups.SUMS`, and the latency histogram."""


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


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of a period. `since` and `until` are in nanoseconds since the epoch."""

    since: int
    until: int
    total: Group
    groups: tuple[Group, ...]


def statistics(
    database: Database,
    *,
    since: int,
    until: int,
    by: str | None = None,
    audiences: Collection[str] | None = None,
    channel: str | None = None,
) -> Statistics:
    """Return counts, percentiles (within 1%), tokens and cost of a period.

    `by` is a dimension of `storage.database.models.RollupRow`, or `hour`. Groups are sorted by
    their number of traces, hours by time. The key of an hour is its start in nanoseconds. Rollups
    are hourly, so `since` is rounded down to an hour and `until` up.

    `channel` limits them to the traces of one channel that `audiences`, then required, may see.
    They are counted from its spans, because rollups do not tell the other dimensions apart by
    channel, so keep the period short.
    """
    rows_of: Callable[..., list[Row]] = partial(
        _rollups, database, since=since, until=until, audiences=audiences
    )
    if channel is not None:
        rows_of = _channel_rows(
            database, channel, since=since, until=until, audiences=audiences or ()
        )
    total = _group("", rows_of(dimension="all"))
    if by is None:
        return Statistics(since, until, total, ())
    if by == "hour":
        hours = _groups(rows_of(dimension="all", key="starts_at"))
        return Statistics(since, until, total, tuple(sorted(hours, key=lambda g: int(g.key))))
    groups = _groups(rows_of(dimension=by))
    groups.sort(key=lambda group: (-group.traces, group.key))
    return Statistics(since, until, total, tuple(groups))


def _rollups(
    database: Database,
    *,
    dimension: str,
    since: int,
    until: int,
    audiences: Collection[str] | None,
    key: str = "key",
) -> list[Row]:
    """Return the rows that cover the period: by day for whole days, by hour before and after."""
    rows: list[Row] = []
    for level, start, end in _periods(since, until, days=key != "starts_at"):
        query = RollupRow.select(getattr(RollupRow, key), *SUMS, RollupRow.latency).where(
            RollupRow.level == level,
            RollupRow.dimension == dimension,
            RollupRow.starts_at >= start,
            RollupRow.starts_at < end,
        )
        if audiences is not None:
            query = query.where(RollupRow.audience.in_(list(audiences)))
        elif level == "day":
            # Days have rows for everyone beside those by audience; to add both would count twice.
            query = query.where(RollupRow.audience == rollups.EVERYONE)
        rows += database.execute(query).fetchall()
    return rows


def _channel_rows(
    database: Database, channel: str, *, since: int, until: int, audiences: Collection[str]
) -> Callable[..., list[Row]]:
    """Count the traces of a channel, and return a function that does for them what `_rollups` does.

    Its key of an hour is its start, as there.
    """
    first, last = _hours(since, until)
    query = TraceRow.select(TraceRow.trace_id).where(
        TraceRow.channel == channel,
        TraceRow.started_at >= first,
        TraceRow.started_at < last,
        TraceRow.audience.in_(list(audiences)),
    )
    ids = [trace_id for (trace_id,) in query.tuples().execute(database)]
    counted = [
        (row_key, added)
        for start in range(0, len(ids), TRACES_AT_A_TIME)
        for row_key, added in recount(
            database, ids[start : start + TRACES_AT_A_TIME], audiences=audiences
        ).items()
        if row_key[0] == "hour"
    ]

    def rows(*, dimension: str, key: str = "key") -> list[Row]:
        return [
            (
                starts_at if key == "starts_at" else value,
                *(getattr(added, name) for name in rollups.SUMS),
                extended(None, added.durations) if added.durations else None,
            )
            for (_, starts_at, its_dimension, value, *_), added in counted
            if its_dimension == dimension
        ]

    return rows


def _hours(since: int, until: int) -> tuple[int, int]:
    """Return the period rounded to whole hours: its start down, its end up."""
    hour = LEVELS["hour"]
    return since - since % hour, until + -until % hour


def _periods(since: int, until: int, *, days: bool) -> Iterable[tuple[str, int, int]]:
    """Return `(level, start, end)` of the rows to read; with `days`, by day where that is exact."""
    day = LEVELS["day"]
    first, last = _hours(since, until)
    first_day, last_day = first + -first % day, last - last % day
    if not days or first_day >= last_day:
        return [("hour", first, last)]
    return [
        ("hour", first, first_day),
        ("day", first_day, last_day),
        ("hour", last_day, last),
    ]


def _groups(rows: Iterable[Row]) -> list[Group]:
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        by_key.setdefault(str(row[0]), []).append(row)
    return [_group(name, members) for name, members in by_key.items()]


def _group(key: str, rows: Sequence[Row]) -> Group:
    # Turn rows into columns: the key, which is known, one for each sum, and the histograms.
    _, *columns, latencies = zip(*rows, strict=True) if rows else [()] * (len(SUMS) + 2)
    sums = dict(zip(rollups.SUMS, map(sum, columns), strict=True))
    priced, cost = sums.pop("priced"), sums.pop("cost")
    latency = Histogram.merge_many([blob for blob in latencies if blob])
    return Group(
        key=key,
        p50_ns=latency.quantile(0.50),
        p95_ns=latency.quantile(0.95),
        p99_ns=latency.quantile(0.99),
        cost=cost if priced else None,
        **sums,
    )
