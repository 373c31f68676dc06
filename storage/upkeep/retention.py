"""Remove old traces, and keep their statistics and their ids.

Whole traces are removed, a few in each short transaction, so that processes that record wait for
only a moment.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from peewee import fn

from storage.coordination.heartbeats import dead_processes
from storage.coordination.process_identity import is_local
from storage.database.base import Database
from storage.database.models import (
    AgentSessionRow,
    LeaseRow,
    LogRow,
    MetricRow,
    ProcessRow,
    RemovedTraceRow,
    ScoreRow,
    SpanRow,
    TraceRow,
    UnfinishedReplyRow,
)
from storage.database.partitions import LONG, add_partitions, drop_partitions, if_possible
from storage.database.stopping import raise_if_stopped
from storage.database.transactions import transaction
from storage.model.retention import Retention
from storage.store.erasing import remove_files, turns_with_files
from storage.store.search_index import purge
from storage.store.spool_files import has_waiting, spool_folder
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.journal import JournalEntry, add_entry

SPANS_A_TRANSACTION, IDS_A_QUERY = 2_000, 500
DAY_NS = 24 * 3_600 * 1_000_000_000
REMOVED_TRACES_NS = 365 * DAY_NS
"""How long the id of a removed trace is kept."""

LEASES_NS = 7 * DAY_NS
"""How long a lease is kept at least. Slack does not send an event again after that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The traces that retention removes or has removed.

    `size` is in bytes and estimated; `oldest` and `newest` are when traces began, in nanoseconds
    since the epoch.
    """

    traces: int = 0
    spans: int = 0
    size: int = 0
    oldest: int | None = None
    newest: int | None = None
    by_platform: Mapping[str, int] = field(default_factory=dict)


def planned(database: Database, retention: Retention, *, now: int) -> Removal:
    """Return what `apply_retention` would remove."""
    before = _boundary(database, retention, now=now)
    if before is None:
        return Removal()
    count, spans = fn.COUNT(TraceRow.trace_id), fn.COALESCE(fn.SUM(TraceRow.span_count), 0)
    times = fn.MIN(TraceRow.started_at), fn.MAX(TraceRow.started_at)
    query = TraceRow.select(TraceRow.platform, count, spans, *times).where(*_ended(before))
    rows = list(query.group_by(TraceRow.platform).tuples().execute(database))
    if not rows:
        return Removal()
    removed_spans = sum(int(row[2]) for row in rows)
    return Removal(
        traces=sum(row[1] for row in rows),
        spans=removed_spans,
        size=int(removed_spans * _bytes_a_span(database)),
        oldest=min(row[3] for row in rows),
        newest=max(row[4] for row in rows),
        by_platform={row[0] or "unknown": row[1] for row in rows},
    )


def apply_retention(
    database: Database,
    retention: Retention,
    *,
    now: int,
    progress: Callable[[int], object] = lambda traces: None,
) -> Removal:
    """Remove the traces beyond the limits, and return what was removed.

    Traces that still run are kept, and so are rollups. `progress` is called with the number of
    traces that each transaction removed.
    """
    size, total = database.used_bytes(), Removal()
    # Again until nothing is left to remove: how many bytes a trace frees is estimated.
    while (before := _boundary(database, retention, now=now)) is not None:
        removed = _remove(database, before, now, progress)
        if not removed.traces:
            break
        total = _sum(total, removed)
    _remove_expired(database, retention, now=now)
    purge(database)
    # What is kept for years is divided less finely: a query of all spans locks each part.
    with if_possible():
        add_partitions(database, now=now, days=LONG if retention.older_than_ns is None else 1)
    remove_files_here(database, retention, now=now)
    if total.traces:  # Else it is 0: a server's estimate changes by itself.
        total = replace(total, size=max(size - database.used_bytes(), 0))
    _shrink(database)
    details = {"traces": total.traces, "spans": total.spans, "size": total.size}
    add_entry(database, JournalEntry(name="retention", at=now, ok=True, details=details))
    return total


def _boundary(database: Database, retention: Retention, *, now: int) -> int | None:
    """Return the time before which ended traces are removed, None if there are none to remove."""
    bounds = []
    if retention.older_than_ns is not None:
        bounds.append(now - retention.older_than_ns)
    if retention.max_bytes is not None:
        excess = database.used_bytes() - retention.max_bytes
        if excess > 0:
            bounds.append(_after_oldest(database, spans=excess / _bytes_a_span(database)))
    before = max(bounds, default=None)
    if before is None or not TraceRow.select().where(*_ended(before)).limit(1).count(database):
        return None
    return before


def _bytes_a_span(database: Database) -> float:
    """Return about how many bytes the removal of a span frees, and more than 0.

    It is rather too much than too little, as a removed trace leaves its id and its statistics.
    """
    spans = TraceRow.select(fn.SUM(TraceRow.span_count)).scalar(database) or 0
    return max(database.used_bytes() - database.empty_bytes(), 1) / max(int(spans), 1)


def _after_oldest(database: Database, *, spans: float) -> int:
    """Return a time before which the oldest traces with so many spans in all began."""
    (reached,) = database.execute_sql(
        "SELECT min(started_at) FROM (SELECT started_at, sum(span_count) OVER "
        "(ORDER BY started_at) AS total FROM traces WHERE status != 'running') AS running "
        f"WHERE total >= {database.param}",
        (int(spans),),
    ).fetchall()[0]
    # 2**62 is later than any trace: all of them together have fewer spans.
    return 2**62 if reached is None else int(reached) + 1


def _ended(before: int) -> tuple[Any, Any]:
    return TraceRow.started_at < before, TraceRow.status != "running"


def _remove(
    database: Database, before: int, now: int, progress: Callable[[int], object]
) -> Removal:
    platforms: Counter[str] = Counter()
    spans, oldest, newest = 0, None, None
    # What cannot be dropped now is deleted with its traces.
    with if_possible():
        drop_partitions(database, before=before)
    while traces := _oldest(database, before):
        began = time.monotonic()
        with transaction(database):
            _remove_traces(database, traces, now)
        remove_files(database.path, {trace["trace_id"] for trace in traces})
        _let_others_write(began)
        platforms.update(trace["platform"] or "unknown" for trace in traces)
        spans += sum(trace["span_count"] for trace in traces)
        oldest, newest = oldest or traces[0]["started_at"], traces[-1]["started_at"]
        progress(len(traces))
    return Removal(
        traces=platforms.total(),
        spans=spans,
        oldest=oldest,
        newest=newest,
        by_platform=platforms,
    )


def _oldest(database: Database, before: int) -> list[dict[str, Any]]:
    """Return the oldest traces, as many as one short transaction can remove, at least one."""
    query = TraceRow.select(
        TraceRow.trace_id,
        TraceRow.audience,
        TraceRow.team,
        TraceRow.channel,
        TraceRow.platform,
        TraceRow.started_at,
        TraceRow.span_count,
    ).where(*_ended(before))
    rows = list(query.order_by(TraceRow.started_at).limit(200).dicts().execute(database))
    taken, spans = 0, 0
    while taken < len(rows) and spans < SPANS_A_TRANSACTION:
        spans += rows[taken]["span_count"]
        taken += 1
    return rows[:taken]


def _remove_traces(database: Database, traces: Sequence[Mapping[str, Any]], now: int) -> None:
    ids = [trace["trace_id"] for trace in traces]
    for table in (SpanRow, LogRow, ScoreRow, UnfinishedReplyRow, AgentSessionRow, TraceRow):
        table.delete().where(table.trace_id.in_(ids)).execute(database)
    kept = ("trace_id", "audience", "team", "channel")
    removed = [{**{name: trace[name] for name in kept}, "removed_at": now} for trace in traces]
    RemovedTraceRow.insert_many(removed).on_conflict_ignore().execute(database)


def _let_others_write(began: float) -> None:
    """Wait as long as the last transaction took.

    A process that begins its next transaction at once leaves the others no moment to begin theirs.
    """
    time.sleep(min(time.monotonic() - began, 0.1))


def _sum(one: Removal, other: Removal) -> Removal:
    return Removal(
        traces=one.traces + other.traces,
        spans=one.spans + other.spans,
        size=one.size + other.size,
        oldest=one.oldest or other.oldest,
        newest=other.newest or one.newest,
        by_platform=Counter(one.by_platform) + Counter(other.by_platform),
    )


def _remove_expired(database: Database, retention: Retention, *, now: int) -> None:
    """Remove logs, metrics, leases and names of processes that are out of date."""
    oldest = TraceRow.select(fn.MIN(TraceRow.started_at)).scalar(database) or now
    # If there is a limit on size, logs and metrics are kept as long as the traces beside them.
    ages = [now - retention.older_than_ns] if retention.older_than_ns is not None else []
    before = max([*ages, oldest] if retention.max_bytes is not None else ages)
    long_ago = min(before, now - LEASES_NS)
    year_ago = now - REMOVED_TRACES_NS
    finished = _finished_writers(database, before=long_ago, year_ago=year_ago)
    with transaction(database):
        for table in (LogRow, MetricRow):
            table.delete().where(table.recorded_at < before).execute(database)
        LeaseRow.delete().where(LeaseRow.claimed_at < long_ago).execute(database)
        ProcessRow.delete().where(ProcessRow.process.in_(finished)).execute(database)
        # A score may come before its trace, or for a trace that is removed already.
        ScoreRow.delete().where(
            ScoreRow.recorded_at < before,
            ScoreRow.trace_id.not_in(TraceRow.select(TraceRow.trace_id)),
        ).execute(database)
        RemovedTraceRow.delete().where(RemovedTraceRow.removed_at < year_ago).execute(database)


def _finished_writers(database: Database, *, before: int, year_ago: int) -> set[str]:
    """Return the writers that have ended and of which no batch waits to be stored.

    Of a spool, the number in a writer's row tells what is stored already. Another machine that uses
    the same server may still have one; after a year its traces could have been removed meanwhile.
    """
    query = ProcessRow.select(ProcessRow.process, ProcessRow.started_at)
    rows = query.where(ProcessRow.started_at < before).tuples().execute(database)
    names = [
        name
        for name, started_at in rows
        if started_at < year_ago or not database.on_server or is_local(name)
    ]
    folder = spool_folder(database.path)
    # Parts of a batch are stored under names of their own.
    return {
        name
        for name in dead_processes(database, names)
        if not has_waiting(folder, name.partition("#")[0])
    }


def old_copies(database: Path) -> list[Path]:
    """Return what recoveries and restores have set aside, or a killed restore has left."""
    name = database.name
    set_aside = [f"{name}.{kind}-*" for kind in ("damaged", "replaced", "orphan")]
    kinds = (*set_aside, f"{name}.spool/*.damaged", f".{name}.[0-9]*.partial")
    return [path for kind in kinds for path in database.parent.glob(kind)]


def remove_files_here(database: Database, retention: Retention, *, now: int) -> None:
    """Delete the files of removed turns, and what was set aside before the age limit.

    They are not in the database: each machine that uses a server has those of its own turns.
    """
    turns = sorted(turns_with_files(database.path))
    for start in range(0, len(turns), IDS_A_QUERY):
        some = RemovedTraceRow.trace_id.in_(turns[start : start + IDS_A_QUERY])
        query = RemovedTraceRow.select(RemovedTraceRow.trace_id).where(some)
        removed = query.tuples().execute(database)
        remove_files(database.path, {trace_id for (trace_id,) in removed})
    if retention.older_than_ns is None:
        return
    for path in old_copies(database.path):
        with suppress(FileNotFoundError):  # Another process deletes them, too.
            if path.stat().st_mtime_ns < now - retention.older_than_ns:
                path.unlink()


def _shrink(database: Database) -> None:
    """Return free pages to the file system, a few at a time, so that no writer waits for long."""
    if database.on_server:  # Its autovacuum makes the room free, for what comes next.
        return

    def free() -> int:
        return int(database.execute_sql("PRAGMA freelist_count").fetchall()[0][0])

    left = free()
    while left:
        raise_if_stopped()
        began = time.monotonic()
        database.execute_sql("PRAGMA incremental_vacuum(250)").fetchall()
        _let_others_write(began)
        before, left = left, free()
        if left >= before:  # A file that was created without auto_vacuum never shrinks.
            break
    checkpoint(database, "truncate")
