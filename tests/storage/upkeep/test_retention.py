"""Remove old traces by age and by size, and keep their statistics and ids."""

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import Database

from bot.slack.turn_folders import delete_old_files
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.units import parse_retention
from reports.views.messages import MessageView
from storage import Observability
from storage.coordination.heartbeats import Heartbeat, put_heartbeat
from storage.coordination.process_identity import os_process, this_process
from storage.database.connect import connect
from storage.database.models import ProcessRow
from storage.database.transactions import transaction
from storage.model.batch import Batch
from storage.model.retention import Retention
from storage.model.span import Span
from storage.model.trace_context import new_trace_id
from storage.queries.statistics import statistics
from storage.queries.traces import recent_traces, trace_spans
from storage.store.batch import store
from storage.store.spool_files import spool_folder
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.journal import last_entry
from storage.upkeep.retention import Removal, apply_retention, planned, remove_files_here
from storage.writer.delivery import adopt
from storage.writer.spool import Spool
from tests.support.factories import GENERAL, SECRET, TEAM

DAY = 24 * 3_600 * 1_000_000_000
MONTH = Retention(older_than_ns=30 * DAY)
PARSER, _ = build_parser(prog="tracebot", shell=True)


def record(observability: Observability, *names: str, note: str = "", **words: object) -> None:
    for name in names:
        with observability.span(name, **words), observability.span("inner", note=note):
            observability.log_structured("warning", f"in {name}")
    assert observability.flush()


