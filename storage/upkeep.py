"""What keeps the database small, quick and whole: checkpoints, retention, erasure, health."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from peewee import Database, fn

from storage.database import connect, transaction
from storage.models import (
    ClaimRow,
    LogRow,
    MetricRow,
    ProcessRow,
    ScoreRow,
    SpanRow,
    TraceRow,
)
from storage.process import is_alive

CheckpointMode = Literal["passive", "truncate"]

CHECKPOINT_BUSY_MS = 50
"""How long a checkpoint waits for readers. A TRUNCATE that waits keeps every commit waiting."""

TRACES_A_TRANSACTION = 200


@dataclass(frozen=True, slots=True)
class CheckpointResult:
    """SQLite's own answer. `busy`: a reader or writer was in the way; pages are of 4 KiB."""

    mode: CheckpointMode
    busy: bool
    log_pages: int
    checkpointed_pages: int

    @property
    def complete(self) -> bool:
        return not self.busy and self.checkpointed_pages == self.log_pages

    @property
    def reason(self) -> str:
        """Why it is not complete, for a warning; empty when it is."""
        if self.complete:
            return ""
        done = f"{self.checkpointed_pages} of {self.log_pages} pages are in the database"
        return f"another connection still reads or writes: {done}"


@dataclass(frozen=True, slots=True)
class Health:
    """How the database is. Sizes in bytes; `oldest` and `newest` are nanoseconds, or None."""

    path: str
    size: int
    wal_size: int
    traces: int
    spans: int
    running: int
    oldest: int | None
    newest: int | None
    sqlite_version: str


def checkpoint(database: Database, mode: CheckpointMode = "passive") -> CheckpointResult:
    """Move the write-ahead log into the database. Never keeps a writer waiting for long."""
    own = connect(Path(database.database), busy_timeout_ms=CHECKPOINT_BUSY_MS)
    try:
        sql = f"PRAGMA wal_checkpoint({mode.upper()})"
        busy, log, done = own.execute_sql(sql).fetchone()
    finally:
        own.close()
    return CheckpointResult(mode, bool(busy), max(log, 0), max(done, 0))


def apply_retention(database: Database, *, older_than_ns: int, now: int) -> int:
    """Remove traces that began before `now - older_than_ns`; how many. Rollups stay.

    Whole traces at a time, in short transactions; running ones stay.
    """
    before, removed = now - older_than_ns, 0
    while True:
        query = TraceRow.select(TraceRow.trace_id).where(
            TraceRow.started_at < before, TraceRow.status != "running"
        )
        batch = query.order_by(TraceRow.started_at).limit(TRACES_A_TRANSACTION)
        ids = [trace_id for (trace_id,) in batch.tuples().execute(database)]
        if not ids:
            break
        with transaction(database):
            for table in (SpanRow, LogRow, ScoreRow, TraceRow):
                table.delete().where(table.trace_id.in_(ids)).execute(database)
        removed += len(ids)
    _forget(database, before=before)
    _give_back(database)
    return removed


def count_older(database: Database, *, older_than_ns: int, now: int) -> int:
    """How many traces `apply_retention` would remove."""
    query = TraceRow.select(fn.COUNT(TraceRow.trace_id)).where(
        TraceRow.started_at < now - older_than_ns, TraceRow.status != "running"
    )
    return int(query.scalar(database))


def erase_text(
    database: Database, *, channel: str, message_ts: str, replacement: str | None = None
) -> None:
    """Forget, or replace, what is stored of a message's text: its author deleted or changed it."""
    with transaction(database):
        for table in (SpanRow, TraceRow):
            table.update(text=replacement).where(
                table.channel == channel,
                table.message_ts == message_ts,
                table.text.is_null(False),
            ).execute(database)


def health(database: Database) -> Health:
    path = Path(database.database)
    times = TraceRow.select(fn.MIN(TraceRow.started_at), fn.MAX(TraceRow.started_at))
    oldest, newest = times.tuples().execute(database)[0]
    running = TraceRow.select(fn.COUNT(TraceRow.trace_id)).where(TraceRow.status == "running")
    return Health(
        path=str(path),
        size=_size(path),
        wal_size=_size(Path(f"{path}-wal")),
        traces=int(TraceRow.select(fn.COUNT(TraceRow.trace_id)).scalar(database)),
        spans=int(TraceRow.select(fn.SUM(TraceRow.span_count)).scalar(database) or 0),
        running=int(running.scalar(database)),
        oldest=oldest,
        newest=newest,
        sqlite_version=".".join(map(str, database.server_version)),
    )


def _forget(database: Database, *, before: int) -> None:
    """What belongs to no trace and to no living process any more."""
    dead = [
        name
        for (name,) in ProcessRow.select(ProcessRow.process)
        .where(ProcessRow.started_at < before)
        .tuples()
        .execute(database)
        if not is_alive(name)
    ]
    with transaction(database):
        for table in (LogRow, MetricRow):
            table.delete().where(table.recorded_at < before).execute(database)
        ClaimRow.delete().where(ClaimRow.claimed_at < before).execute(database)
        ProcessRow.delete().where(ProcessRow.process.in_(dead)).execute(database)


def _give_back(database: Database) -> None:
    """Free pages leave the file a few at a time, so that no writer waits for long."""
    while database.execute_sql("PRAGMA freelist_count").fetchone()[0]:
        database.execute_sql("PRAGMA incremental_vacuum(1000)").fetchall()
        time.sleep(0)
    checkpoint(database, "truncate")


def _size(path: Path) -> int:
    # A stat, never an open: see `storage.database`.
    return os.stat(path).st_size if path.exists() else 0
