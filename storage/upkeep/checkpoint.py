"""Checkpoints: move what was committed from the write-ahead log into the database file."""

from dataclasses import dataclass
from typing import Literal

from storage.database.base import Database

CheckpointMode = Literal["passive", "truncate"]

CHECKPOINT_BUSY_MS = 50
"""How long a checkpoint waits for readers. While TRUNCATE waits, no other process can commit."""


@dataclass(frozen=True, slots=True)
class CheckpointResult:
    """SQLite's answer. `busy` if a reader or writer was in the way; a page is 4 KiB."""

    mode: CheckpointMode
    busy: bool
    log_pages: int
    checkpointed_pages: int

    @property
    def complete(self) -> bool:
        return not self.busy and self.checkpointed_pages == self.log_pages

    @property
    def reason(self) -> str:
        """Why the checkpoint is not complete, for a warning; empty if it is."""
        if self.complete:
            return ""
        done = f"{self.checkpointed_pages} of {self.log_pages} pages are in the database"
        return f"another connection still reads or writes: {done}"


def checkpoint(database: Database, mode: CheckpointMode = "passive") -> CheckpointResult:
    """Move the write-ahead log into the database.

    `passive` moves what no reader needs any more and waits for nobody. `truncate` moves everything
    and empties the log, but waits at most `CHECKPOINT_BUSY_MS` for readers and writers.
    """
    if database.on_server:  # It moves its log into its files by itself.
        return CheckpointResult(mode, busy=False, log_pages=0, checkpointed_pages=0)
    # A connection of its own: the caller's busy timeout of seconds would keep writers waiting.
    own = database.another(busy_timeout_ms=CHECKPOINT_BUSY_MS)
    try:
        # TRUNCATE keeps writers waiting until all is moved. PASSIVE keeps nobody, so that after it
        # only the last pages are left for TRUNCATE.
        own.execute_sql("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        busy, log, done = own.execute_sql(f"PRAGMA wal_checkpoint({mode.upper()})").fetchone()
    finally:
        own.close()
    return CheckpointResult(mode, bool(busy), max(log, 0), max(done, 0))
