"""Every SELECT that people's questions need. Filters are keyword-only; answers are frozen values.

`audiences` is who asks, as `storage.span.Span.audience` names it: the ids whose traces may be
seen. None asks for all there is, which only a shell on the database's own machine may.
Times are nanoseconds since the epoch.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from peewee import SQL, Database, ValuesList, fn

from storage.histogram import Histogram
from storage.models import NOT_OK, RollupRow, SpanRow, TraceRow
from storage.rollups import LEVELS
from storage.span import Span, span_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """One row of a list: what one turn, command or call came to. `cost` is in micro-dollars."""

    trace_id: str
    name: str
    status: str
    platform: str | None
    audience: str | None
    team: str | None
    channel: str | None
    thread_ts: str | None
    message_ts: str | None
    user: str | None
    agent: str | None
    provider: str | None
    model: str | None
    started_at: int
    ended_at: int | None
    duration_ns: int | None
    span_count: int
    error_count: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost: int | None
    decision: str | None
    """`answer` or `skip` where the bot had to decide, else None."""
    reason: str | None
    text: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Traces, newest first, and the cursor of the next page, None at the end."""

    traces: tuple[TraceSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One line of statistics. Percentiles are nanoseconds, None where nothing ended."""

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
    since: int
    until: int
    total: Group
    groups: tuple[Group, ...]


class BadCursor(ValueError):
    """The cursor is not one that an earlier page gave."""


def recent_traces(
    database: Database,
    *,
    audiences: Collection[str] | None = None,
    words: str = "",
    agent: str | None = None,
    status: str | None = None,
    channel: str | None = None,
    user: str | None = None,
    platform: str | None = None,
    since: int | None = None,
    skipped: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page:
    """The newest traces that fit every filter; `skipped` also lists turns that were only skipped.

    `words` are looked for in the newest `SEARCHED` traces of the other filters, on the next page
    in those before them. Raises `BadCursor`.
    """
    filters = {"agent": agent, "status": status, "channel": channel, "user": user}
    wanted = _wanted({**filters, "platform": platform}, since=since, skipped=skipped)
    if cursor is not None:
        wanted.append(_before(cursor))
    further = None
    if words:
        further = _started_at(database, wanted, after=SEARCHED)
        wanted += [_contains(word) for word in words.split()]
    if further is not None:
        wanted.append(TraceRow.started_at > further)
    filtered = agent or channel or user or platform or status not in (None, "ok")
    if audiences is None or filtered:
        query = _newest(audiences, wanted, limit + 1)
    else:
        query = _newest_of_each(audiences, wanted, limit + 1)
    found = summaries(database, query)
    if len(found) > limit:
        last = found[limit - 1]
        return Page(found[:limit], f"{last.started_at}-{last.trace_id}")
    return Page(found, None if further is None else f"{further + 1}-0")


def traces_by_id(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[TraceSummary, ...]:
    """The traces whose id begins with `prefix`; more than one when the prefix is too short."""
    prefix = prefix.lower()
    query = visible(audiences).where(
        TraceRow.trace_id >= prefix,
        TraceRow.trace_id < prefix + "g",  # The first character after every hex digit.
    )
    return summaries(database, query.order_by(TraceRow.trace_id).limit(limit))


def thread_traces(
    database: Database,
    *,
    channel: str,
    thread_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """All turns of one thread, oldest first, skipped ones included."""
    query = visible(audiences).where(TraceRow.channel == channel, TraceRow.thread_ts == thread_ts)
    return summaries(database, query.order_by(TraceRow.started_at))


def message_traces(
    database: Database,
    *,
    channel: str,
    message_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """The traces of one message, oldest first."""
    query = visible(audiences).where(TraceRow.channel == channel, TraceRow.message_ts == message_ts)
    return summaries(database, query.order_by(TraceRow.started_at))


def running_traces(
    database: Database, *, audiences: Collection[str] | None = None, limit: int = 50
) -> tuple[TraceSummary, ...]:
    """What runs now, longest first."""
    query = visible(audiences).where(TraceRow.status == "running")
    return summaries(database, query.order_by(TraceRow.started_at).limit(limit))


def trace_spans(database: Database, trace_id: str) -> tuple[Span, ...]:
    """The spans of one trace, by start. Parents that are not stored are still named."""
    query = SpanRow.select().where(SpanRow.trace_id == trace_id)
    rows = query.order_by(SpanRow.started_at, SpanRow.span_id).dicts().execute(database)
    return tuple(span_of(row) for row in rows)


def statistics(
    database: Database,
    *,
    since: int,
    until: int,
    by: str | None = None,
    audiences: Collection[str] | None = None,
) -> Statistics:
    """Counts, percentiles (within 1%), tokens and cost from the rollups.

    `by` is a dimension of `storage.models.RollupRow`, or `hour`; groups come most traces first
    (hours in their order), keys as stored: an hour is its start in nanoseconds. The edges of the
    period are those of their hours: `since` is rounded down, `until` up.
    """
    rows = _rollups(database, dimension="all", since=since, until=until, audiences=audiences)
    if by == "hour":
        hours = _rollups(
            database, dimension="all", since=since, until=until, audiences=audiences, days=False
        )
        groups = _groups(hours, key="starts_at")
        groups.sort(key=lambda group: int(group.key))
    elif by is not None:
        found = _rollups(database, dimension=by, since=since, until=until, audiences=audiences)
        groups = _groups(found, key="key")
        groups.sort(key=lambda group: (-group.traces, group.key))
    else:
        groups = []
    return Statistics(since, until, _group("", rows), tuple(groups))


def private_audiences(database: Database, *, team: str) -> frozenset[str]:
    """The private channels and group DMs of a team that have traces."""
    query = TraceRow.select(TraceRow.audience).where(
        TraceRow.team == team, TraceRow.audience == TraceRow.channel
    )
    return frozenset(name for (name,) in query.distinct().tuples().execute(database))


SUMMARY_FIELDS = tuple(item.name for item in fields(TraceSummary))
SEARCHED = 20_000
"""How many traces a search for words reads at a time: about 50 ms."""

NEWEST = (TraceRow.started_at.desc(), TraceRow.trace_id.desc())


def visible(audiences: Collection[str] | None) -> Any:
    query = TraceRow.select(*(getattr(TraceRow, name) for name in SUMMARY_FIELDS))
    return query if audiences is None else query.where(TraceRow.audience.in_(list(audiences)))


def _wanted(filters: Mapping[str, str | None], *, since: int | None, skipped: bool) -> list[Any]:
    wanted: list[Any] = [TraceRow.started_at >= (since or 0)]
    wanted += [
        getattr(TraceRow, name) == value for name, value in filters.items() if value is not None
    ]
    if filters["status"] not in (None, "ok"):
        wanted.append(NOT_OK)
    if not skipped:
        wanted.append(TraceRow.decision.is_null() | (TraceRow.decision != "skip"))
    return wanted


def _newest(audiences: Collection[str] | None, wanted: Sequence[Any], limit: int) -> Any:
    """By the index of a filter, which has the audience beside it, else by that of all times."""
    query = visible(None).where(*wanted)
    if audiences is not None:
        # Not `audience IN`, for which SQLite would read all that the audiences have, and sort it.
        query = query.where(fn.COALESCE(TraceRow.audience, "").in_(list(audiences)))
    return query.order_by(*NEWEST).limit(limit)


def _newest_of_each(audiences: Collection[str], wanted: Sequence[Any], limit: int) -> Any:
    """The newest of the newest of each: who sees little is not kept waiting by what others see."""
    names = ValuesList([(name,) for name in audiences or ("",)], alias="audiences")
    own = TraceRow.select(TraceRow.trace_id).where(
        TraceRow.audience == SQL('"audiences"."column1"'), *wanted
    )
    ids = own.order_by(*NEWEST).limit(limit)
    query = visible(None).join(names, on=TraceRow.trace_id.in_(ids))
    return query.order_by(*NEWEST).limit(limit)


def _started_at(database: Database, wanted: Sequence[Any], *, after: int) -> int | None:
    """When the newest trace began that has `after` newer ones; None where there is none."""
    query = TraceRow.select(TraceRow.started_at).where(*wanted)
    newest: int | None = (
        query.order_by(TraceRow.started_at.desc()).offset(after).limit(1).scalar(database)
    )
    return newest


def _before(cursor: str) -> Any:
    started_at, trace_id = _parse_cursor(cursor)
    earlier = TraceRow.started_at < started_at
    return earlier | ((TraceRow.started_at == started_at) & (TraceRow.trace_id < trace_id))


def summaries(database: Database, query: Any) -> tuple[TraceSummary, ...]:
    return tuple(TraceSummary(**row) for row in query.dicts().execute(database))


def _contains(word: str) -> Any:
    return (
        TraceRow.name.contains(word)
        | TraceRow.text.contains(word)
        | TraceRow.agent.contains(word)
        | TraceRow.error_message.contains(word)
    )


def _parse_cursor(cursor: str) -> tuple[int, str]:
    started_at, _, trace_id = cursor.partition("-")
    if not (started_at.isdecimal() and trace_id):
        raise BadCursor(f"{cursor!r} is no cursor: take the one that the page before gave.")
    return int(started_at), trace_id


def _rollups(
    database: Database,
    *,
    dimension: str,
    since: int,
    until: int,
    audiences: Collection[str] | None,
    days: bool = True,
) -> list[dict[str, Any]]:
    """Rows whose hours make up the period: whole days as one row, the edges by the hour."""
    rows: list[dict[str, Any]] = []
    for level, start, end in _periods(since, until, days=days):
        query = RollupRow.select().where(
            RollupRow.level == level,
            RollupRow.dimension == dimension,
            RollupRow.starts_at >= start,
            RollupRow.starts_at < end,
        )
        if audiences is not None:
            query = query.where(RollupRow.audience.in_(list(audiences)))
        rows.extend(query.dicts().execute(database))
    return rows


def _periods(since: int, until: int, *, days: bool) -> Iterable[tuple[str, int, int]]:
    hour, day = LEVELS["hour"], LEVELS["day"]
    first, last = since - since % hour, until + -until % hour
    first_day, last_day = first + -first % day, last - last % day
    if not days or first_day >= last_day:
        return [("hour", first, last)]
    return [
        ("hour", first, first_day),
        ("day", first_day, last_day),
        ("hour", last_day, last),
    ]


def _groups(rows: Iterable[dict[str, Any]], *, key: str) -> list[Group]:
    by_key: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_key.setdefault(str(row[key]), []).append(row)
    return [_group(name, members) for name, members in by_key.items()]


def _group(key: str, rows: list[dict[str, Any]]) -> Group:
    def total(name: str) -> int:
        return sum(row[name] for row in rows)

    latency = Histogram.merge_many([row["latency"] for row in rows if row["latency"]])
    return Group(
        key=key,
        traces=total("traces"),
        errors=total("errors"),
        p50_ns=latency.quantile(0.50),
        p95_ns=latency.quantile(0.95),
        p99_ns=latency.quantile(0.99),
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cached_tokens=total("cached_tokens"),
        cost=total("cost") if total("priced") else None,
    )
