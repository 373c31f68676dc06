"""Checkpoints: move what was committed from the write-ahead log into the database file."""

import time
from dataclasses import dataclass
from typing import Literal

from storage.database.base import Database
from storage.upkeep.litestream import replication

CheckpointMode = Literal["passive", "truncate"]

CHECKPOINT_BUSY_MS = 50
"""How long a checkpoint waits for readers. While TRUNCATE waits, no other process can commit."""


@dataclass(frozen=True, slots=True)
class CheckpointResult:
    """SQLite's answer. `busy` if a reader or writer was in the way; a page is 4 KiB.

    Nothing was done if it was `left` to Litestream.
    """

    mode: CheckpointMode
    busy: bool
    log_pages: int
    checkpointed_pages: int
    left: bool = False

    @property
    def complete(self) -> bool:
        return not self.left and not self.busy and self.checkpointed_pages == self.log_pages

    @property
    def reason(self) -> str:
        """Why the checkpoint is not complete, for a warning; empty if it is."""
        if self.complete:
            return ""
        if self.left:
            return "Litestream replicates the database and moves its log by itself"
        done = f"{self.checkpointed_pages} of {self.log_pages} pages are in the database"
        if self.checkpointed_pages == self.log_pages:
            done = "the log's file cannot be emptied"
        return f"another connection still reads or writes: {done}"


def checkpoint(database: Database, mode: CheckpointMode = "passive") -> CheckpointResult:
    """Move the write-ahead log into the database.

    `passive` moves what no reader needs any more and waits for nobody. `truncate` moves everything
    and empties the log, but waits at most `CHECKPOINT_BUSY_MS` for readers and writers.

    Both are left to Litestream while it replicates the database. Its read lock lets no TRUNCATE
    finish, and if others restart the log before it has read it, it copies the whole database again.
    """
    if database.on_server:  # It moves its log into its files by itself.
        return CheckpointResult(mode, busy=False, log_pages=0, checkpointed_pages=0)
    litestream = replication(database)
    if litestream is not None and not litestream.is_late(time.time_ns()):
        return CheckpointResult(mode, busy=False, log_pages=0, checkpointed_pages=0, left=True)
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
