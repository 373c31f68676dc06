"""Databases of a given size, created once by the real writer and kept for the next run."""

import hashlib
import math
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from peewee import SchemaManager, SqliteDatabase

from storage.database import models
from storage.database.base import Database
from storage.database.models import SpanRow
from storage.model.batch import Batch
from storage.model.span import Span
from storage.recovery.opening import open_database
from storage.store import rollups, search_index
from storage.store.batch import store
from storage.store.deferred import run_deferred_work
from storage.store.span_rows import SPAN_FIELDS, span_rows
from storage.upkeep.checkpoint import checkpoint
from tests.benchmarks import traces
from tests.benchmarks.run import Run
from tests.benchmarks.traces import make_traces

BATCH_SIZE = 1_000
MODULES = (traces, models, rollups, search_index)
"""What a database holds depends on these. If one of them changes, it is made anew."""

PRAGMAS = {"journal_mode": "wal", "synchronous": "normal"} | {
    "cache_size": -64_000,
    "wal_autocheckpoint": 10_000,
}
"""The peer's pragmas, the same as ours in `storage.database.connect`."""


def our_database(run: Run, spans: int) -> Path:
    """Return a database of ours with *spans* spans. Do not write to it: see `copied`."""
    return _kept(run, f"ours-{spans}", lambda path: _make_ours(run, path, spans))


def bare_database(run: Run, spans: int) -> Path:
    """Return a database of Python's sqlite3 with only the same span rows and indexes."""
    return _kept(run, f"bare-{spans}", lambda path: _make_bare(run, path, spans))


def copied(source: Path, folder: Path) -> Path:
    """Return a copy for writing. This process must have no connection to *source*."""
    target = folder / source.name
    shutil.copyfile(source, target)
    return target


def open_bare(path: Path) -> sqlite3.Connection:
    """Return the peer's connection, with its one table."""
    connection = sqlite3.connect(path, isolation_level=None)
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}")
    schema = SchemaManager(SpanRow, SqliteDatabase(None))
    for statement in (schema._create_table(), *schema._create_indexes()):
        connection.execute(statement.query()[0])
    return connection


def insert_bare(connection: sqlite3.Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """1,000 rows a transaction."""
    waiting = iter(rows)
    places = ", ".join("?" * len(SPAN_FIELDS))
    columns = ", ".join(f'"{name}"' for name in SPAN_FIELDS)
    sql = f"INSERT INTO spans ({columns}) VALUES ({places})"
    while some := list(islice(waiting, BATCH_SIZE)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, some)
        connection.execute("COMMIT")


def _kept(run: Run, name: str, make: Callable[[Path], None]) -> Path:
    path = run.cache / f"{name}-{digest_of_sources()}.db"
    if path.exists():
        return path
    run.cache.mkdir(parents=True, exist_ok=True)
    for stale in run.cache.glob(f"{name}-*"):
        stale.unlink()
    unfinished = path.with_name(f"{path.name}-unfinished")
    make(unfinished)
    unfinished.rename(path)
    return path


def digest_of_sources() -> str:
    """Return what changes as soon as a database has to be made anew."""
    sources = (Path(str(module.__file__)).read_bytes() for module in MODULES)
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


def _make_ours(run: Run, path: Path, spans: int) -> None:
    database = open_database(path)
    fill(run, database, spans)
    checkpoint(database, "truncate")
    database.close()


def fill(run: Run, database: Database, spans: int) -> None:
    """Store *spans* spans, and all that is counted from them."""
    for number, some in enumerate(_batches(run, spans), 1):
        store(database, Batch("bench:1:1:1", number, spans=some))
        if number % 20 == 0:
            _run_deferred_work(database)
    _run_deferred_work(database)


def _run_deferred_work(database: Database) -> None:
    assert run_deferred_work(database, until=math.inf, deadline=60.0)


def _make_bare(run: Run, path: Path, spans: int) -> None:
    connection = open_bare(path)
    for some in _batches(run, spans):
        insert_bare(connection, span_rows(some))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _batches(run: Run, spans: int) -> Iterator[list[Span]]:
    waiting = (span for trace in make_traces(spans) for span in reversed(trace))
    made = 0
    while some := list(islice(waiting, BATCH_SIZE)):
        yield some
        made += len(some)
        run.note(f"making a database: {made:,} of {spans:,} spans")
