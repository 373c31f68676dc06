"""Replace databases that are really damaged, and save what can be read."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage import Observability
from storage.coordination.alert_rules import (
    AlertRule,
    add_rule,
    alert_rules,
    alert_states,
)
from storage.coordination.budgets import Budget, add_budget, budgets
from storage.database.connect import connect
from storage.database.shared_file import SharedDatabase
from storage.queries.statistics import statistics
from storage.queries.traces import recent_traces, trace_spans
from storage.recovery import integrity
from storage.recovery.integrity import check, last_check
from storage.recovery.opening import open_database
from storage.recovery.replacement import Recovery, finish_recoveries, recover, recoveries
from storage.store.facts import merge_facts

HOUR = 3_600 * 1_000_000_000
PAGE = 4_096


def record(path: Path, *names: str, note: str = "x" * 500) -> None:
    with Observability.open(path, platform="cli") as observability:
        for name in names:
            with observability.span(name, agent="claude"), observability.span("step", note=note):
                pass
        assert observability.flush(30.0)
        observability.database.close()


LEAF = b"\x0d"
"""How a page begins that holds rows of a table: https://sqlite.org/fileformat2.html#b_tree_pages."""


def damage(path: Path, *places: float, only_leaves: bool = False) -> None:
    """Overwrite pages of a database that nobody in this process has open.

    With `only_leaves` each is the next page with rows: what an index tells of them can be read.
    """
    size = path.stat().st_size
    with path.open("r+b") as file:
        for place in places:
            start = int(size * place) // PAGE * PAGE
            file.seek(start)
            while only_leaves and file.read(1) != LEAF:
                start += PAGE
                file.seek(start)
            file.seek(start)
            file.write(os.urandom(PAGE))


def damage_root(path: Path, name: str) -> None:
    """Overwrite the first page of a table or an index: nothing of it can be read."""
    database = connect(path)
    sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    root = database.execute_sql(sql, (name,)).fetchall()[0][0]
    database.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(os.urandom(PAGE))


ALERT = AlertRule(
    id="a1b2",
    team="T1",
    channel="C1",
    condition="cost>5 over:1h",
    created_by="U1",
    created_at=7,
)
BUDGET = Budget(
    id="b1", dimension="all", key="", period="day", soft=1, created_by="U1", created_at=1
)


def wait_for(what: Callable[[], object], *, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def finished(database: SharedDatabase) -> Recovery:
    """Return the only recovery, once everything readable is saved."""
    wait_for(lambda: all(found.finished for found in recoveries(database)))
    (recovery,) = recoveries(database)
    return recovery


@pytest.fixture
def full(db_path: Path) -> Path:
    """Create a database of 400 traces, closed and with an empty log."""
    record(db_path, *(f"work {number}" for number in range(400)))
    assert db_path.stat().st_size > 100 * PAGE
    return db_path


def totals(database: SharedDatabase) -> object:
    now = time.time_ns()
    return statistics(database, since=now - HOUR, until=now, by="agent").total


def test_what_can_be_read_around_broken_pages_is_saved(full: Path) -> None:
    database = open_database(full)
    before = totals(database)
    add_budget(database, BUDGET)
    add_rule(database, ALERT)
    database.close()
    damage(full, 0.5, 0.52, 0.8, only_leaves=True)
    database = open_database(full)
    found = check(database)
    assert (found.ok, found.finished) == (False, True)
    recovery = finished(database)
    assert recovery.file.startswith("tracebot.db.damaged-")
    assert full.with_name(recovery.file).exists()
    lost = recovery.lost["spans"]
    assert lost is not None
    assert recovery.saved["spans"] + lost == 800
    assert recovery.saved["spans"] > 700
    assert database.execute_sql("SELECT count(*) FROM spans").fetchone()[0] == 800 - lost
    assert database.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]
    if not recovery.lost["facts"]:
        assert totals(database) == before
    assert recovery.lost["budgets"] or budgets(database) == (BUDGET,)
    if not recovery.lost["alert_rules"] and not recovery.lost["alert_states"]:
        assert alert_rules(database) == (ALERT,)
        assert alert_states(database)["a1b2"].tests == 1
    database.close()


