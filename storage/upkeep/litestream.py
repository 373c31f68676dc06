"""Litestream, a program that copies every commit to a replica, and how far it has got.

It is recognised by the folder that it keeps beside the database. What it copies, it first writes
there as files named after its numbers of transactions, so the newest of them says when it copied
last. It also moves the write-ahead log into the database: while it works, nobody else should.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from peewee import fn

from storage.database.base import Database
from storage.database.models import TraceRow

LATE_NS = 60 * 1_000_000_000
"""Litestream copies a commit within a second or two. If one waits this long, then it has stopped,
or it still follows a file that was replaced."""


STUCK_NS = 3_600 * 1_000_000_000
"""Litestream deletes its files 5 minutes after they have reached the replica, unless its setting
`l0-retention` says otherwise."""


@dataclass(frozen=True, slots=True)
class Replication:
    """How far Litestream has got. Times are in nanoseconds since the epoch.

    `waiting_since` is when the first trace began that was recorded after the last copy, None if
    everything is copied. `kept_since` is since when copies stay beside the database: for long only
    if they do not reach the replica. None if there is only one.
    """

    copied_at: int
    waiting_since: int | None
    kept_since: int | None

    def is_late(self, now: int) -> bool:
        return self.waiting_since is not None and self.waiting_since < now - LATE_NS

    @property
    def is_stuck(self) -> bool:
        return self.kept_since is not None and self.kept_since < self.copied_at - STUCK_NS


def replication(database: Database) -> Replication | None:
    """Return how far Litestream has got, None if it does not replicate this database."""
    if database.on_server:
        return None
    path = database.path
    copies = sorted((litestream_folder(path) / "ltx" / "0").glob("*.ltx"))
    if not copies:
        return None
    try:
        copied_at, changed_at = os.stat(copies[-1]).st_mtime_ns, _changed_at(path)
    except FileNotFoundError:  # Somebody is deleting the folder.
        return None
    waiting_since = None
    # The times of traces alone do not tell: they may come from senders whose clocks are ahead.
    if changed_at > copied_at:
        later = TraceRow.select(fn.MIN(TraceRow.started_at)).where(TraceRow.started_at > copied_at)
        waiting_since = later.scalar(database)
    return Replication(copied_at, waiting_since, _kept_since(copies))


def litestream_folder(database: Path) -> Path:
    """Return the folder that Litestream keeps beside a database that it replicates."""
    return database.with_name(f".{database.name}-litestream")


def _kept_since(copies: Sequence[Path]) -> int | None:
    with suppress(FileNotFoundError):  # Litestream has just deleted it, so it is not stuck.
        if len(copies) > 1:
            # The newest one stays, for hours if nothing is recorded. Then it is the oldest for a
            # minute once there is another.
            return os.stat(copies[1]).st_mtime_ns
    return None


def _changed_at(database: Path) -> int:
    # Never opened, only looked at: see `storage.database.shared_file`.
    log = Path(f"{database}-wal")
    return os.stat(log if log.exists() else database).st_mtime_ns
