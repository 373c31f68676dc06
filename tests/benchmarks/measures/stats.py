"""30 days by agent with percentiles at 1,000,000 spans, against 10,000 and against exact values."""

from collections.abc import Iterator
from math import ceil

from peewee import Database

from storage.database.connect import connect
from storage.database.models import SpanRow
from storage.queries.statistics import Statistics, statistics
from tests.benchmarks.databases import our_database
from tests.benchmarks.figure import Figure
from tests.benchmarks.growth import growth
from tests.benchmarks.measures.list import PERSON
from tests.benchmarks.run import Run, milliseconds
from tests.benchmarks.traces import DAY, DAYS, NOW

SINCE = NOW - DAYS * DAY
SHARES = (0.50, 0.95, 0.99)


def measure(run: Run) -> Iterator[Figure]:
    yield growth(run, "stats, by agent", by_agent, at_most=5)
    yield growth(
        run,
        "stats, by agent, a person",
        lambda database: statistics(database, since=SINCE, until=NOW, by="agent", audiences=PERSON),
        at_most=20,
    )
    yield growth(
        run,
        "stats, by user",
        lambda database: statistics(database, since=SINCE, until=NOW, by="user"),
        at_most=30,
    )
    database = connect(our_database(run, run.big))
    mine, exact = run.medians(
        lambda: milliseconds(lambda: by_agent(database)),
        lambda: milliseconds(lambda: exactly(database)),
    )
    error = _worst_error(database)
    database.close()
    yield Figure(
        name="stats, against exact",
        ours=mine,
        theirs=exact,
        unit="ms",
        peer="exact percentiles from the raw spans",
        ratio_at_most=0.01,
    )
    yield Figure(name="stats, error of p50, p95, p99", ours=error, unit="%", at_most=1.0)


def by_agent(database: Database) -> Statistics:
    return statistics(database, since=SINCE, until=NOW, by="agent")


def exactly(database: Database) -> dict[str, list[int]]:
    """Return the p50, p95 and p99 of each agent from its durations."""
    rows = (
        SpanRow.select(SpanRow.agent, SpanRow.duration_ns)
        .where(
            SpanRow.started_at >= SINCE,
            SpanRow.started_at < NOW,
            SpanRow.parent_id.is_null(),
            SpanRow.agent.is_null(False),
        )
        .tuples()
        .execute(database)
    )
    durations: dict[str, list[int]] = {}
    for agent, duration in rows:
        durations.setdefault(agent, []).append(duration)
    return {
        agent: [found[ceil(share * len(found)) - 1] for share in SHARES]
        for agent, found in ((agent, sorted(found)) for agent, found in durations.items())
    }


def _worst_error(database: Database) -> float:
    """Return the largest error of all agents with 100 turns or more, in percent."""
    exact = exactly(database)
    errors = [
        abs(value / truth - 1) * 100
        for group in by_agent(database).groups
        if group.traces >= 100
        for value, truth in zip(
            (group.p50_ns, group.p95_ns, group.p99_ns), exact[group.key], strict=True
        )
        if value is not None
    ]
    return max(errors, default=0.0)
