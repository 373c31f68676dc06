"""Find the traces and threads of a period that a digest mentions.

See `storage.queries.traces` for `audiences`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from peewee import fn

from storage.database.base import Database
from storage.database.models import NOT_OK, TraceRow
from storage.queries.cursors import NEWEST_FIRST
from storage.queries.traces import NOT_SKIPPED, TraceSummary, summaries, visible

FAILED = ("error", "timeout", "abandoned")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSum:
    """The turns of a thread in a period. `cost` is in micro-dollars, None if none is known."""

    channel: str
    thread_ts: str
    turns: int
    cost: int | None
    slowest_ns: int | None


def _within(since: int, until: int, channel: str | None) -> list[Any]:
    period = [TraceRow.started_at >= since, TraceRow.started_at < until, NOT_SKIPPED]
    return period if channel is None else [*period, TraceRow.channel == channel]


def failures_of_period(
    database: Database,
    *,
    since: int,
    until: int,
    audiences: Collection[str] | None,
    channel: str | None = None,
    limit: int,
) -> tuple[TraceSummary, ...]:
    """Return the newest traces that failed."""
    query = visible(audiences).where(
        NOT_OK, TraceRow.status.in_(FAILED), *_within(since, until, channel)
    )
    return summaries(database, query.order_by(*NEWEST_FIRST).limit(limit))


def top_threads(
    database: Database,
    *,
    since: int,
    until: int,
    audiences: Collection[str] | None,
    channel: str | None = None,
    by: Literal["cost", "slowest_ns"],
    limit: int,
) -> tuple[ThreadSum, ...]:
    """Return the threads that cost most, or those in which a turn took longest."""
    cost, slowest = fn.SUM(TraceRow.cost), fn.MAX(TraceRow.duration_ns)
    columns = (TraceRow.channel, TraceRow.thread_ts)
    query = TraceRow.select(*columns, fn.COUNT(TraceRow.trace_id), cost, slowest).where(
        TraceRow.channel.is_null(False),
        TraceRow.thread_ts.is_null(False),
        *_within(since, until, channel),
    )
    if audiences is not None:
        query = query.where(TraceRow.audience.in_(list(audiences)))
    most = cost if by == "cost" else slowest
    names = (column.collate(database.by_code_point) for column in columns)
    query = query.group_by(*columns).having(most > 0).order_by(most.desc(), *names).limit(limit)
    return tuple(
        ThreadSum(
            channel=where,
            thread_ts=thread_ts,
            turns=turns,
            cost=None if cost is None else int(cost),  # PostgreSQL adds up to a Decimal.
            slowest_ns=slowest_ns,
        )
        for where, thread_ts, turns, cost, slowest_ns in query.tuples().execute(database)
    )