def test_a_lost_summary_is_recomputed_from_its_spans(full: Path) -> None:
    database = open_database(full)
    before = {trace.trace_id: trace for trace in recent_traces(database, limit=1_000).traces}
    database.close()
    damage_root(full, "traces")
    database = open_database(full)
    recover(database)
    assert finished(database).saved["spans"] == 800
    after = {trace.trace_id: trace for trace in recent_traces(database, limit=1_000).traces}
    assert after == before
    database.close()


def test_a_trace_that_continues_after_the_damage_is_complete(full: Path) -> None:
    with Observability.open(full, platform="cli") as observability:
        outer = observability.start_span("outer")
        with observability.span("before", parent=outer):
            pass
        assert observability.flush()
        recover(observability.database)
        finished(observability.database)
        with observability.span("after", parent=outer):
            pass
        observability.end_span(outer)
        assert observability.flush()
        (trace,) = [t for t in recent_traces(observability.database).traces if t.name == "outer"]
        spans = trace_spans(observability.database, trace.trace_id)
        assert {span.name for span in spans} == {"outer", "before", "after"}
        assert (trace.status, trace.span_count) == ("ok", 3)
        observability.database.close()


def test_a_writer_that_finds_the_damage_stores_its_batch_in_the_new_database(full: Path) -> None:
    damage_root(full, "sqlite_autoindex_spans_1")
    with Observability.open(full, platform="cli") as observability:
        for number in range(20):
            with observability.span(f"later {number}"):
                pass
        assert observability.flush(30.0)
        database = observability.database
        names = {trace.name for trace in recent_traces(database, limit=30).traces}
        assert {f"later {number}" for number in range(20)} <= names
        assert finished(database).saved["spans"] == 800
        database.close()