def age(database: Database, name: str, *, days: int) -> None:
    """As if the trace called `name` had happened `days` ago."""
    (trace,) = [t for t in recent_traces(database).traces if t.name == name]
    mark = database.param
    for table in ("traces", "spans"):
        database.execute_sql(
            f"UPDATE {table} SET started_at = started_at - {mark} WHERE trace_id = {mark}",
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
    assert planned(database, MONTH, now=now).traces == 1
    removed = apply_retention(database, MONTH, now=now)
    assert (removed.traces, removed.spans, removed.by_platform) == (1, 2, {"slack": 1})
    (left,) = recent_traces(database).traces
    assert (left.name, len(trace_spans(database, left.trace_id))) == ("new", 2)
    assert database.execute_sql("SELECT count(*) FROM spans").fetchone()[0] == 2
    assert statistics(database, since=now - DAY, until=now).total == before
    assert before.traces == 2


def test_retention_keeps_traces_that_still_run(observability: Observability) -> None:
    span = observability.start_span("endless")
    observability.flush()
    age(observability.database, "endless", days=400)
    now = span.started_at + DAY
    assert apply_retention(observability.database, MONTH, now=now) == Removal()
    observability.end_span(span)


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_retention_shrinks_the_file(observability: Observability) -> None:
    for number in range(300):
        with observability.span(f"work {number}", note="x" * 2_000):
            pass
    observability.flush()
    checkpoint(observability.database, "truncate")
    full = observability.database.path.stat().st_size
    apply_retention(observability.database, Retention(older_than_ns=1), now=2**62)
    assert observability.database.path.stat().st_size < full / 3


def fill(observability: Observability, traces: int) -> None:
    record(observability, *(f"work {number}" for number in range(traces)), note="x" * 2_000)
    checkpoint(observability.database, "truncate")


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_a_limit_on_size_removes_the_oldest_traces_until_the_rest_fits(
    observability: Observability,
) -> None:
    fill(observability, 400)
    database = observability.database
    limit = database.used_bytes() // 2
    now = time.time_ns()
    plan = planned(database, Retention(max_bytes=limit), now=now)
    removed = apply_retention(database, Retention(max_bytes=limit), now=now)
    assert database.used_bytes() <= limit
    assert database.path.stat().st_size <= limit * 1.1
    assert 150 < removed.traces < 300
    assert abs(plan.traces - removed.traces) < removed.traces / 2
    left = [trace.name for trace in recent_traces(database, limit=400).traces]
    assert left == [f"work {number}" for number in range(399, removed.traces - 1, -1)]
    assert apply_retention(database, Retention(max_bytes=limit), now=now).traces == 0


def test_the_plan_for_a_small_database_does_not_count_what_stays(
    observability: Observability,
) -> None:
    record(observability, *(f"work {number}" for number in range(200)))
    limit = Retention(max_bytes=observability.database.used_bytes() // 2)
    plan = planned(observability.database, limit, now=time.time_ns())
    removed = apply_retention(observability.database, limit, now=time.time_ns())
    assert plan.traces == pytest.approx(removed.traces, rel=0.3)


def test_a_limit_that_cannot_be_reached_ends_the_removal(observability: Observability) -> None:
    fill(observability, 20)
    removed = apply_retention(
        observability.database, Retention(max_bytes=1_000), now=time.time_ns()
    )
    assert removed.traces == 20
    empty = planned(observability.database, Retention(max_bytes=1_000), now=time.time_ns())
    assert empty == Removal()


def test_a_plan_removes_nothing_and_reports_what_would_be_removed(
    observability: Observability,
) -> None:
    record(observability, "old", "older", "new")
    database = observability.database
    age(database, "old", days=40)
    age(database, "older", days=50)
    now = time.time_ns()
    plan = planned(database, MONTH, now=now)
    assert (plan.traces, plan.spans, plan.by_platform) == (2, 4, {"slack": 2})
    assert plan.oldest is not None and plan.newest is not None
    assert plan.newest - plan.oldest == pytest.approx(10 * DAY, rel=0.01)
    assert plan.size > 0
    assert len(recent_traces(database).traces) == 3


def show(database: Database, trace_id: str, viewer: Viewer) -> str:
    view = answer(
        parse(PARSER, ["show", trace_id]), database=database, viewer=viewer, now=time.time_ns()
    )
    assert isinstance(view, MessageView) and not view.found
    return view.text


def test_users_who_could_see_a_removed_trace_are_told_that_it_was_removed(
    observability: Observability,
) -> None:
    record(observability, "old", team=TEAM, channel=SECRET, audience=SECRET, user="U0BOB")
    database = observability.database
    (trace,) = recent_traces(database).traces
    now = trace.started_at + 31 * DAY
    apply_retention(database, MONTH, now=now)
    day = time.strftime("%Y-%m-%d", time.gmtime(now / 1_000_000_000))
    said = f"Trace {trace.trace_id} was removed on {day} by retention."
    assert show(database, trace.trace_id, Viewer()).startswith(said)
    assert show(database, trace.trace_id[:12], Viewer()).startswith(said)
    member = Viewer(audiences=frozenset({TEAM, SECRET}), may_see=lambda seen: True)
    assert show(database, trace.trace_id, member).startswith(said)
    stranger = Viewer(audiences=frozenset({TEAM}), may_see=lambda seen: True)
    former = Viewer(audiences=frozenset({TEAM, SECRET}), may_see=lambda seen: False)
    never = show(database, "f" * 32, stranger).replace("f" * 32, trace.trace_id)
    for viewer in (stranger, former):
        assert show(database, trace.trace_id, viewer) == never


def test_the_id_of_a_removed_trace_is_kept_for_a_year(observability: Observability) -> None:
    words = {"team": TEAM, "channel": GENERAL, "audience": TEAM}
    record(observability, *(f"work {number}" for number in range(500)), **words)
    database = observability.database
    now = time.time_ns() + 31 * DAY
    apply_retention(database, MONTH, now=now)
    empty = database.used_bytes()
    assert database.execute_sql("SELECT count(*) FROM tombstones").fetchone()[0] == 500
    apply_retention(database, MONTH, now=now + 366 * DAY)
    assert database.execute_sql("SELECT count(*) FROM tombstones").fetchone()[0] == 0
    assert (empty - database.used_bytes()) / 500 < 200


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_old_leases_and_names_of_dead_processes_are_removed(observability: Observability) -> None:
    record(observability, "work")
    database = observability.database
    with transaction(database):
        database.execute_sql("INSERT INTO claims VALUES ('event:1', 'me', 1, 2, NULL)")
        database.execute_sql("INSERT INTO processes VALUES ('gone:1:1:1', 1, 7)")
        database.execute_sql(
            "UPDATE processes SET process = replace(process, substr(process, 1, "
            "instr(process, ':') - 1), ?) WHERE last_batch = 7",
            (os.uname().nodename,),
        )
    apply_retention(database, MONTH, now=time.time_ns())
    assert database.execute_sql("SELECT count(*) FROM claims").fetchone()[0] == 0
    names = database.execute_sql("SELECT process FROM processes").fetchall()
    assert len(names) == 1 and not names[0][0].endswith(":1:1:1")


def spooled(database: Database, process: str, *spans: Span) -> list[Batch]:
    """Spool spans, one a batch, as a process does that then ends."""
    batches = [Batch(process, number, spans=[span]) for number, span in enumerate(spans, 1)]
    spool = Spool(spool_folder(database.path), process)
    for batch in batches:
        spool.append(batch)
    spool.close()
    return batches


def run(number: int, at: int) -> Span:
    span = Span(new_trace_id(at), f"{number:016x}", "run", started_at=at, ended_at=at + 1)
    return replace(span, duration_ns=1, status="ok", input_tokens=10, platform="cli")


def test_what_a_dead_process_left_in_its_spool_is_counted_once_after_retention(
    any_database: Database,
) -> None:
    host, _, identity = this_process().split(":")
    dead, now = f"{host}:{2**22 + 1}:{identity}:1", time.time_ns()
    batches = spooled(any_database, dead, *(run(number, now) for number in range(1, 6)))
    store(any_database, *batches[:3])  # It was killed while it replayed them.
    ProcessRow.update(started_at=now - 40 * DAY).execute(any_database)
    apply_retention(any_database, MONTH, now=now)
    adopt(any_database)
    total = statistics(any_database, since=now - DAY, until=now + DAY).total
    assert (total.traces, total.input_tokens) == (5, 50)
    # With its spool gone, nobody needs its name any more.
    apply_retention(any_database, MONTH, now=now)
    names = ProcessRow.select(ProcessRow.process).where(ProcessRow.process == dead)
    assert not names.exists(any_database)


def test_how_far_a_writer_of_another_machine_got_is_known_for_a_year(
    any_database: Database,
) -> None:
    there, now = "elsewhere:1:1-boot-namespace-abcd:1", time.time_ns()
    stopped = Heartbeat(
        process=os_process(there),
        team="T1",
        version="1.0",
        mode="socket",
        state="stopped",
        problem="",
    )
    put_heartbeat(any_database, stopped)
    store(any_database, Batch(there, 1))
    for days, known in ((40, any_database.on_server), (366, False)):
        ProcessRow.update(started_at=now - days * DAY).execute(any_database)
        apply_retention(any_database, MONTH, now=now)
        assert ProcessRow.select().exists(any_database) == known


def test_files_of_turns_go_although_another_machine_removed_their_traces(
    observability: Observability,
) -> None:
    record(observability, "old", "new")
    database = observability.database
    age(database, "old", days=40)
    of = {trace.name: trace.trace_id for trace in recent_traces(database).traces}
    limits = Retention(max_bytes=1), Retention()
    apply_retention(database, MONTH, now=time.time_ns())
    for limit in limits:
        folders = {name: database.path.parent / "files" / f"{id}-x1" for name, id in of.items()}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "F1.txt").write_text("salaries")
        remove_files_here(database, limit, now=time.time_ns())
        assert [name for name, folder in folders.items() if folder.exists()] == ["new"]


def aged(path: Path, *, day: int) -> Path:
    os.utime(path, (day * 86_400, day * 86_400), follow_symlinks=False)
    return path


def test_old_turns_files_are_removed_with_their_folders(tmp_path: Path) -> None:
    folder, secret = tmp_path / "files", tmp_path / "secret.txt"
    secret.write_text("not ours")
    for turn, day in (("old", 1), ("new", 9)):
        (folder / turn).mkdir(parents=True)
        (folder / turn / "F1.txt").write_text(turn)
        (folder / turn / "link").symlink_to(secret)
        for path in (folder / turn / "F1.txt", folder / turn / "link", folder / turn):
            aged(path, day=day)
    (folder / "F0.txt").write_text("of an earlier version")
    aged(folder / "F0.txt", day=1)
    (folder / "elsewhere").symlink_to(tmp_path)
    aged(folder / "elsewhere", day=1)
    assert delete_old_files(folder, before=5 * 86_400) == 4
    assert sorted(path.name for path in folder.rglob("*")) == ["F1.txt", "link", "new"]
    assert secret.read_text() == "not ours"
    assert delete_old_files(tmp_path / "none", before=1) == 0


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_retention_keeps_no_writer_waiting(observability: Observability) -> None:
    fill(observability, 1_500)
    database = observability.database
    done, waits = threading.Event(), []

    def write() -> None:
        own = connect(database.path)
        while not done.is_set():
            began = time.monotonic()
            with transaction(own):
                own.execute_sql("INSERT OR REPLACE INTO claims VALUES ('a', 'me', 1, 2, NULL)")
            waits.append(time.monotonic() - began)
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    removed = apply_retention(database, Retention(older_than_ns=1), now=time.time_ns() + DAY)
    done.set()
    writer.join()
    assert removed.traces == 1_500
    assert len(waits) > 10
    assert max(waits) < 2.0


def test_the_result_of_retention_is_stored(observability: Observability) -> None:
    record(observability, "work")
    now = time.time_ns() + 31 * DAY
    apply_retention(observability.database, MONTH, now=now)
    done = last_entry(observability.database, "retention")
    assert done is not None
    assert (done.at, done.ok, done.details["traces"]) == (now, True, 1)


@pytest.mark.parametrize(
    ("words", "retention"),
    [
        ("90d", Retention(older_than_ns=90 * DAY)),
        ("2GB", Retention(max_bytes=2_000_000_000)),
        ("90d,2GB", Retention(older_than_ns=90 * DAY, max_bytes=2_000_000_000)),
        ("1.5gb, 2w", Retention(older_than_ns=14 * DAY, max_bytes=1_500_000_000)),
    ],
)
def test_a_retention_setting_has_an_age_and_a_size(words: str, retention: Retention) -> None:
    assert parse_retention(words) == retention


@pytest.mark.parametrize("words", ["", "forever", "90", "0GB", "2GB,", "-1d"])
def test_an_invalid_retention_setting_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_retention(words)
