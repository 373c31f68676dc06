"""On demand: spans a second that 1 and 8 processes commit to one database, as fast as they can."""

import json
import statistics
import sys
import time
from collections.abc import Iterator

from storage.database.models import SpanRow
from storage.model import prices
from storage.recovery.opening import open_database
from storage.writer.writer import writer_for
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run, answer, in_process
from tests.benchmarks.traces import DAYS, as_active, make_spans

SPANS = 10_000
"""Of each process."""

PROCESSES = (1, 8)

ON_DEMAND = True


def measure(run: Run) -> Iterator[Figure]:
    for processes in PROCESSES:
        rounds = [_round(run, run.count(processes)) for _ in range(run.rounds)]
        speed, cost = (statistics.median(found) for found in zip(*rounds, strict=True))
        name = f"together, {processes} process{'es' if processes > 1 else ''}"
        yield Figure(name=name, ours=speed, unit="spans/s")
        yield Figure(name=f"{name}, processor time", ours=cost, unit="µs")


def _round(run: Run, processes: int) -> tuple[float, float]:
    """Return how many spans a second were committed, and the processor time of each in µs."""
    run.note(f"{processes} processes")
    with run.folder() as folder:
        return commit_together(str(folder / "t.db"), processes, spans=run.count(SPANS))


def commit_together(url: str, processes: int, *, spans: int) -> tuple[float, float]:
    """Let each of some processes commit *spans* spans to a new database. Returns as `_round`."""
    database = open_database(url)
    started = [in_process(__name__, url, spans, seed) for seed in range(processes)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seconds = sum(answer(process) for process in started)
    took = time.perf_counter() - began
    stored = SpanRow.select().count(database)
    database.close()
    assert stored == processes * spans
    return stored / took, seconds / stored * 1e6


def main(url: str, spans: int, seed: int) -> None:
    days = DAYS * spans / 1_000_000  # As densely as in the big database.
    active = as_active(make_spans(spans, seed=seed, days=days))
    prices.load_in_background()
    while not prices.are_loaded():
        time.sleep(0.01)
    database = open_database(url)
    writer = writer_for(database)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    before = time.process_time()
    for span in active:  # At its start and at its end, as the recording API does.
        writer.put(span)
        writer.put(span)
    assert writer.flush(300)
    writer.close()
    database.close()
    print(json.dumps(time.process_time() - before))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