def test_a_truncated_file_is_replaced(full: Path) -> None:
    os.truncate(full, full.stat().st_size // 2 // PAGE * PAGE)
    database = open_database(full)
    assert recoveries(database) or not check(database).ok
    assert 0 < finished(database).saved["spans"] < 800
    database.close()


def test_a_database_that_was_overwritten_with_something_else_is_replaced(full: Path) -> None:
    full.write_bytes(b"not a database " * 1_000)
    record(full, "new")
    database = open_database(full)
    recovery = finished(database)
    assert (recovery.complete, recovery.saved, recovery.lost) == (False, {}, {})
    assert [trace.name for trace in recent_traces(database).traces] == ["new"]
    assert full.with_name(recovery.file).read_bytes().startswith(b"not a database")
    database.close()


def test_an_empty_file_becomes_a_database(full: Path) -> None:
    os.truncate(full, 0)
    record(full, "new")
    database = open_database(full)
    assert [trace.name for trace in recent_traces(database).traces] == ["new"]
    database.close()


def test_a_deleted_file_is_created_again_and_its_old_log_is_not_replayed(
    full: Path,
) -> None:
    holder = open_database(full)
    holder.execute_sql("DELETE FROM claims")
    assert Path(f"{full}-wal").exists()
    full.unlink()
    record(full, "new")
    assert [trace.name for trace in recent_traces(holder).traces] == ["new"]
    holder.close()


def test_of_several_processes_that_find_the_damage_one_replaces_the_file(full: Path) -> None:
    together = threading.Barrier(4)

    def meet() -> bool:
        database = connect(full)
        database.execute_sql("SELECT count(*) FROM spans").fetchall()
        together.wait(30.0)
        replaced = recover(database)
        database.execute_sql("SELECT count(*) FROM spans").fetchall()
        database.close()
        return replaced

    with ThreadPoolExecutor(4) as pool:
        results = [job.result() for job in [pool.submit(meet) for _ in range(4)]]
    assert sorted(results) == [False, False, False, True]
    database = open_database(full)
    assert finished(database).complete
    assert len(list(full.parent.glob("*.damaged-*[0-9]"))) == 1
    assert database.execute_sql("SELECT count(*) FROM spans").fetchone()[0] == 800
    database.close()


def test_a_reader_that_has_the_old_file_open_continues_with_the_new_one(full: Path) -> None:
    reader = open_database(full)
    assert len(recent_traces(reader, limit=100).traces) == 100
    other = connect(full)
    other.execute_sql("SELECT 1").fetchall()
    recover(other)
    finished(other)
    with Observability.open(full, platform="cli") as observability:
        with observability.span("after"):
            pass
        observability.flush()
        observability.database.close()
    assert recent_traces(reader, limit=1).traces[0].name == "after"
    reader.close()
    other.close()


DYING = """
import os
from storage.recovery import replacement as recovery
from storage.recovery import damaged_table
from storage.recovery.opening import open_database

def progress(table, rows):
    if table == {table!r} and rows >= {rows}:
        os.kill(os.getpid(), 9)

damaged_table.CHUNK = 100
recovery.finish_recoveries(open_database({path!r}), progress=progress)
"""


@pytest.mark.parametrize("table_of_figures", ["facts", "rollups"])
def test_saving_that_was_interrupted_continues_and_counts_nothing_twice(
    full: Path, table_of_figures: str
) -> None:
    database = open_database(full)
    if table_of_figures == "rollups":
        merge_facts(database)
    before = totals(database)
    database.close()
    database = open_database(full)
    database.execute_sql("SELECT 1").fetchall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.recovery.replacement._salvage_quietly", lambda path: None)
        assert recover(database)
    database.close()
    for table, rows in (("spans", 300), (table_of_figures, 1)):
        command = [sys.executable, "-c", DYING.format(path=str(full), table=table, rows=rows)]
        assert subprocess.run(command, check=False).returncode == -9
    database = open_database(full)
    assert not recoveries(database)[0].finished
    finish_recoveries(database)
    recovery = finished(database)
    assert (recovery.complete, recovery.saved["spans"]) == (True, 800)
    assert database.execute_sql("SELECT count(*) FROM spans").fetchone()[0] == 800
    assert totals(database) == before
    database.close()


WRITER = """
import sys
from storage import Observability
from storage.recovery import integrity
with Observability.open({path!r}, platform="cli") as observability:
    number = 0
    while sys.stdin.readline():
        for _ in range(20):
            number += 1
            with observability.span(f"{{sys.argv[1]}} {{number}}", note="x" * 500):
                pass
        print(number if observability.flush(30) else "lost", flush=True)
"""


def test_writers_of_several_processes_lose_nothing_after_the_damage(full: Path) -> None:
    command = [sys.executable, "-c", WRITER.format(path=str(full))]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]

    def turn() -> int:
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        counts = [writer.stdout.readline() for writer in writers if writer.stdout]
        assert len(set(counts)) == 1
        return int(counts[0])

    for _ in range(3):
        turn()
    damage(full, *(place / 40 for place in range(2, 40)))
    first_after = turn() + 1
    database = open_database(full)
    assert recoveries(database) or not check(database).ok
    for _ in range(3):
        reached = turn()
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()
        assert writer.wait(30) == 0
        assert writer.stdout
        writer.stdout.close()
    # The writer that found the damage may have ended before it had saved everything.
    finish_recoveries(database, wait=True)
    finished(database)
    rows = database.execute_sql("SELECT name FROM spans WHERE name LIKE '_ %'").fetchall()
    names = {name for (name,) in rows}
    after = {f"{name} {number}" for name in "abc" for number in range(first_after, reached + 1)}
    assert not after - names
    assert database.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_a_check_that_ends_after_another_process_replaced_the_file_leaves_the_new_one(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(full, 0.5)

    def slow_check(own: SharedDatabase, *limits: Any) -> integrity.Check:
        found = quick_check(own, *limits)
        assert not found.ok
        other = connect(full)
        other.execute_sql("SELECT 1").fetchall()
        assert recover(other)
        other.close()
        return found

    quick_check = integrity._quick_check
    monkeypatch.setattr(integrity, "_quick_check", slow_check)
    database = open_database(full)
    check(database)
    assert len(list(full.parent.glob("*.damaged-*[0-9]"))) == 1
    assert finished(database).saved["spans"] > 700
    database.close()


def test_a_check_ends_in_time_and_its_result_is_stored(full: Path) -> None:
    database = open_database(full)
    assert last_check(database) is None
    found = check(database)
    assert (found.ok, found.finished) == (True, True)
    assert last_check(database) == found
    hurried = check(database, limit_s=0.0)
    assert (hurried.ok, hurried.finished) == (True, False)
    database.close()
