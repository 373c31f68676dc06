"""How the database is."""

import os
from dataclasses import dataclass
from pathlib import Path

from peewee import Database, fn

from storage.models import TraceRow


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


def _size(path: Path) -> int:
    # A stat, never an open: see `storage.shared`.
    return os.stat(path).st_size if path.exists() else 0
