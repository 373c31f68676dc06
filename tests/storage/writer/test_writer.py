"""Nothing lost: what was recorded is in the database, or waits in the spool, whatever happens."""

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from storage import Observability
from storage.coordination.process_identity import new_writer
from storage.database.connect import connect
from storage.database.lock_files import locked
from storage.database.models import MetricRow, RollupRow, SpanRow
from storage.database.shared_file import SharedDatabase
from storage.errors import NewerDatabase
from storage.model.batch import Batch
from storage.model.records import Metric
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.facts import merge_facts
from storage.store.spool_files import spool_folder, waiting
from storage.tracing.tracer import Tracer
from storage.writer import delivery, merging
from storage.writer.abandoned import mark_abandoned
from storage.writer.delivery import adopt
from storage.writer.dropped import drop_counts
from storage.writer.spool import Spool
from storage.writer.writer import Writer, writer_for
from tests.support.recorded_names import WITHIN_S, names, run, until


def span(number: int, **values: object) -> Span:
    known = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "name": f"span {number}"}
    return Span(**{"started_at": number, "ended_at": number + 1, **known, **values})  # type: ignore[arg-type]


@pytest.fixture
def database(db_path: Path) -> Iterator[SharedDatabase]:
    opened = open_database(db_path)
    yield opened
    opened.close()


@pytest.fixture
def lock(database: SharedDatabase, db_path: Path) -> Iterator[SharedDatabase]:
    """Another connection that writes, until it is rolled back."""
    holder = connect(db_path)
    holder.begin()
    yield holder
    if holder.connection().in_transaction:
        holder.rollback()
    holder.close()


def test_what_a_locked_database_cannot_take_waits_in_the_spool_and_comes_in_order(
    db_path: Path, lock: SharedDatabase, database: SharedDatabase
) -> None:
    with Observability.open(db_path, platform="cli", busy_timeout_ms=10) as observability:
        for number in range(3):
            with observability.span(f"before {number}"):
                pass
        assert not observability.flush(0.5)
        files, size = waiting(spool_folder(db_path))
        assert (files, size > 0) == (1, True)
        for number in range(3):
            with observability.span(f"behind {number}"):
                pass
        assert not observability.flush(0.5)
        assert waiting(spool_folder(db_path))[1] > size
        lock.rollback()
        assert observability.flush(WITHIN_S)
        with observability.span("after"):
            pass
    assert names(database) == [
        *(f"before {number}" for number in range(3)),
        *(f"behind {number}" for number in range(3)),
        "after",
    ]
    assert waiting(spool_folder(db_path)) == (0, 0)
    (loss,) = drop_counts(database, since=0)
    assert (loss.metric, loss.label) == ("tracebot.write_failed", "locked")


