"""On demand: a PostgreSQL server against COPY of the bare rows, and against SQLite.

The server is the one whose URL is in `TRACEBOT_TEST_POSTGRES_URL`, or one of our own, with the
settings of a new server: each commit is on the disk before it is acknowledged.
"""

import statistics as averages
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from storage.database.base import Database
from storage.database.connect import connect, locate
from storage.model.batch import Batch
from storage.model.filters import Filters
from storage.model.span import Span
from storage.queries.lookups import message_traces, thread_traces, traces_by_id
from storage.queries.statistics import statistics
from storage.queries.traces import recent_traces, trace_spans
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.span_rows import SPAN_FIELDS, span_rows
from tests.benchmarks.databases import BATCH_SIZE, digest_of_sources, fill, our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.measures.ingest import commit_all, later
from tests.benchmarks.measures.list import FILTERS, PERSON
from tests.benchmarks.measures.stats import SINCE, by_agent
from tests.benchmarks.measures.together import commit_together
from tests.benchmarks.run import Run, milliseconds
from tests.benchmarks.traces import DAYS, NOW, make_spans
from tests.support.postgres_servers import a_server, database_of, execute

ON_DEMAND = True
SPANS = 20_000
PROCESSES = 4
TIMES = 20

Ask = Callable[[Database], object]


def measure(run: Run) -> Iterator[Figure]:
    run.cache.mkdir(parents=True, exist_ok=True)
    with a_server(run.cache / "postgres") as server:
        yield from _ingest(run, server)
        yield _together(run, server)
        yield from _queries(run, server)


def _ingest(run: Run, server: str) -> Iterator[Figure]:
    url = _new_database(server, "tracebot_bench_ingest")
    open_database(url).close()
    execute(url, "CREATE TABLE bare (LIKE spans INCLUDING ALL)")
    numbers = iter(range(1, 1_000))

    def spans() -> list[Span]:
        count = run.count(SPANS)
        return later(make_spans(count, days=DAYS * count / 1_000_000), next(numbers))

    ours, ends, theirs = run.medians(
        lambda: commit_all(url, spans()),
        lambda: _end_all(url, spans()),
        lambda: _copy_bare(url, span_rows(spans())),
    )
    _drop(server, "tracebot_bench_ingest")
    peer = "COPY of the span rows alone"
    yield Figure(
        name="postgres, ingest",
        ours=ours,
        theirs=theirs,
        unit="spans/s",
        peer=peer,
        ratio_at_least=0.5,
    )
    yield Figure(
        name="postgres, ends of running spans", ours=ends, theirs=theirs, unit="spans/s", peer=peer
    )


def _end_all(url: str, spans: list[Span]) -> float:
    """Store the ends of spans that are stored as running, as those of a bot mostly are.

    What turns the queue's objects into spans is left out.
    """
    process, took = f"bench:{time.time_ns()}:1:1", 0.0
    with closing(open_database(url)) as database:
        for first in range(0, len(spans), BATCH_SIZE):
            ends = spans[first : first + BATCH_SIZE]
            begun = [
                replace(each, status="running", ended_at=None, duration_ns=None) for each in ends
            ]
            assert store(database, Batch(process, first + 1, spans=begun))
            ids = {span.span_id for span in ends}
            started = time.perf_counter()
            assert store(database, Batch(process, first + 2, spans=ends, resumed=ids))
            took += time.perf_counter() - started
    return len(spans) / took


def _copy_bare(url: str, rows: list[tuple[Any, ...]]) -> float:
    """Copy 1,000 rows a transaction into a table with the columns and indexes of `spans`."""
    columns = ", ".join(f'"{name}"' for name in SPAN_FIELDS)
    with closing(locate(url)) as database:
        connection = database.connection()
        started = time.perf_counter()
        for first in range(0, len(rows), BATCH_SIZE):
            with (
                connection.transaction(),
                connection.cursor().copy(f"COPY bare ({columns}) FROM STDIN") as copy,
            ):
                for row in rows[first : first + BATCH_SIZE]:
                    copy.write_row(row)
        return len(rows) / (time.perf_counter() - started)


def _together(run: Run, server: str) -> Figure:
    found = []
    for turn in range(run.rounds):
        run.note(f"{PROCESSES} processes, round {turn + 1} of {run.rounds}")
        url = _new_database(server, "tracebot_bench_together")
        found.append(commit_together(url, PROCESSES, spans=run.count(SPANS))[0])
        _drop(server, "tracebot_bench_together")
    return Figure(
        name=f"postgres, {PROCESSES} processes",
        ours=averages.median(found),
        unit="spans/s",
        at_least=20_000,
    )


def _queries(run: Run, server: str) -> Iterator[Figure]:
    """Ask both databases the same as commands do, each first once to fill its caches."""
    file, remote = connect(our_database(run, run.big)), locate(_kept(run, server))
    with closing(file), closing(remote):
        for name, ask in _questions(file).items():
            run.note(name)
            works = [partial(_answer, ask, database) for database in (remote, file)]
            for work in works:
                work()
            ours, theirs = run.medians(
                *(partial(milliseconds, work, times=run.count(TIMES)) for work in works)
            )
            yield Figure(
                name=f"postgres, {name}",
                ours=ours,
                theirs=theirs,
                unit="ms",
                peer="SQLite",
                ratio_at_most=3.0,
                at_most=60.0 if name.startswith("stats") and "person" in name else 20.0,
            )


def _answer(ask: Ask, database: Database) -> None:
    with database.time_limit(30):
        ask(database)


def _questions(database: Database) -> Mapping[str, Ask]:
    turn = recent_traces(database, filters=Filters(agent="claude"), limit=40).traces[-1]
    channel = str(turn.channel)

    def show(asked: Database, digits: int) -> None:
        (found,) = traces_by_id(asked, turn.trace_id[:digits])
        assert trace_spans(asked, found.trace_id)

    stats = partial(statistics, since=SINCE, until=NOW)
    return {
        **{f"list, {name}": partial(recent_traces, **given) for name, given in FILTERS.items()},
        "trace": lambda asked: show(asked, 32),
        "trace, by prefix": lambda asked: show(asked, 16),
        "thread": partial(thread_traces, channel=channel, thread_ts=str(turn.thread_ts)),
        "thread, by message": partial(
            message_traces, channel=channel, message_ts=str(turn.message_ts)
        ),
        "stats, by agent": by_agent,
        "stats, by agent, a person": partial(stats, by="agent", audiences=PERSON),
        "stats, by user": partial(stats, by="user"),
    }


def _kept(run: Run, server: str) -> str:
    """Return a database with as many spans as the big one of SQLite, kept for the next run."""
    name = f"tracebot_bench_{run.big}_{digest_of_sources()}"
    with closing(locate(server)) as admin:
        names = {name for (name,) in admin.fetch("SELECT datname FROM pg_database", ())}
    if name not in names:
        unfinished = _new_database(server, "tracebot_bench_unfinished")
        with closing(open_database(unfinished)) as database:
            fill(run, database, run.big)
            database.execute_sql("VACUUM ANALYZE")
        execute(server, f"ALTER DATABASE tracebot_bench_unfinished RENAME TO {name}")
    return database_of(server, name)


def _new_database(server: str, name: str) -> str:
    _drop(server, name)
    execute(server, f"CREATE DATABASE {name}")
    return database_of(server, name)


def _drop(server: str, name: str) -> None:
    execute(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
