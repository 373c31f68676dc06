"""Find the log lines and the values of metrics beside spans.

`trace_ids` limits what is found to these traces, which the caller has found for somebody. None
finds everything, also what belongs to no trace, which only a shell on the database's own machine
may ask for. Times are in nanoseconds since the epoch.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from storage.database.base import Database
from storage.database.models import LogRow, MetricRow
from storage.model.records import Log, Metric

SCALE = 2**20
"""Divides values before they are added up: some are as large as a float can be."""

MOST_NAMES = 200
"""Metrics that are listed, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTotal:
    """The values of one metric in a period."""

    name: str
    count: int
    least: float
    mean: float
    most: float
    last: float
    last_at: int


def stored_logs(
    database: Database,
    *,
    since: int,
    levels: Collection[str] = (),
    trace_ids: Collection[str] | None,
    limit: int,
) -> tuple[Log, ...]:
    """Return the newest log lines of the levels, or of all without any, newest first."""
    wanted = [LogRow.recorded_at >= since, *_within(LogRow, trace_ids)]
    if levels:
        wanted.append(fn.LOWER(LogRow.level).in_(sorted(levels)))
    # By id, which grows with time: there is no index on the time, and a few are enough.
    query = LogRow.select().where(*wanted).order_by(LogRow.id.desc()).limit(limit)
    found = [
        Log(
            level=row.level.lower(),
            message=row.message,
            attributes=json.loads(row.attributes or "{}"),
            recorded_at=row.recorded_at,
            trace_id=row.trace_id,
            span_id=row.span_id,
        )
        for row in query.execute(database)
    ]
    return tuple(sorted(found, key=lambda log: log.recorded_at, reverse=True))


def metric_totals(
    database: Database, *, since: int, trace_ids: Collection[str] | None
) -> tuple[MetricTotal, ...]:
    """Return every metric of a period, by name."""
    wanted = [MetricRow.recorded_at >= since, *_within(MetricRow, trace_ids)]
    value = MetricRow.value
    # PostgreSQL adds floats up less exactly than SQLite, which ignores the cast.
    mean = fn.AVG(value.cast("NUMERIC") / SCALE)
    query = (
        MetricRow.select(MetricRow.name, fn.COUNT(value), fn.MIN(value), mean, fn.MAX(value))
        .where(*wanted)
        .group_by(MetricRow.name)
        .order_by(MetricRow.name.collate(database.by_code_point))
        .limit(MOST_NAMES)
    )
    found = []
    for name, count, least, mean, most in query.tuples().execute(database):
        (newest,) = metric_values(database, name, since=since, trace_ids=trace_ids, limit=1)
        found.append(
            MetricTotal(
                name=name,
                count=count,
                least=least,
                # To as many digits as both databases compute alike.
                mean=min(max(float(f"{float(mean) * SCALE:.12g}"), least), most),
                most=most,
                last=newest.value,
                last_at=newest.recorded_at,
            )
        )
    return tuple(found)


def metric_values(
    database: Database, name: str, *, since: int, trace_ids: Collection[str] | None, limit: int
) -> tuple[Metric, ...]:
    """Return the newest values of a metric, newest first."""
    query = MetricRow.select().where(
        MetricRow.name == name, MetricRow.recorded_at >= since, *_within(MetricRow, trace_ids)
    )
    newest = query.order_by(MetricRow.recorded_at.desc(), MetricRow.id.desc()).limit(limit)
    return tuple(
        Metric(
            name=row.name,
            value=row.value,
            labels=json.loads(row.labels or "{}"),
            recorded_at=row.recorded_at,
            trace_id=row.trace_id,
            span_id=row.span_id,
        )
        for row in newest.execute(database)
    )


def _within(table: Any, trace_ids: Collection[str] | None) -> Sequence[Any]:
    return [] if trace_ids is None else [table.trace_id.in_(sorted(trace_ids))]
