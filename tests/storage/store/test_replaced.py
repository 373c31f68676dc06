"""A turn whose end comes after it was taken for abandoned counts as if it had never been."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from storage.database.base import Database
from storage.database.models import RollupRow, SpanRow, TraceRow
from storage.model.batch import Batch
from storage.model.span import Span, Status
from storage.queries.statistics import statistics
from storage.store.batch import store
from storage.store.facts import merge_facts
from storage.store.rollups import SUMS
from storage.writer import abandoned

SECOND = 10**9
HOUR = 3_600 * SECOND
NOW = 490_000 * HOUR
PROCESS = "host:1:1-aaaa-bbbb-cccc:1"

Mark = Callable[[Database], int]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Mark:
    """Mark what runs as another process does that has not heard of ours for minutes."""
    monkeypatch.setattr("storage.coordination.heartbeats.dead_processes", lambda _, names: [*names])
    return abandoned.mark_abandoned


def started(number: int, *, input_tokens: int | None = None) -> list[Span]:
    """Return the spans of a turn, each in an hour of its own, as they start."""
    root = Span(
        trace_id=f"{number:032x}",
        span_id=f"{number:015x}1",
        name="slack message",
        started_at=NOW + number * HOUR,
        platform="slack",
        team="T1",
        audience="T1",
        channel="C1",
        agent="claude",
        process=PROCESS,
    )
    call = replace(
        root,
        span_id=f"{number:015x}2",
        parent_id=root.span_id,
        name="claude",
        provider="anthropic",
        configured_provider="claude",
        model="opus",
        input_tokens=input_tokens,
    )
    return [root, call]


def ended(spans: Sequence[Span], *statuses: Status) -> list[Span]:
    """Return the spans as they end. The call reports tokens, and its caller the same ones."""
    return [
        replace(
            span,
            status=status,
            ended_at=span.started_at + SECOND,
            duration_ns=SECOND,
            input_tokens=100,
            output_tokens=10,
            cost=5,
        )
        for span, status in zip(spans, statuses, strict=True)
    ]


def ids(spans: Sequence[Span]) -> set[str]:
    return {span.span_id for span in spans}


def rollups(database: Database, number: int) -> list[tuple[object, ...]]:
    """Return what the rollups hold of the hour of a turn, without rows of which nothing is left."""
    names = ("dimension", "key", "audience", *SUMS, "latency")
    query = RollupRow.select(*(getattr(RollupRow, name) for name in names)).where(
        RollupRow.level == "hour", RollupRow.starts_at == NOW + number * HOUR
    )
    return sorted(
        tuple(bytes(value) if name == "latency" and value else value for name, value in row.items())
        for row in query.dicts().execute(database)
        if any(row[name] for name in SUMS)
    )


def summary(database: Database, number: int) -> dict[str, object]:
    query = TraceRow.select().where(TraceRow.trace_id == f"{number:032x}")
    (row,) = query.dicts().execute(database)
    return {**row, "trace_id": None, "started_at": None, "ended_at": None}


@pytest.mark.parametrize(
    "statuses", [("ok", "ok"), ("error", "error"), ("ok", "abandoned"), ("cancelled", "timeout")]
)
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("told", [None, 40], ids=["", "tokens at the start"])
def test_an_end_that_comes_after_the_mark_counts_once(
    any_database: Database,
    mark: Mark,
    statuses: tuple[Status, Status],
    at_once: bool,
    told: int | None,
) -> None:
    turns = [ended(started(number), *statuses) for number in (1, 2)]
    store(any_database, Batch(PROCESS, 1, spans=started(1)))
    store(any_database, Batch(PROCESS, 2, spans=turns[0], resumed=ids(turns[0])))
    store(any_database, Batch(PROCESS, 3, spans=started(2, input_tokens=told)))
    assert mark(any_database) == 2
    merge_facts(any_database)
    root, call = turns[1]
    batches = [[call, root]] if at_once else [[call], [root]]
    for number, spans in enumerate(batches, 4):
        assert store(any_database, Batch(PROCESS, number, spans=spans, resumed=ids(spans)))
    merge_facts(any_database)

    stored = SpanRow.select(SpanRow.status, SpanRow.input_tokens, SpanRow.duration_ns)
    of_second = stored.where(SpanRow.trace_id == root.trace_id).order_by(SpanRow.span_id)
    assert list(of_second.tuples().execute(any_database)) == [
        (status, 100, SECOND) for status in statuses
    ]
    assert summary(any_database, 2) == summary(any_database, 1)
    assert rollups(any_database, 2) == rollups(any_database, 1) != []
    total = statistics(any_database, since=NOW + 2 * HOUR, until=NOW + 3 * HOUR).total
    assert (total.traces, total.input_tokens, total.cost) == (1, 100, 5)
    assert total.errors == (statuses[0] == "error")
