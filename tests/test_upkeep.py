"""Checkpoints, retention and erasure, on real databases."""

import logging

import pytest
from peewee import Database

from reports.digest import Digests
from reports.schedule import Schedule
from storage import Observability
from storage.database import connect
from storage.queries import recent_traces, statistics, trace_spans
from storage.upkeep import apply_retention, checkpoint, count_older, erase_text, health

DAY = 24 * 3_600 * 1_000_000_000


def record(observability: Observability, *names: str) -> None:
    for name in names:
        with observability.span(name), observability.span("inner"):
            observability.log_structured("warning", f"in {name}")
    assert observability.flush()


def test_a_checkpoint_reports_sqlites_own_answer(observability: Observability) -> None:
    record(observability, "work")
    result = checkpoint(observability.database, "truncate")
    assert (result.complete, result.reason) == (True, "")
    assert health(observability.database).wal_size == 0


def test_a_checkpoint_behind_a_reader_is_not_complete_and_says_why(
    observability: Observability,
) -> None:
    reader = connect(observability.database.database)
    reader.begin("deferred")
    reader.execute_sql("SELECT count(*) FROM spans").fetchall()
    record(observability, "work")
    result = checkpoint(observability.database, "truncate")
    assert not result.complete
    assert "another connection" in result.reason
    reader.rollback()
    reader.close()


def test_a_blocked_checkpoint_is_a_warning_with_the_reason(
    observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    record(observability, "work")
    database = observability.database
    digests = Digests(
        database,
        post=lambda channel, view, key: None,
        posted=lambda channel, key: False,
        audiences=lambda team, channel: frozenset(),
    )
    reader = connect(database.database)
    reader.begin("deferred")
    reader.execute_sql("SELECT count(*) FROM spans").fetchall()
    record(observability, "more work")
    with caplog.at_level(logging.WARNING, logger="tracebot.schedule"):
        Schedule(database, digests=digests, retention_ns=30 * DAY).tick(now=DAY)
    assert "truncate checkpoint is not complete: another connection" in caplog.text
    reader.rollback()
    reader.close()


def age(database: Database, name: str, *, days: int) -> None:
    """As if the trace called `name` had happened `days` ago."""
    (trace,) = [t for t in recent_traces(database).traces if t.name == name]
    for table in ("traces", "spans"):
        database.execute_sql(
            f"UPDATE {table} SET started_at = started_at - ? WHERE trace_id = ?",
            (days * DAY, trace.trace_id),
        )


def test_retention_removes_whole_old_traces_and_keeps_statistics(
    observability: Observability,
) -> None:
    record(observability, "old", "new")
    database = observability.database
    age(database, "old", days=40)
    now = recent_traces(database).traces[0].started_at + 1_000_000_000
    before = statistics(database, since=now - DAY, until=now).total
    assert count_older(database, older_than_ns=30 * DAY, now=now) == 1
    assert apply_retention(database, older_than_ns=30 * DAY, now=now) == 1
    (left,) = recent_traces(database).traces
    assert (left.name, len(trace_spans(database, left.trace_id))) == ("new", 2)
    assert database.execute_sql("SELECT count(*) FROM spans").fetchone()[0] == 2
    assert statistics(database, since=now - DAY, until=now).total == before
    assert before.traces == 2


def test_retention_leaves_what_still_runs(observability: Observability) -> None:
    span = observability.start_span("endless")
    observability.flush()
    age(observability.database, "endless", days=400)
    now = span.started_at + DAY
    assert apply_retention(observability.database, older_than_ns=DAY, now=now) == 0
    observability.end_span(span)


def test_retention_gives_the_disk_back(observability: Observability) -> None:
    for number in range(300):
        with observability.span(f"work {number}", note="x" * 2_000):
            pass
    observability.flush()
    checkpoint(observability.database, "truncate")
    full = health(observability.database).size
    apply_retention(observability.database, older_than_ns=1, now=2**62)
    assert health(observability.database).size < full / 3


def test_erasing_a_messages_text_leaves_nothing_of_it(observability: Observability) -> None:
    words = {"channel": "C1", "message_ts": "1.0", "text": "regrettable"}
    with observability.span("slack message", **words):
        pass
    observability.flush()
    database = observability.database
    erase_text(database, channel="C1", message_ts="1.0")
    for table in ("spans", "traces"):
        assert "regrettable" not in str(database.execute_sql(f"SELECT * FROM {table}").fetchall())
