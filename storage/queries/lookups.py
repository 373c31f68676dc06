"""Look traces up: by their id, of a thread or a message, those that run, and the slowest.

`audiences` limits what is found, as in `storage.queries.traces`.
"""

from collections.abc import Collection, Sequence
from functools import reduce
from operator import or_
from typing import Any

from storage.database.base import Database
from storage.database.models import NOT_OK, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.semconv import HANDLED_ELSEWHERE
from storage.model.trace_context import short_id
from storage.queries.cursors import OLDEST_FIRST
from storage.queries.filters import all_conditions
from storage.queries.search import rows_of
from storage.queries.traces import NOT_SKIPPED, TraceSummary, summaries, visible

AT_ONCE = 100
"""So many ids are looked up by one query: Peewee nests the conditions of an *or*."""


def traces_by_id(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[TraceSummary, ...]:
    """Return the traces whose id begins with `prefix`, of ours the newest."""
    prefix = prefix.lower()
    query = visible(audiences).where(_begins_with(prefix))
    return summaries(database, query.order_by(TraceRow.trace_id.desc()).limit(limit))


def short_ids(database: Database, trace_ids: Collection[str]) -> dict[str, str]:
    """Return for each id its first digits, or the whole ids if they are not unique.

    Ids of other programs may begin with the same digits, such as zeros.
    """
    ids = set(trace_ids)
    short = {each: short_id(each) for each in ids}
    prefixes = sorted(set(short.values()))
    is_unique = len(prefixes) == len(ids) and all(
        _beginning_with(database, prefixes[at : at + AT_ONCE]) <= ids
        for at in range(0, len(prefixes), AT_ONCE)
    )
    return short if is_unique else {each: each for each in ids}


def _beginning_with(database: Database, prefixes: Sequence[str]) -> set[str]:
    """Return the ids that begin so, at most one more than there are prefixes."""
    one_of = reduce(or_, [_begins_with(each) for each in prefixes])
    query = TraceRow.select(TraceRow.trace_id).where(one_of)
    return {row[0] for row in rows_of(database, query.limit(len(prefixes) + 1))}


def _begins_with(prefix: str) -> Any:
    # "g" is the first character after every hex digit.
    return (TraceRow.trace_id >= prefix) & (TraceRow.trace_id < f"{prefix}g")


def thread_traces(
    database: Database,
    *,
    channel: str,
    thread_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """Return all traces of one thread, oldest first, skipped messages included.

    Those of processes that left a message to another one are left out if that one's is there.
    """
    query = visible(audiences).where(TraceRow.channel == channel, TraceRow.thread_ts == thread_ts)
    return _of_handlers(summaries(database, query.order_by(*OLDEST_FIRST)))


def message_traces(
    database: Database,
    *,
    channel: str,
    message_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """Return the traces of one message, oldest first.

    Those of processes that left the message to another one are left out if that one's is there.
    """
    query = visible(audiences).where(TraceRow.channel == channel, TraceRow.message_ts == message_ts)
    return _of_handlers(summaries(database, query.order_by(*OLDEST_FIRST)))


def _of_handlers(traces: Sequence[TraceSummary]) -> tuple[TraceSummary, ...]:
    """Return the traces of those who handled their message, or all of a message if nobody did."""
    handled = {each.message_ts for each in traces if each.reason != HANDLED_ELSEWHERE}
    return tuple(
        each
        for each in traces
        if each.reason != HANDLED_ELSEWHERE or each.message_ts not in handled
    )


def running_traces(
    database: Database,
    *,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int = 50,
) -> tuple[TraceSummary, ...]:
    """Return the traces that are running, oldest first; without answers to commands."""
    query = visible(audiences).where(
        TraceRow.status == "running",
        NOT_OK,
        NOT_SKIPPED,
        *all_conditions(database, filters, audiences=audiences),
    )
    return summaries(database, query.order_by(*OLDEST_FIRST).limit(limit))


def slowest_traces(
    database: Database,
    *,
    since: int,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int,
) -> tuple[TraceSummary, ...]:
    """Return the traces that took longest, longest first."""
    ended = TraceRow.duration_ns.is_null(False)
    query = visible(audiences).where(
        TraceRow.started_at >= since,
        ended,
        NOT_SKIPPED,
        *all_conditions(database, filters, audiences=audiences),
    )
    longest = query.order_by(TraceRow.duration_ns.desc(), TraceRow.trace_id)
    return summaries(database, longest.limit(limit))
