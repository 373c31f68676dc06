"""Jobs that run each minute."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.jobs import scheduler
from bot.jobs.digests import Digests
from storage import Observability
from storage.database.models import SpanRow
from storage.model.batch import Batch
from storage.model.retention import Folding, Retention
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.spool_files import spool_folder
from storage.writer import delivery
from storage.writer.spool import Spool
from tests.support.conversations import StartBot, eventually
from tests.support.factories import NOW, TEAM, FixedSight


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
    for job in (scheduler.apply_retention, scheduler.check):
        monkeypatch.setattr(scheduler, job.__name__, _noted(done, job))
    gate = threading.Barrier(3)

    def run() -> None:
        with closing(open_database(db_path)) as own:
            made = scheduler.Scheduler(
                own,
                digests=Digests(
                    own,
                    post=lambda *message: None,
                    posted=lambda *message: False,
                    team=TEAM,
                    workspace="",
                    sight_in=lambda team, channel: FixedSight(frozenset()),
                ),
                retention=Retention(),
                folding=Folding(),
            )
            for day in range(2):
                gate.wait()
                made.tick(now=NOW + day * scheduler.DAY_NS)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["apply_retention", "apply_retention", "check", "check"]


def _noted(done: list[str], job: Callable[..., Any]) -> Callable[..., Any]:
    """Return the job, which also notes that it was done."""

    def noting(*args: Any, **options: Any) -> Any:
        done.append(job.__name__)
        return job(*args, **options)

    return noting
