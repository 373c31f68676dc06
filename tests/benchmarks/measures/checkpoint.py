"""The longest commit while checkpoints run behind a reader that never ends.

The peer is what one would write: `PRAGMA wal_checkpoint(TRUNCATE)` on a connection with the busy
timeout of all others. It waits for the reader, and every commit waits for it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from peewee import Database, OperationalError

from storage.model.batch import Batch
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.upkeep.checkpoint import checkpoint
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run, milliseconds
from tests.benchmarks.traces import make_spans

COMMITS = 200
SPANS_A_COMMIT = 20
SECONDS = 12
"""Enough for two of the peer's waits; all commits would take a quarter of an hour."""


def measure(run: Run) -> Iterator[Figure]:
    def naively(database: Database) -> None:
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def ours(database: Database) -> None:
        checkpoint(database, "truncate")

    mine, peer = run.medians(lambda: _longest(run, ours), lambda: _longest(run, naively))
    yield Figure(
        name="checkpoint",
        ours=mine,
        theirs=peer,
        unit="ms",
        peer="TRUNCATE with a busy timeout of 5 s",
        at_most=100,
    )


def _longest(run: Run, move: Callable[[Database], None]) -> float:
    with run.folder() as folder:
        database = open_database(folder / "t.db")
        spans = make_spans(run.count(COMMITS) * SPANS_A_COMMIT)
        store(database, Batch("bench:1:1:1", 1, spans=make_spans(100, seed=1)))
        finished, ready = threading.Event(), threading.Barrier(3)

        def read() -> None:
            cursor = database.execute_sql("SELECT * FROM spans")
            cursor.fetchone()  # And no further: a transaction that stays open.
            ready.wait()
            finished.wait()
            cursor.close()
            database.close()

        def keep_moving() -> None:
            database.connection()
            ready.wait()
            while not finished.wait(0.05):
                move(database)
            database.close()

        threads = [threading.Thread(target=work) for work in (read, keep_moving)]
        for thread in threads:
            thread.start()
        ready.wait()
        took = []
        until = time.monotonic() + SECONDS
        for number in range(run.count(COMMITS)):
            if time.monotonic() > until:
                break
            some = spans[number * SPANS_A_COMMIT :][:SPANS_A_COMMIT]
            batch = Batch("bench:1:1:1", number + 2, spans=some)
            took.append(milliseconds(lambda batch=batch: _commit(database, batch)))
            time.sleep(0.01)
        finished.set()
        for thread in threads:
            thread.join()
        database.close()
    return max(took)


def _commit(database: Database, batch: Batch) -> None:
    with suppress(OperationalError):  # One that gives up has waited longest of all.
        store(database, batch)
