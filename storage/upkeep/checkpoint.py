"""Checkpoints, and the erasure of what somebody said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from peewee import Database

from storage.database.connect import connect
from storage.database.models import SpanRow, TraceRow
from storage.database.transactions import transaction

CheckpointMode = Literal["passive", "truncate"]

CHECKPOINT_BUSY_MS = 50
"""How long a checkpoint waits for readers. A TRUNCATE that waits keeps every commit waiting."""


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


def checkpoint(database: Database, mode: CheckpointMode = "passive") -> CheckpointResult:
    """Move the write-ahead log into the database. Never keeps a writer waiting for long."""
    own = connect(Path(database.database), busy_timeout_ms=CHECKPOINT_BUSY_MS)
    try:
        sql = f"PRAGMA wal_checkpoint({mode.upper()})"
        busy, log, done = own.execute_sql(sql).fetchone()
    finally:
        own.close()
    return CheckpointResult(mode, bool(busy), max(log, 0), max(done, 0))


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
