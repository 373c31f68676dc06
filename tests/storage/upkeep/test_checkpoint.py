"""Checkpoints, on real databases."""

import logging

import pytest

from bot.jobs.digests import Digests
from bot.jobs.scheduler import Scheduler
from storage import Observability
from storage.database.connect import connect
from storage.database.shared_file import SharedDatabase
from storage.health import health
from storage.model.retention import Folding, Retention
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.litestream import litestream_folder
from tests.support.factories import FixedSight

DAY = 24 * 3_600 * 1_000_000_000


def record(observability: Observability, *names: str) -> None:
    for name in names:
        with observability.span(name), observability.span("inner"):
            observability.log_structured("warning", f"in {name}")
    assert observability.flush()


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_a_checkpoint_reports_that_it_is_complete(observability: Observability) -> None:
    record(observability, "work")
    result = checkpoint(observability.database, "truncate")
    assert (result.complete, result.reason) == (True, "")
    assert health(observability.database, now=0).wal_size == 0


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
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


def scheduler(database: SharedDatabase) -> Scheduler:
    digests = Digests(
        database,
        post=lambda channel, view, key: None,
        posted=lambda channel, key: False,
        team="T1",
        workspace="https://acme.slack.com/",
        sight_in=lambda team, channel: FixedSight(frozenset()),
    )
    retention = Retention(older_than_ns=30 * DAY)
    return Scheduler(database, digests=digests, retention=retention, folding=Folding())


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_a_blocked_checkpoint_is_a_warning_with_the_reason(
    observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    record(observability, "work")
    database = observability.database
    reader = connect(database.database)
    reader.begin("deferred")
    reader.execute_sql("SELECT count(*) FROM spans").fetchall()
    record(observability, "more work")
    with caplog.at_level(logging.WARNING, logger="tracebot.schedule"):
        scheduler(database).tick(now=DAY)
    assert "truncate checkpoint is not complete: another connection" in caplog.text
    reader.rollback()
    reader.close()


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_no_tick_moves_or_warns_of_a_log_that_litestream_reads(
    observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    record(observability, "work")
    database = observability.database
    folder = litestream_folder(database.path) / "ltx" / "0"
    folder.mkdir(parents=True)
    (folder / f"{1:016x}-{1:016x}.ltx").touch()
    reader = connect(database.path)  # Litestream holds such a lock all the time.
    reader.begin("deferred")
    reader.execute_sql("SELECT count(*) FROM spans").fetchall()
    record(observability, "more work")
    with caplog.at_level(logging.WARNING, logger="tracebot.schedule"):
        scheduler(database).tick(now=DAY)
    assert "checkpoint" not in caplog.text
    assert health(database, now=DAY).checkpoint is None
    reader.rollback()
    reader.close()
