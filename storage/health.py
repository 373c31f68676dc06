"""Report the state of the database: counts, sizes, and how upkeep went the last time."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from peewee import fn

from storage.coordination.heartbeats import dead_processes
from storage.database.base import Database
from storage.database.migrations import HISTORY
from storage.database.models import TraceRow
from storage.recovery.integrity import Check, last_check
from storage.recovery.replacement import Recovery, recoveries
from storage.store.erasure_log import erasure_log, last_change
from storage.store.facts import facts_waiting
from storage.store.search_index import has_index, queued
from storage.store.spool_files import spool_folder, waiting
from storage.upkeep.journal import CONNECTION, MOVE, JournalEntry, entries, last_entry
from storage.upkeep.litestream import Replication, replication
from storage.upkeep.retention import old_copies
from storage.writer.dropped import CUT, DROPPED, RATE_LIMITED, REFUSED, WRITE_FAILED, drop_counts

LOSSES_NS = 24 * 3_600 * 1_000_000_000
"""How far back dropped spans, failed writes and refused requests are counted."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A workspace's bot, and whether it is connected to Slack.

    `state` is `connected`, `not connected`, `stopped`, or `gone` if its process ended unexpectedly.
    `at` is when that was noted: when it changed, and once an hour.
    """

    team: str
    state: str
    problem: str
    at: int

    @property
    def ok(self) -> bool:
        return self.state in ("connected", "stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of the database.

    `path` names the database. Sizes are in bytes. `oldest` and `newest` are when traces began, in
    nanoseconds since the epoch. What has not happened yet is None, and so is what only a server
    knows: `wal_size` and `disk_free`. `dropped`, `write_failures`, `refused` (requests, and values
    of received telemetry that cannot be true, by cause), `cut` (invalid items and values of
    received telemetry, by cause) and `rate_limited` (minutes of which Slack withheld events) count
    the last 24 hours; a failed write lost nothing, as its batch waited in the spool. `facts` is how
    many figures of batches are not added up into the rollups yet. `connections` has the bot of each
    workspace. `unindexed` counts the traces that are still to be added to the full-text index.
    `unerased` counts the files that were set aside before the last erasure, which does not reach
    them. `litestream` is None if Litestream does not replicate the database. `unfinished_move` is
    when `tracebot move` last copied something here, unless it has finished, in nanoseconds.
    """

    path: str
    size: int
    wal_size: int | None
    disk_free: int | None
    traces: int
    spans: int
    running: int
    oldest: int | None
    newest: int | None
    check: Check | None
    checkpoint: JournalEntry | None
    backup: JournalEntry | None
    litestream: Replication | None
    unfinished_move: int | None
    recoveries: tuple[Recovery, ...]
    spool_files: int
    spool_size: int
    facts: int
    dropped: int
    write_failures: int
    refused: Mapping[str, int]
    cut: Mapping[str, int]
    rate_limited: int
    connections: tuple[Connection, ...]
    unindexed: int
    unerased: int
    migrations: tuple[str, ...]
    sqlite_version: str | None
    postgres_version: str | None


def health(database: Database, *, now: int) -> Health:
    """Read the state of the database. `now` is in nanoseconds since the epoch."""
    path, on_server = database.path, database.on_server
    times = TraceRow.select(fn.MIN(TraceRow.started_at), fn.MAX(TraceRow.started_at))
    oldest, newest = list(times.tuples().execute(database))[0]
    running = TraceRow.select(fn.COUNT(TraceRow.trace_id)).where(TraceRow.status == "running")
    spool_files, spool_size = waiting(spool_folder(path))
    counted = drop_counts(database, since=now - LOSSES_NS)
    applied = database.execute_sql(f'SELECT name FROM "{HISTORY}" ORDER BY name').fetchall()
    return Health(
        path=database.label,
        size=database.disk_bytes(),
        wal_size=None if on_server else log_size(path),
        disk_free=None if on_server else shutil.disk_usage(path.parent).free,
        traces=int(TraceRow.select(fn.COUNT(TraceRow.trace_id)).scalar(database)),
        spans=int(TraceRow.select(fn.SUM(TraceRow.span_count)).scalar(database) or 0),
        running=int(running.scalar(database)),
        oldest=oldest,
        newest=newest,
        check=last_check(database),
        checkpoint=last_entry(database, "checkpoint"),
        backup=last_entry(database, "backup"),
        litestream=replication(database),
        unfinished_move=_unfinished_move(database),
        recoveries=recoveries(database),
        spool_files=spool_files,
        spool_size=spool_size,
        facts=facts_waiting(database),
        dropped=sum(each.count for each in counted if each.metric == DROPPED),
        write_failures=sum(each.count for each in counted if each.metric == WRITE_FAILED),
        refused={each.label: each.count for each in counted if each.metric == REFUSED},
        cut={each.label: each.count for each in counted if each.metric == CUT},
        rate_limited=sum(each.count for each in counted if each.metric == RATE_LIMITED),
        connections=tuple(_connection(database, each) for each in entries(database, CONNECTION)),
        unindexed=queued(database) if has_index(database) else 0,
        unerased=_unerased(path),
        migrations=tuple(name for (name,) in applied),
        sqlite_version=None if on_server else ".".join(map(str, database.server_version)),
        postgres_version=_server_version(database.server_version) if on_server else None,
    )


def _unfinished_move(database: Database) -> int | None:
    entry = last_entry(database, MOVE)
    return entry.at if entry and not entry.ok else None


def _unerased(path: Path) -> int:
    erased_at = last_change(erasure_log(path))
    if not erased_at:
        return 0
    count = 0
    for copy in old_copies(path):
        with suppress(FileNotFoundError):  # Another process deletes it.
            # The change of its name, as its content may have changed long before.
            count += copy.stat().st_ctime_ns < erased_at
    return count


def _connection(database: Database, entry: JournalEntry) -> Connection:
    state, process = str(entry.details["state"]), str(entry.details["by"])
    if state != "stopped" and dead_processes(database, [process]):
        state = "gone"
    team = entry.name.removeprefix(CONNECTION)
    return Connection(team, state, str(entry.details["problem"]), entry.at)


def log_size(path: Path) -> int:
    """Return the size in bytes of the write-ahead log of the database at `path`."""
    log = Path(f"{path}-wal")
    return os.stat(log).st_size if log.exists() else 0


def _server_version(number: int) -> str:
    """Return `16.4` for 160004."""
    return f"{number // 10_000}.{number % 10_000}"
