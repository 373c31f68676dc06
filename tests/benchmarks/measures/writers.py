"""8 processes with 500 spans a second each, while a reader and a checkpointer work.

They begin together once each has recorded a span and imported what it needs, the prices of models
above all, which alone keep both processors busy for seconds.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peewee import Database

from storage import Observability
from storage.database.models import SpanRow
from storage.model import prices
from storage.model.batch import Batch
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.upkeep.checkpoint import checkpoint
from storage.writer import delivery
from tests.benchmarks.figure import Figure
from tests.benchmarks.measures.caller import ATTRIBUTES
from tests.benchmarks.run import Run, answer, in_process, percentile

PROCESSES = 8
PER_SECOND = 500
SECONDS = 10


def measure(run: Run) -> Iterator[Figure]:
    found, expected = [], 0
    lost = 0
    for turn in range(max(run.rounds // 2, 1)):
        run.note(f"round {turn + 1}")
        with run.folder() as folder:
            results, stored = _round(run, folder / "t.db")
        found += results
        expected = sum(result["recorded"] for result in results)
        lost += expected - stored
    callers = [value for result in found for value in result["caller_ms"]]
    commits = [value for result in found for value in result["commit_ms"]]
    visible = [value for result in found for value in result["visible_ms"]]
    yield Figure(name="writers, lost", ours=lost, unit="spans", at_most=0)
    yield Figure(name="writers, caller p99.9", ours=percentile(callers, 0.999), unit="ms")
    yield Figure(name="writers, caller longest", ours=max(callers), unit="ms", at_most=1)
    yield Figure(name="writers, commit p99", ours=percentile(commits, 0.99), unit="ms", at_most=20)
    yield Figure(name="writers, commit longest", ours=max(commits), unit="ms", at_most=100)
    yield Figure(
        name="writers, visible p99.9", ours=percentile(visible, 0.999), unit="ms", at_most=300
    )


def _round(run: Run, path: Path) -> tuple[list[dict[str, Any]], int]:
    database = open_database(path)
    processes = [
        in_process(__name__, path, SECONDS * run.share) for _ in range(run.count(PROCESSES))
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    finished = threading.Event()
    others = [
        threading.Thread(target=other, args=(path, finished)) for other in (_read, _checkpoint)
    ]
    for other in others:
        other.start()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [answer(process) for process in processes]
    finished.set()
    for other in others:
        other.join()
    stored = SpanRow.select().count(database)
    database.close()
    return results, stored - len(processes)


def _read(path: Path, finished: threading.Event) -> None:
    database = open_database(path)
    while not finished.wait(0.05):
        recent_traces(database)
    database.close()


def _checkpoint(path: Path, finished: threading.Event) -> None:
    database = open_database(path)
    while not finished.wait(1.0):
        checkpoint(database, "truncate")
    database.close()


def main(path: str, seconds: float) -> None:
    commits: list[float] = []
    visible: list[float] = []

    def timed(database: Database, batch: Batch, *, deadline: float) -> bool:
        started = time.perf_counter_ns()
        stored = store(database, batch, deadline=deadline)
        commits.append((time.perf_counter_ns() - started) / 1e6)
        now = time.time_ns()
        visible.extend((now - span.ended_at) / 1e6 for span in batch.spans if span.ended_at)
        return stored

    delivery.store = timed
    callers = []
    with Observability.open(path, platform="cli") as recording:
        _get_ready(recording)
        commits.clear()
        visible.clear()
        spans = max(int(PER_SECOND * seconds), 1)
        began = time.perf_counter()
        for number in range(spans):
            time.sleep(max(began + number / PER_SECOND - time.perf_counter(), 0))
            started = time.perf_counter_ns()
            with recording.span("invoke_agent claude", **ATTRIBUTES):
                pass
            callers.append((time.perf_counter_ns() - started) / 1e6)
        recording.flush(30)
        recording.database.close()
    found = {"caller_ms": callers, "commit_ms": commits, "visible_ms": visible}
    print(json.dumps({"recorded": spans, **found}))  # noqa: T201


def _get_ready(recording: Observability) -> None:
    """Record one span, wait until all is imported, then wait for the other processes."""
    prices.load_in_background()
    while not prices.are_loaded():
        time.sleep(0.01)
    with recording.span("invoke_agent claude", **ATTRIBUTES):
        pass
    recording.flush(30)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