def test_an_error_of_the_disk_at_the_spool_passes_as_one_of_the_database_does(
    db_path: Path,
    lock: SharedDatabase,
    database: SharedDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = threading.Event()
    unlink = Path.unlink

    def fail_once(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".spool" and not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, "Input/output error", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", fail_once)
    with Observability.open(db_path, platform="cli", busy_timeout_ms=10) as observability:
        with observability.span("before"):
            pass
        assert until(lambda: waiting(spool_folder(db_path))[0] == 1)
        lock.rollback()
        assert failed.wait(WITHIN_S)
        assert until(lambda: waiting(spool_folder(db_path)) == (0, 0))
        with observability.span("after"):
            pass
        assert observability.flush(WITHIN_S)
    assert names(database) == ["before", "after"]


def test_a_database_locked_at_the_start_refuses_nobody(db_path: Path) -> None:
    holder = connect(db_path)
    holder.execute_sql("BEGIN EXCLUSIVE")
    with Observability.open(db_path, platform="cli", busy_timeout_ms=10) as observability:
        with observability.span("early"):
            pass
        assert not observability.flush(0.5)
        holder.rollback()
        holder.close()
        assert observability.flush(WITHIN_S)
        assert [trace.name for trace in recent_traces(observability.database).traces] == ["early"]


def test_what_is_recorded_while_another_process_migrates_waits_in_the_spool(
    db_path: Path,
) -> None:
    with locked(db_path.with_name(f"{db_path.name}.migrating")):
        observability = Observability.open(db_path, platform="cli", busy_timeout_ms=10)
        with observability.span("early"):
            pass
        assert not observability.flush(0.5)
        assert waiting(spool_folder(db_path))[0] == 1
    assert observability.flush(WITHIN_S)
    assert names(observability.database) == ["early"]
    assert observability.close()


def test_a_database_that_a_newer_version_changed_is_refused_at_the_start(db_path: Path) -> None:
    database = open_database(db_path)
    database.execute_sql("INSERT INTO schema_migration (name, applied) VALUES ('9999_x', '2030')")
    database.close()
    with pytest.raises(NewerDatabase):
        Observability.open(db_path, platform="cli")


def test_a_later_process_stores_what_a_killed_one_left_in_the_spool(
    db_path: Path, lock: SharedDatabase, database: SharedDatabase
) -> None:
    script = (
        "import os, signal, sys, time\n"
        "from storage import Observability\n"
        "from storage.store.spool_files import spool_folder, waiting\n"
        "from pathlib import Path\n"
        "observability = Observability.open(sys.argv[1], platform='cli', busy_timeout_ms=10)\n"
        "with observability.span('left behind'): pass\n"
        "while not waiting(spool_folder(Path(sys.argv[1])))[1]: time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert run(script, db_path).returncode == -signal.SIGKILL
    lock.rollback()
    with Observability.open(db_path, platform="cli"):
        assert until(lambda: names(database) == ["left behind"])
    assert waiting(spool_folder(db_path)) == (0, 0)


def test_a_process_that_ends_while_a_batch_is_searched_is_not_aborted(db_path: Path) -> None:
    # An interpreter that ends a thread within C++, such as re2, aborts the whole process.
    script = (
        "import sys, time\n"
        "import re2\n"
        "from storage import Observability\n"
        "from storage.writer.delivery import Delivery\n"
        "deliver, slow, text = Delivery.deliver, re2.compile('(a|aa)+c'), 'a' * 100_000\n"
        "def searched(self, batch):\n"
        "    until = time.monotonic() + 1.5\n"
        "    while time.monotonic() < until: slow.search(text)\n"
        "    return deliver(self, batch)\n"
        "Delivery.deliver = searched\n"
        "observability = Observability.open(sys.argv[1], platform='cli')\n"
        "with observability.span('last'): pass\n"
        "observability.close(timeout=0.1)\n"
    )
    done = run(script, db_path)
    assert (done.returncode, done.stderr) == (0, "")


DIE_WITH_A_SPOOL = (
    "import os, signal, sys, time\n"
    "from pathlib import Path\n"
    "from storage import Observability\n"
    "from storage.database.connect import connect\n"
    "from storage.store.spool_files import spool_folder, waiting\n"
    "path = Path(sys.argv[1])\n"
    "observability = Observability.open(path, platform='cli', busy_timeout_ms=10)\n"
    "ends, stays = observability.start_span('ends'), observability.start_span('stays')\n"
    "assert observability.flush(30)\n"
    "holder = connect(path)\n"
    "holder.begin()\n"
    "ends.end()\n"
    "while not waiting(spool_folder(path))[1]: time.sleep(0.01)\n"
    "os.kill(os.getpid(), signal.SIGKILL)\n"
)
"""Leaves two spans running in the database, and the end of the first in its spool."""


def statuses(database: SharedDatabase) -> dict[str, str]:
    query = SpanRow.select(SpanRow.name, SpanRow.status)
    return dict(query.tuples().execute(database))


def test_spans_whose_ends_wait_in_a_spool_are_not_taken_for_abandoned(
    db_path: Path, database: SharedDatabase
) -> None:
    assert run(DIE_WITH_A_SPOOL, db_path).returncode == -signal.SIGKILL
    with Observability.open(db_path, platform="cli"):
        assert until(lambda: statuses(database) == {"ends": "ok", "stays": "abandoned"})
    merge_facts(database)
    total = RollupRow.select(RollupRow.traces, RollupRow.errors).where(
        RollupRow.level == "hour", RollupRow.dimension == "all"
    )
    assert list(total.tuples().execute(database)) == [(2, 1)]


def test_spans_of_a_dead_process_are_ended_once_a_locked_database_takes_it(
    db_path: Path, database: SharedDatabase, lock: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.rollback()
    assert run(DIE_WITH_A_SPOOL, db_path).returncode == -signal.SIGKILL
    refused: list[Exception] = []

    def mark(own: SharedDatabase) -> int:
        if refused:
            return mark_abandoned(own)
        lock.begin()
        try:
            return mark_abandoned(own)
        except Exception as error:
            refused.append(error)
            raise
        finally:
            lock.rollback()

    monkeypatch.setattr(delivery, "mark_abandoned", mark)
    with Observability.open(db_path, platform="cli"):
        assert until(lambda: statuses(database) == {"ends": "ok", "stays": "abandoned"})
    assert len(refused) == 1


def test_a_replay_after_a_crash_before_the_spool_was_removed_changes_nothing(
    db_path: Path, database: SharedDatabase
) -> None:
    def batch() -> Batch:
        return Batch("gone:1:2:1", 1, spans=[span(1, status="ok", input_tokens=5)])

    store(database, batch())
    merge_facts(database)
    rows = list(RollupRow.select().tuples().execute(database))
    spool = Spool(spool_folder(db_path), "gone:1:2:1")
    spool.append(batch())
    spool.close()
    with Observability.open(db_path, platform="cli"):
        assert until(lambda: waiting(spool_folder(db_path)) == (0, 0))
    assert names(database) == ["span 1"]
    merge_facts(database)
    assert list(RollupRow.select().tuples().execute(database)) == rows


def left_in_spool(db_path: Path, batches: Sequence[Batch]) -> None:
    spool = Spool(spool_folder(db_path), batches[0].process)
    for each in batches:
        spool.append(each)
    spool.close()


def test_what_was_stored_before_a_crash_is_not_stored_again_with_what_was_not(
    db_path: Path, database: SharedDatabase
) -> None:
    def batch(number: int) -> Batch:
        metric = Metric(
            name="load", value=1.0, labels={}, recorded_at=1, trace_id=None, span_id=None
        )
        spans = [span(number, status="ok", input_tokens=5)]
        return Batch("gone:1:2:1", number, spans=spans, metrics=[metric])

    store(database, batch(1))
    store(database, batch(2))
    left_in_spool(db_path, [batch(number) for number in range(1, 5)])
    adopt(database)
    merge_facts(database)
    assert names(database) == ["span 1", "span 2", "span 3", "span 4"]
    assert MetricRow.select().where(MetricRow.name == "load").count(database) == 4
    assert {trace.input_tokens for trace in recent_traces(database, limit=9).traces} == {5}


def test_small_batches_of_the_spool_share_transactions(
    db_path: Path, database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One each would be stored more slowly than some processes record."""
    stored: list[int] = []

    def count_and_store(database: SharedDatabase, *batches: Batch, deadline: float) -> bool:
        stored.append(len(batches))
        return store(database, *batches, deadline=deadline)

    monkeypatch.setattr(delivery, "store", count_and_store)
    begun = [span(number, ended_at=None, status="running") for number in range(1, 101)]
    batches = [Batch("gone:1:2:1", number, spans=[each]) for number, each in enumerate(begun, 1)]
    for each in begun:  # Most are stored together with their beginning.
        ended = span(each.started_at, status="ok")
        number = 100 + each.started_at
        batches.append(Batch("gone:1:2:1", number, spans=[ended], resumed={ended.span_id}))
    left_in_spool(db_path, batches)
    adopt(database)
    assert stored == [200]
    traces = recent_traces(database, limit=200).traces
    assert [(trace.status, trace.span_count) for trace in traces] == [("ok", 1)] * 100


def test_one_spooled_span_that_the_database_refuses_takes_no_other_along(
    db_path: Path, database: SharedDatabase
) -> None:
    left_in_spool(
        db_path,
        [
            Batch(
                "gone:1:2:1", number, spans=[span(number, duration_ns=2**70 if number == 2 else 1)]
            )
            for number in range(1, 5)
        ],
    )
    adopt(database)
    assert names(database) == ["span 1", "span 3", "span 4"]
    assert waiting(spool_folder(db_path)) == (0, 0)


def test_what_others_leave_is_stored_while_this_process_runs(
    db_path: Path, database: SharedDatabase
) -> None:
    with Observability.open(db_path, platform="cli") as observability:
        assert observability.flush()
        left_in_spool(db_path, [Batch("gone:1:2:1", 1, spans=[span(1, status="ok")])])
        observability.adopt()
        assert until(lambda: names(database) == ["span 1"])
        assert until(lambda: waiting(spool_folder(db_path)) == (0, 0))


def test_a_command_run_while_the_database_is_locked_is_recorded_later(
    db_path: Path, database: SharedDatabase, lock: SharedDatabase
) -> None:
    environ = {**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)}
    command = [str(Path(sys.executable).with_name("tracebot")), "run", "--", "sh", "-c", "exit 3"]
    assert subprocess.run(command, env=environ, check=False, timeout=60).returncode == 3
    assert waiting(spool_folder(db_path))[0] == 1
    lock.rollback()
    adopt(database)
    assert names(database) == ["run sh"]


def test_adopting_stores_what_is_left_and_leaves_what_cannot_be_stored(
    db_path: Path, database: SharedDatabase, lock: SharedDatabase
) -> None:
    spool = Spool(spool_folder(db_path), "gone:1:2:1")
    for number in (1, 2):
        spool.append(Batch("gone:1:2:1", number, spans=[span(number, status="ok")]))
    spool.close()
    adopt(database)
    assert waiting(spool_folder(db_path))[0] == 1
    lock.rollback()
    adopt(database)
    assert names(database) == ["span 1", "span 2"]
    assert waiting(spool_folder(db_path)) == (0, 0)


def test_a_database_that_was_deleted_is_begun_anew_and_nothing_is_lost_into_the_old_one(
    db_path: Path,
) -> None:
    with Observability.open(db_path, platform="cli") as observability:
        with observability.span("first"):
            pass
        assert observability.flush()
        for file in db_path.parent.glob("tracebot.db*"):
            if file.is_file():
                file.unlink()
        with observability.span("second"):
            pass
        assert observability.flush(WITHIN_S)
    database = open_database(db_path)
    assert names(database) == ["second"]
    database.close()


def test_one_span_that_the_database_refuses_takes_no_other_along(
    database: SharedDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    writer = writer_for(database)
    with caplog.at_level(logging.ERROR, "tracebot.storage"):
        for number in range(5):
            writer.put(span(number, duration_ns=2**70 if number == 2 else 1))
        assert writer.flush(WITHIN_S)
    assert names(database) == ["span 0", "span 1", "span 3", "span 4"]
    assert writer.dropped["spans"] == 1
    assert "refused part of a batch" in caplog.text
    writer.put(span(5))
    assert writer.close()
    assert names(database)[-1] == "span 5"
    assert [(loss.label, loss.count) for loss in drop_counts(database, since=0)] == [("spans", 1)]


def test_facts_that_are_refused_cost_no_span(
    db_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one of a batch that neither the database nor the spool could take just then."""
    refused = threading.Event()

    def refuse(*_: object, **__: object) -> bool:
        refused.set()
        raise OverflowError("int too big")

    monkeypatch.setattr(merging, "MERGE_EVERY_S", 0.0)
    monkeypatch.setattr(merging, "run_deferred_work", refuse)
    with Observability.open(db_path, platform="cli") as observability:
        with observability.span("first"):
            pass
        assert observability.flush(WITHIN_S)
        assert refused.wait(WITHIN_S)
        monkeypatch.setattr(delivery.Delivery, "deliver", lambda *_: False)
        refused.clear()
        with observability.span("second"):
            pass
        assert refused.wait(WITHIN_S)
        monkeypatch.undo()
        assert observability.flush(WITHIN_S)
    database = open_database(db_path)
    assert names(database) == ["first", "second"]
    assert drop_counts(database, since=0) == []
    database.close()
    assert "not yet counted" in caplog.text


def stalled(database: SharedDatabase, *, queue_size: int) -> Writer:
    """A writer whose thread waits until `resume`."""
    writer = writer_for(database, linger=0.0, queue_size=queue_size)
    writer.start()
    writer.stop()
    return writer


def test_what_comes_while_a_batch_is_stored_lingers_to_share_a_batch(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_for(database)
    batches: list[list[str]] = []

    def store_and_record(database: SharedDatabase, batch: Batch, *, deadline: float) -> bool:
        batches.append([span.name for span in batch.spans])
        if len(batches) == 1:
            writer.put(span(2))
        return store(database, batch, deadline=deadline)

    def record_once(*_: object, **__: object) -> bool:
        if len(batches) == 1:
            writer.put(span(3))
        return True

    monkeypatch.setattr(delivery, "store", store_and_record)
    monkeypatch.setattr(merging, "run_deferred_work", record_once)
    monkeypatch.setattr(merging, "MERGE_EVERY_S", 0.0)
    writer.put(span(1))
    assert until(lambda: len(batches) > 1)
    assert writer.close()
    assert batches == [["span 1"], ["span 2", "span 3"]]


def test_a_fork_that_the_thread_could_not_stop_for_in_time_leaves_it_at_work(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def store_when_told(database: SharedDatabase, batch: Batch, *, deadline: float) -> bool:
        storing.release()
        assert go_on.acquire(timeout=WITHIN_S)
        return store(database, batch, deadline=deadline)

    monkeypatch.setattr(delivery, "store", store_when_told)
    monkeypatch.setattr("storage.writer.writer.STOP_S", 0.01)
    writer = writer_for(database, linger=0.0)
    writer.put(span(1))
    assert storing.acquire(timeout=WITHIN_S)
    writer.put(span(2))
    writer.stop()
    go_on.release()
    assert storing.acquire(timeout=WITHIN_S)  # The last batch before the fork, and too late for it.
    writer.resume()
    go_on.release(3)
    writer.put(span(3))
    assert writer.flush(WITHIN_S)
    writer.stop()
    writer.resume()
    writer.put(span(4))
    assert writer.close(WITHIN_S)
    assert names(database) == [f"span {number}" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("interrupted", ["__init__", "start"])
def test_ctrl_c_while_the_thread_starts_does_not_keep_the_next_item_waiting(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    writer = writer_for(database, linger=0.0)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(threading.Thread, interrupted, interrupt)
        writer.put(span(1))
    writer.put(span(2))
    assert writer.flush(WITHIN_S)
    assert writer.close(WITHIN_S)
    assert names(database) == ["span 1", "span 2"]


def test_when_the_queue_is_full_detail_goes_first_then_what_comes_last_and_all_is_counted(
    database: SharedDatabase,
) -> None:
    writer = stalled(database, queue_size=100)
    for number in range(150):
        writer.put(
            span(
                number,
                status="ok",
                agent="claude",
                attributes={"colour": "blue"},
                events=[{"name": "said", "at": 1}],
            )
        )
    assert writer.room == 0
    writer.resume()
    assert writer.close(WITHIN_S)
    assert writer.dropped["spans"] == 50
    columns = SpanRow.select(SpanRow.agent, SpanRow.attributes, SpanRow.events)
    rows = list(columns.order_by(SpanRow.started_at).tuples().execute(database))
    assert len(rows) == 100
    assert {agent for agent, _, _ in rows} == {"claude"}
    lost_events = [events is None for _, _, events in rows]
    lost_attributes = [attributes is None for _, attributes, _ in rows]
    assert sum(lost_events) == writer.dropped["events"] > 0
    assert sum(lost_attributes) == writer.dropped["attributes"] > 0
    assert lost_events == sorted(lost_events, reverse=True)  # The oldest first.
    assert rows[-1][1:] != (None, None)
    stored = {loss.label: loss.count for loss in drop_counts(database, since=0)}
    assert stored == {kind: writer.dropped[kind] for kind in ("spans", "events", "attributes")}


def test_every_span_is_stored_or_counted_however_many_threads_record(
    database: SharedDatabase,
) -> None:
    writer = writer_for(database, linger=0.0, queue_size=500)

    def record(first: int) -> None:
        for number in range(first, first + 1_000):
            writer.put(span(number, status="ok"))

    threads = [threading.Thread(target=record, args=(turn * 1_000,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(60)
    assert SpanRow.select().count(database) + writer.dropped["spans"] == 8_000


def test_a_span_whose_start_found_no_room_is_stored_at_its_end(database: SharedDatabase) -> None:
    writer = stalled(database, queue_size=4)
    tracer = Tracer(writer.put, context={"platform": "cli"})
    spans = [tracer.begin(f"span {number}") for number in range(6)]
    writer.resume()
    assert until(lambda: writer.room == 4)
    for active in spans:
        active.end()
        assert writer.flush(WITHIN_S)
    assert writer.close()
    assert sorted(names(database)) == [f"span {number}" for number in range(6)]
    assert writer.dropped["spans"] == 0
    counted = [trace.span_count for trace in recent_traces(database).traces]
    assert counted == [1] * 6


def test_a_writer_that_is_closed_takes_nothing_and_raises_nothing(
    database: SharedDatabase,
) -> None:
    writer = writer_for(database)
    writer.put(span(1))
    assert writer.close()
    writer.put(span(2))
    assert writer.flush(0.1)
    assert writer.close()
    assert names(database) == ["span 1"]
    assert writer.dropped["spans"] == 1


@pytest.mark.parametrize("linger", [-0.1, 0.3])
def test_a_linger_past_what_a_kill_may_lose_is_refused(db_path: Path, linger: float) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 0\.2"):
        Observability.open(db_path, platform="cli", linger=linger)


def test_recordings_opened_and_closed_leak_neither_threads_nor_descriptors(db_path: Path) -> None:
    def once() -> None:
        with Observability.open(db_path, platform="cli") as observability:
            with observability.span("work"):
                pass
            observability.database.execute_sql("SELECT 1").fetchall()

    once()
    threads, descriptors = threading.active_count(), len(os.listdir("/dev/fd"))
    for _ in range(10):
        once()
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) == descriptors


def test_two_recordings_of_one_process_keep_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.db", "b.db")]
    opened = [Observability.open(path, platform="cli") for path in paths]
    for path, observability in zip(paths, opened, strict=True):
        with observability.span(path.name):
            pass
    for observability in opened:
        assert observability.close()
    for path in paths:
        database = open_database(path)
        assert names(database) == [path.name]
        database.close()


def test_a_clock_that_goes_backwards_leaves_durations_right(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    with observability.span("work"):
        monkeypatch.setattr(time, "time_ns", lambda: 1_000)
    assert observability.flush()
    query = SpanRow.select(SpanRow.started_at, SpanRow.ended_at, SpanRow.duration_ns)
    ((started, ended, duration),) = query.tuples().execute(observability.database)
    assert 0 < duration < WITHIN_S * 1e9
    assert ended == started + duration


def test_drops_are_stored_at_most_once_a_minute(database: SharedDatabase) -> None:
    writer = writer_for(database)
    writer.dropped.add_dropped("spans", 3)
    assert [metric.value for metric in writer.dropped.take_new()] == [3.0]
    writer.dropped.add_dropped("spans")
    assert writer.dropped.take_new() == []
    assert [metric.value for metric in writer.dropped.take_new(at_once=True)] == [1.0]
    assert writer.close()
    assert MetricRow.select().count(database) == 0


def test_each_writer_of_a_process_has_a_name_of_its_own() -> None:
    assert new_writer() != new_writer()
