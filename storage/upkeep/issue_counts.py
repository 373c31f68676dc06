"""Count the issues of failures that were stored by a tracebot which did not count issues.

The stored failures of an hour are compared with the rollups of issues, and what the rollups lack is
added. So it does not matter if an hour is compared again, or by two processes at once. Hours are
compared from the newest to the oldest that is kept by hour, a few at a time.
"""

import time
from collections.abc import Collection

from peewee import fn

from storage.database.base import Database
from storage.database.models import TraceRow
from storage.database.transactions import transaction
from storage.store.facts import add_facts
from storage.store.grains import HOUR_NS, grains_of
from storage.store.issues import counted
from storage.store.rollups import ISSUE, Addition, Key
from storage.upkeep.journal import JournalEntry, last_entry, put_entry

JOURNAL = "issues"

LATE = 2
"""How many hours after a turn began its failures are looked for."""


def count_issues(database: Database, *, now: int, until: float) -> bool:
    """Compare hours until the monotonic time `until`. Return True if all of them were compared."""
    done = last_entry(database, JOURNAL)
    before = now if done is None else int(done.details["before"])
    while before and time.monotonic() < until:
        before = _compare_newest(database, before)
        entry = JournalEntry(name=JOURNAL, at=now, ok=True, details={"before": before})
        with transaction(database):
            put_entry(database, entry)
    return not before


def _compare_newest(database: Database, before: int) -> int:
    """Compare the hours around the newest failure before a time; return when they begin.

    Return 0 if there is none, or none that is kept by hour.
    """
    newest = TraceRow.select(fn.MAX(TraceRow.started_at)).where(
        TraceRow.started_at < before, TraceRow.error_count > 0
    )
    found: int | None = newest.scalar(database)
    if found is None or found < grains_of(database).hours_since:
        return 0
    first = found - found % HOUR_NS
    hours = [first + number * HOUR_NS for number in range(LATE + 1)]
    turns = TraceRow.select(TraceRow.trace_id).where(
        TraceRow.started_at >= first - LATE * HOUR_NS,
        TraceRow.started_at < hours[-1] + HOUR_NS,
        TraceRow.error_count > 0,
    )
    ids = [trace_id for (trace_id,) in turns.tuples().execute(database)]
    # Read before the transaction, during which others cannot write. They count what they store from
    # now on, so this is never too much.
    own = {key: added for key, added in counted(database, ids).items() if key[1] in hours}
    with transaction(database):
        add_facts(database, _lacking(own, _held(database, hours)))
    return first


def _held(database: Database, hours: Collection[int]) -> dict[tuple[int, str, str], int]:
    """Return in how many traces the issues of these hours are counted, by hour and audience."""
    marks = ", ".join([database.param] * len(hours))
    same = f"dimension = '{ISSUE}' AND starts_at IN ({marks})"
    sql = (
        "SELECT starts_at, key, audience, SUM(traces) FROM ("
        f"SELECT starts_at, key, audience, traces FROM facts WHERE {same} UNION ALL "
        f"SELECT starts_at, key, audience, traces FROM rollups WHERE level = 'hour' AND {same}"
        ") AS part GROUP BY starts_at, key, audience"
    )
    rows = database.execute_sql(sql, [*hours, *hours]).fetchall()
    return {(start, key, audience): int(traces) for start, key, audience, traces in rows}


def _lacking(
    own: dict[Key, Addition], held: dict[tuple[int, str, str], int]
) -> dict[Key, Addition]:
    lacking = {}
    for (level, start, dimension, issue, audience), added in own.items():
        if (traces := added.traces - held.get((start, issue, audience), 0)) > 0:
            lacking[level, start, dimension, issue, audience] = Addition(traces=traces)
    return lacking
