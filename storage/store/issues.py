"""Count issues in the rollups: in how many traces each of them occurred.

An issue is counted once a trace, where its first failed span begins. The rollups always hold what
`counted` returns: whatever stores or erases failed spans corrects them by the difference, in its
own transaction. So it does not matter in which order spans come, or how often. The counts outlive
retention, and follow a channel that becomes private, as all rollups do.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from peewee import Database

from storage.database.models import SpanRow
from storage.model.fingerprint import fingerprint
from storage.model.span import FAILED_STATUSES, Span
from storage.store.facts import add_facts
from storage.store.grains import HOUR_NS
from storage.store.rollups import ISSUE, Addition, Key
from storage.store.trace_summaries import StoredTrace
from storage.store.usage import MAX_SPANS

COLUMNS = tuple(
    getattr(SpanRow, name)
    for name in (
        *("trace_id", "started_at", "audience", "team"),
        *("status", "agent", "error_type", "error_message"),
    )
)


def failing(spans: Iterable[Span], stored: Mapping[str, StoredTrace]) -> set[str]:
    """Return those of the spans' traces whose issues these spans may change.

    `stored` are the summaries as they were before. A huge trace, whose failures may come a few at a
    time, is left as it is: it would be read again and again.
    """
    huge = {trace_id for trace_id, trace in stored.items() if trace.span_count > MAX_SPANS}
    # A span of ours replaces what others have sent under its id, which may have failed.
    failed = {trace_id for trace_id, trace in stored.items() if trace.error_count}
    return ({span.trace_id for span in spans if span.failed} | failed) - huge


@contextmanager
def recounted(database: Database, trace_ids: Collection[str]) -> Iterator[None]:
    """Count the issues of these traces anew after the block, which stores or erases spans.

    The caller has begun a transaction.
    """
    before = counted(database, trace_ids)
    yield
    add_facts(database, _difference(before, counted(database, trace_ids)))


def counted(database: Database, trace_ids: Collection[str]) -> dict[Key, Addition]:
    """Return what the failed spans of these traces add to the rollups, by hour."""
    hours: defaultdict[Key, Addition] = defaultdict(Addition)
    if not trace_ids:
        return hours
    query = SpanRow.select(*COLUMNS).where(
        SpanRow.trace_id.in_(list(trace_ids)), SpanRow.status.in_(sorted(FAILED_STATUSES))
    )
    seen: set[tuple[str, str]] = set()
    rows = query.order_by(SpanRow.started_at, SpanRow.span_id).tuples().execute(database)
    for trace_id, started_at, audience, team, status, agent, error_type, message in rows:
        issue = fingerprint(
            team=team, error_type=error_type or status, agent=agent, message=message
        )
        if (trace_id, issue) not in seen:
            seen.add((trace_id, issue))
            hour = started_at - started_at % HOUR_NS
            hours["hour", hour, ISSUE, issue, audience or "", team or ""].traces += 1
    return hours


def _difference(
    before: Mapping[Key, Addition], after: Mapping[Key, Addition]
) -> dict[Key, Addition]:
    nothing = Addition()
    changes = {
        key: after.get(key, nothing).traces - before.get(key, nothing).traces
        for key in {**before, **after}
    }
    return {key: Addition(traces=change) for key, change in changes.items() if change}
