"""Jobs that run each minute."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import peewee
import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from bot.jobs import scheduler
from bot.jobs.digests import Digests
from storage import Observability
from storage.coordination.leases import acquire_lease
from storage.database.base import Database
from storage.database.models import SpanRow
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.retention import Folding, Retention
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery import integrity
from storage.recovery.integrity import check, last_check
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.spool_files import spool_folder
from storage.writer import delivery
from storage.writer.spool import Spool
from tests.support.conversations import StartBot, eventually
from tests.support.factories import NOW, TEAM, FixedSight

MINUTE_NS = 60 * scheduler.SECOND_NS


def test_a_turn_of_a_dead_process_ends_although_the_start_could_not_end_it(
    start_bot: StartBot, observability: Observability
) -> None:
    bot = start_bot()
    for _ in range(2):
        observability.start_span("slack message", {"decision": "answer"})
    assert observability.flush()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    first = SpanRow.select(SpanRow.span_id).limit(1).scalar(observability.database)
    rows = SpanRow.update(process=f"{socket.gethostname()}:{dead.pid}:1:1")
    rows.where(SpanRow.span_id == first).execute(observability.database)
    bot.scheduler.take_over()
    traces = recent_traces(observability.database).traces
    assert sorted(trace.status for trace in traces) == ["abandoned", "running"]


def test_a_tick_does_not_wait_until_all_is_stored_that_others_left(
    start_bot: StartBot, observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take minutes. Digests and alerts would be late, and a bot that is stopped waits."""
    bot = start_bot()
    assert observability.flush()
    stored, ticked = threading.Event(), threading.Event()

    def store_late(*arguments: Any, **options: Any) -> bool:
        ticked.wait(10.0)
        stored.set()
        return store(*arguments, **options)

    monkeypatch.setattr(delivery, "store", store_late)
    spool = Spool(spool_folder(observability.database.path), "gone:1:2:1")
    spool.append(Batch("gone:1:2:1", 1, spans=[Span("1" * 32, "2" * 16, "left", 1, ended_at=2)]))
    spool.close()
    bot.scheduler.tick(now=time.time_ns())
    assert not stored.is_set()
    ticked.set()
    left = SpanRow.select().where(SpanRow.name == "left")
    eventually(lambda: left.count(observability.database) == 1)


def test_of_three_processes_one_does_the_upkeep_of_a_day(
    db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for job in (scheduler.apply_retention, scheduler.check, scheduler.remove_files_here):
        monkeypatch.setattr(scheduler, job.__name__, _noted(done, job))
    gate = threading.Barrier(3)

    def run() -> None:
        with closing(open_database(db_path)) as own:
            made = _scheduler(own)
            for day in range(2):
                gate.wait()
                made.tick(now=NOW + day * scheduler.DAY_NS)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared = [each for each in done if each != "remove_files_here"]
    assert sorted(shared) == ["apply_retention", "apply_retention", "check", "check"]
    # Each may be on a machine of its own, with the files of its own turns.
    assert len(done) - len(shared) == 6


def test_upkeep_that_fails_is_tried_again_in_the_next_tick_and_done_once_a_day(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    first = iter([peewee.OperationalError("database is locked")])

    def fail_once(*args: Any, **options: Any) -> None:
        for error in first:
            raise error

    monkeypatch.setattr(scheduler, "fold", fail_once)
    monkeypatch.setattr(scheduler, "apply_retention", _noted(done, scheduler.apply_retention))
    made = _scheduler(database)
    for minute in range(4):
        made.tick(now=NOW + minute * MINUTE_NS)
        assert len(done) == min(minute, 1)


def test_a_stop_waits_for_one_transaction_of_retention_and_the_next_start_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, given_up = threading.Event(), threading.Event(), threading.Event()

    def endless(*args: Any, **options: Any) -> None:
        try:
            while not given_up.is_set():
                with transaction(database):
                    begun.set()
        finally:
            ended.set()

    with monkeypatch.context() as patched:
        patched.setattr(scheduler, "apply_retention", endless)
        made = _scheduler(database)
        made.start()
        ticking = threading.Thread(target=made.tick, kwargs={"now": NOW})
        ticking.start()
        assert begun.wait(10)
        made.stop()
        in_time = ended.wait(10)
        given_up.set()
        ticking.join()
    assert in_time
    done: list[str] = []
    monkeypatch.setattr(scheduler, "apply_retention", _noted(done, scheduler.apply_retention))
    _scheduler(database).tick(now=NOW + MINUTE_NS)
    assert done == ["apply_retention"]


def test_a_check_that_a_stop_cuts_off_is_made_again_by_the_next_start(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless(database: Database, *, stopped: Callable[[], bool]) -> object:
        begun.set()
        while not stopped():
            time.sleep(0.001)
        return check(database, stopped=stopped)

    with monkeypatch.context() as patched:
        patched.setattr(scheduler, "check", endless)
        patched.setattr(integrity, "STEPS", 1)
        made = _scheduler(database)
        made.start()
        ticking = threading.Thread(target=made.tick, kwargs={"now": NOW})
        ticking.start()
        assert begun.wait(10)
        made.stop()
        ticking.join()
    assert last_check(database) is None
    _scheduler(database).tick(now=NOW + MINUTE_NS)
    found = last_check(database)
    assert found is not None
    assert found.finished


def test_jobs_go_on_after_the_clock_was_set_back() -> None:
    now = datetime.fromtimestamp(NOW / 1e9, UTC)
    ticks = BackgroundScheduler(timezone=UTC, jobstores={"default": (jobs := scheduler.Jobs())})
    ticks.add_job(print, "interval", minutes=1, next_run_time=now)
    ticks.start(paused=True)
    try:
        assert len(jobs.get_due_jobs(now)) == 1
        ticks.get_jobs()[0].modify(next_run_time=now + timedelta(minutes=1))
        assert not jobs.get_due_jobs(now + timedelta(seconds=59))
        assert len(jobs.get_due_jobs(now - timedelta(hours=1))) == 1
    finally:
        ticks.shutdown()


def test_upkeep_of_a_process_that_ended_at_it_is_done_by_another(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(scheduler, "apply_retention", _noted(done, scheduler.apply_retention))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner = f"{socket.gethostname()}:{dead.pid}:1:1"
    today = datetime.fromtimestamp(NOW / 1e9, UTC).date()
    assert acquire_lease(
        database, f"retention:{today}", owner=owner, now=NOW, lease_ns=scheduler.DAY_NS
    )
    _scheduler(database).tick(now=NOW + MINUTE_NS)
    assert done == ["apply_retention"]


def _scheduler(database: Database) -> scheduler.Scheduler:
    """Return a scheduler that sends nothing."""
    return scheduler.Scheduler(
        database,
        digests=Digests(
            database,
            post=lambda *message: None,
            posted=lambda *message: False,
            team=TEAM,
            workspace="",
            sight_in=lambda team, channel: FixedSight(frozenset()),
        ),
        retention=Retention(older_than_ns=scheduler.DAY_NS),
        folding=Folding(),
    )


def _noted(done: list[str], job: Callable[..., Any]) -> Callable[..., Any]:
    """Return the job, which also notes that it was done."""

    def noting(*args: Any, **options: Any) -> Any:
        done.append(job.__name__)
        return job(*args, **options)

    return noting
