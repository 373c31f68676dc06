"""Count issues in the rollups: in how many traces each of them occurred.

An issue is counted once a trace, where its first failed span begins. The rollups always hold what
`counted` returns: whatever stores or erases failed spans corrects them by the difference, in its
own transaction. So it does not matter in which order spans come, or how often. The counts outlive
retention, and follow a channel that becomes private, as all rollups do.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter

from storage.database.base import Database
from storage.database.statements import LookUp
from storage.model.span import FAILED_STATUSES, Span
from storage.store.facts import add_facts
from storage.store.grains import HOUR_NS
from storage.store.rollups import ISSUE, Addition, Key, difference
from storage.store.trace_summaries import StoredTrace
from storage.store.usage import MAX_SPANS

COLUMNS = (
    *("trace_id", "started_at", "audience", "team"),
    *("error_type", "status", "agent", "error_message"),
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
def recounted(
    database: Database, trace_ids: Collection[str], *, known: Collection[str] | None = None
) -> Iterator[None]:
    """Count the issues of these traces anew after the block, which stores or erases spans.

    `known` are those that have spans already, all if it is None. The caller has begun a
    transaction.
    """
    before = counted(database, [each for each in trace_ids if known is None or each in known])
    yield
    add_facts(database, difference(before, counted(database, trace_ids)))


def counted(database: Database, trace_ids: Collection[str]) -> dict[Key, Addition]:
    """Return what the failed spans of these traces add to the rollups, by hour."""
    rows = FAILED.rows(database, [(each,) for each in trace_ids])
    if not rows:
        return {}
    from storage.model.fingerprint import fingerprint  # A command that succeeds does not need it.

    # All spans of a failed turn mostly say the same, which is looked at once.
    first: dict[tuple[str, ...], tuple[int, str]] = {}
    for trace_id, started_at, audience, team, error_type, status, agent, message in sorted(
        rows, key=itemgetter(1)
    ):
        found = (trace_id, team or "", error_type or status, agent or "", message or "")
        first.setdefault(found, (started_at - started_at % HOUR_NS, audience or ""))
    hours: defaultdict[Key, Addition] = defaultdict(Addition)
    seen: set[tuple[str, str]] = set()
    for (trace_id, team, error_type, agent, message), (hour, audience) in first.items():
        issue = fingerprint(team=team, error_type=error_type, agent=agent, message=message)
        if (trace_id, issue) not in seen:
            seen.add((trace_id, issue))
            hours["hour", hour, ISSUE, issue, audience].traces += 1
    return hours


_STATUSES = ", ".join(f"'{status}'" for status in sorted(FAILED_STATUSES))

FAILED = LookUp(
    f"SELECT {', '.join(COLUMNS)} FROM spans WHERE trace_id {{is_one}} AND status IN ({_STATUSES})",
    at_a_time=50,
)
