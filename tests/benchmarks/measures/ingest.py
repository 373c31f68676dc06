"""Spans a second from the queue to committed rows, with summaries and rollups.

The peer is Python's sqlite3: `executemany` of the same span rows, ready-made, into the same
table with the same indexes and pragmas, 1,000 a transaction, and nothing besides. The spans lie as
densely in time as those of the big database.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from storage.model.span import Span
from storage.recovery.opening import open_database
from storage.store.span_rows import span_rows
from storage.writer.writer import writer_for
from tests.benchmarks.databases import bare_database, copied, insert_bare, open_bare, our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run
from tests.benchmarks.traces import DAYS, NOW, SECOND, as_active, make_spans

SPANS = 20_000


def measure(run: Run) -> Iterator[Figure]:
    with run.folder() as folder:
        yield _figure(run, "ingest, empty", folder, None, None, goal=0.5)
    with run.folder() as folder:
        ours, bare = our_database(run, run.big), bare_database(run, run.big)
        yield _figure(run, f"ingest, {run.big:,} spans", folder, ours, bare, goal=0.4)


def _figure(
    run: Run, name: str, folder: Path, ours: Path | None, bare: Path | None, *, goal: float
) -> Figure:
    """Each round adds to the same two databases, or to two new ones if there are none."""
    paths = [copied(path, folder) if path else None for path in (ours, bare)]
    rounds = iter(range(1, 1_000))

    def spans() -> list[Span]:
        count = run.count(SPANS)
        return later(make_spans(count, days=DAYS * count / 1_000_000), next(rounds))

    def store_ours() -> float:
        return commit_all(paths[0] or folder / f"{next(rounds)}.db", spans())

    def store_bare() -> float:
        return _bare(paths[1] or folder / f"{next(rounds)}.db", spans())

    mine, peer = run.medians(store_ours, store_bare)
    return Figure(
        name=name,
        ours=mine,
        theirs=peer,
        unit="spans/s",
        peer="sqlite3.executemany of the span rows alone",
        ratio_at_least=goal,
    )


def later(spans: list[Span], number: int) -> list[Span]:
    """Return the same spans as a later day would bring them: none is stored yet."""
    shift = number * 40 * 86_400 * SECOND
    for span in spans:
        begins = span.started_at + shift
        millis = int(span.trace_id[:12], 16) + shift // 1_000_000
        span.trace_id = f"{millis:012x}{span.trace_id[12:]}"
        span.ended_at = begins + (span.duration_ns or 0)
        span.started_at = begins
    assert not spans or spans[0].started_at > NOW
    return spans


def commit_all(url: str | Path, spans: list[Span]) -> float:
    """Return how many spans a second one writer commits to the database at a path or URL."""
    database = open_database(url)
    active = as_active(spans)
    writer = writer_for(database)
    started = time.perf_counter()
    for span in active:  # At its start and at its end, as the recording API does.
        writer.put(span)
        writer.put(span)
    assert writer.flush(120)
    took = time.perf_counter() - started
    writer.close()
    database.close()
    return len(active) / took


def _bare(path: Path, spans: list[Span]) -> float:
    connection = open_bare(path)
    rows = span_rows(spans)
    started = time.perf_counter()
    insert_bare(connection, rows)
    took = time.perf_counter() - started
    connection.close()
    return len(rows) / took
