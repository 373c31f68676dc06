"""A summary follows its trace, and costs a server as little as it can."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from storage.database.base import Database
from storage.database.connect import locate
from storage.database.models import TraceRow
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.span import Span
from storage.store.batch import store, store_spans

NOW = 1_764_000_000 * 10**9
TURNS = 30
"""Enough to be stored by COPY."""


@pytest.fixture
def server(new_postgres_url: str) -> Iterator[Database]:
    with closing(locate(new_postgres_url)) as database:
        yield database


def begun(number: int) -> Span:
    return Span(
        f"{number:032x}",
        f"{number:016x}",
        "slack message",
        NOW + number,
        platform="slack",
        text="ask @U1",
        process="p",
    )


def ended(number: int) -> Span:
    times = {"ended_at": NOW + number + 5, "duration_ns": 5}
    return replace(begun(number), status="ok", text="ask @ann", **times)


def test_turns_that_end_have_their_texts_and_times(any_database: Database) -> None:
    spans = [ended(number) for number in range(TURNS)]
    store(any_database, Batch("p", 1, spans=[begun(number) for number in range(TURNS)]))
    store(any_database, Batch("p", 2, spans=spans, resumed={span.span_id for span in spans}))
    rows = TraceRow.select().order_by(TraceRow.trace_id).execute(any_database)
    assert [(row.status, row.text, row.duration_ns, row.started_at) for row in rows] == [
        ("ok", "ask @ann", 5, NOW + number) for number in range(TURNS)
    ]


def test_an_entry_of_another_process_takes_no_place_of_a_root(any_database: Database) -> None:
    store(any_database, Batch("p", 1, spans=[ended(1)]))
    step = replace(ended(1), span_id="b" * 16, parent_id=ended(1).span_id, name="decide", text=None)
    entry = replace(step, span_id="c" * 16, name="entry", entry=True, started_at=NOW - 10)
    store(any_database, Batch("p", 2, spans=[step, entry]))
    (row,) = TraceRow.select().execute(any_database)
    assert (row.name, row.started_at, row.span_count) == ("slack message", NOW + 1, 3)


def test_a_server_writes_the_summary_of_a_turn_that_ends_once(server: Database) -> None:
    """Each version of a summary is added to nine indexes; its text is not changed here."""
    store(server, Batch("p", 1, spans=[begun(number) for number in range(TURNS)]))
    spans = [replace(ended(number), text="ask @U1") for number in range(TURNS)]
    with transaction(server):
        store_spans(server, Batch("p", 2, spans=spans, resumed={span.span_id for span in spans}))
        sql = "SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'traces'"
        written = server.fetch(sql, ())[0][0]
    assert written == TURNS
