"""A database is moved from a file to a server and back, while it is written to or interrupted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from peewee import Model

from storage import Observability
from storage.database.base import Database
from storage.database.models import (
    TABLES,
    AlertRuleRow,
    FactRow,
    LeaseRow,
    LogRow,
    ProcessRow,
    ScoreRow,
    SpanRow,
    TraceRow,
)
from storage.database.transactions import transaction
from storage.errors import MoveError
from storage.health import health
from storage.model.erasure import Erasure
from storage.recovery import table_pieces
from storage.recovery.known_backups import known_backups
from storage.recovery.move_check import differences, row_counts
from storage.recovery.moved_tables import LEFT, RECORDS, TOGETHER
from storage.recovery.moving import Moved, begin_move, move
from storage.recovery.opening import open_database
from storage.store.erasure_log import append, erasure_log
from storage.store.facts import facts_waiting, merge_facts
from storage.upkeep.erasure import apply_pending
from storage.upkeep.journal import MOVE, last_entry
from tests.support.factories import ALICE, GENERAL, record, said
from tests.support.postgres import FULL_DISK

MOVED = (*RECORDS, *TOGETHER)


@pytest.fixture
def source(db_path: Path) -> Iterator[Database]:
    with closing(open_database(db_path)) as database:
        yield database


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(tmp_path / "target" / "tracebot.db")) as database:
        yield database


@pytest.fixture
def server(new_postgres_url: str) -> Iterator[Database]:
    with closing(open_database(new_postgres_url)) as database:
        yield database


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_pieces, "ROWS", 10)


def say(observability: Observability, text: str, *, steps: int = 4) -> str:
    child: Any = ("chat", 10, 20, {"model": "m", "input_tokens": 100, "cost": 2_000})
    facts = said(GENERAL, ALICE, text, message_ts=str(time.time_ns()))
    now = time.time_ns()
    return record(observability, "turn", ago=0, ms=100, steps=[child] * steps, now=now, **facts)


def fill(database: Database, turns: int = 12) -> list[str]:
    with Observability(database, platform="cli") as observability:
        ids = [say(observability, f"question {number} 🙂") for number in range(turns)]
        observability.log_structured("info", "hello", {"n": 1})
        observability.record_metric("queue.depth", 1.5, {"a": "b"})
    return ids


def moved(source: Database, target: Database) -> Moved:
    with begin_move(source, target):
        return move(source, target, progress=lambda *_: None)


def contents(database: Database) -> dict[str, list[Any]]:
    found = {}
    for table in MOVED:
        names = ", ".join(f'"{name}"' for name in table.columns)
        where = f" WHERE {table.only}" if table.only else ""
        rows = database.fetch(f'SELECT {names} FROM "{table.name}"{where}', ())
        values = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in rows]
        found[table.name] = sorted(values, key=repr)
    return found


def some_row(model: type[Model], number: int) -> dict[str, Any]:
    """Return a row with a value in each column, also in those that no code writes."""
    values: dict[str, Any] = {
        "TEXT": f"ü{number}\t\\N'\"\n",
        "INT": number,
        "BIGINT": 2**60 + number,
        "BIGAUTO": 1_000 + number,
        "DOUBLE": 0.1 + number,
        "BLOB": b"\x00\xff\\" + bytes([number]),
    }
    fields: Any = model._meta.sorted_fields
    row = {field.name: values[field.field_type] for field in fields}
    return {**row, **({"trace_id": f"{number:032x}"} if "trace_id" in row else {})}


def test_every_table_is_known_to_move() -> None:
    assert {*(table.model for table in MOVED), *LEFT} == set(TABLES)


def test_every_value_survives_the_way_to_a_server_and_back(
    source: Database, server: Database, tmp_path: Path
) -> None:
    fill(source)
    for table in MOVED:
        if table.name != "maintenance":
            for number in range(1, 4):
                table.model.insert(**some_row(table.model, number)).execute(source)
    LeaseRow.insert(key="running", owner="x", claimed_at=1, expires_at=2).execute(source)

    first = moved(source, server)

    assert first.differences == ()
    assert contents(server) == contents(source)
    assert LeaseRow.select().where(LeaseRow.done_at.is_null()).count(server) == 0
    assert ProcessRow.select().count(server) == 0
    with closing(open_database(tmp_path / "back" / "tracebot.db")) as back:
        assert moved(server, back).differences == ()
        assert contents(back) == contents(source)
        assert back.fetch("SELECT count(*) FROM search_queue", ()) != [(0,)]


def test_names_and_texts_that_no_server_takes_are_moved_as_they_are_written_now(
    source: Database, server: Database
) -> None:
    fill(source)
    long = "".join(map(str, range(5_000)))
    source.execute_sql("UPDATE traces SET agent = ?", (long,))
    source.execute_sql(
        "UPDATE rollups SET key = ? WHERE key = (SELECT max(key) FROM rollups)", (long,)
    )
    source.execute_sql("UPDATE spans SET text = ?", ("a\0b",))
    assert moved(source, server).differences == ()
    assert moved(source, server).written == 0
    assert server.fetch("SELECT DISTINCT length(agent) FROM traces", ()) == [(498,)]


def test_moving_again_writes_only_what_changed(source: Database, target: Database) -> None:
    ids = fill(source)
    moved(source, target)
    assert moved(source, target).written == 0

    SpanRow.update(text="another").where(SpanRow.trace_id == ids[0]).execute(source)
    TraceRow.delete().where(TraceRow.trace_id == ids[1]).execute(source)
    AlertRuleRow.insert(**some_row(AlertRuleRow, 1)).execute(source)
    again = moved(source, target)

    assert (again.written, again.removed) == (6, 1)
    assert contents(target) == contents(source)


def test_agents_are_kept_from_both_databases_and_forget_names_them(
    source: Database, target: Database
) -> None:
    moved(source, target)
    assert known_backups(source.path) == (target.path,)
    assert known_backups(target.path) == (source.path,)


def test_new_rows_on_the_server_get_ids_after_those_that_came(
    source: Database, server: Database
) -> None:
    fill(source)
    moved(source, server)
    before = contents(server)

    fill(server, turns=1)

    assert LogRow.select().count(server) == len(before["logs"]) + 1
    assert FactRow.select().count(server) >= len(before["facts"])
    with pytest.raises(MoveError, match="has been recorded into"):
        moved(source, server)


def test_facts_that_wait_count_once(source: Database, target: Database) -> None:
    fill(source)
    merge_facts(source)
    moved(source, target)
    fill(source, turns=3)
    assert facts_waiting(source)
    moved(source, target)
    merge_facts(source)

    assert moved(source, target).differences == ()
    assert facts_waiting(target) == 0
    assert contents(target)["rollups"] == contents(source)["rollups"]


def test_what_is_erased_during_the_move_is_erased_in_the_copy(
    source: Database, target: Database
) -> None:
    fill(source)
    moved(source, target)
    erasure = Erasure(at=time.time_ns(), by="shell", user=ALICE)
    append(erasure_log(source.path), erasure)

    moved(source, target)

    assert "question" not in str(contents(target))
    assert "question" not in str(contents(source))
    assert erasure_log(target.path).read_text() == erasure_log(source.path).read_text()
    assert apply_pending(target) == 0


def test_an_edited_text_of_the_same_length_reaches_the_copy(
    source: Database, target: Database
) -> None:
    (trace_id, *_) = fill(source)
    moved(source, target)
    stored = TraceRow.select(TraceRow.text).where(TraceRow.trace_id == trace_id).scalar(source)
    new = stored.upper()
    edit = {"channel": GENERAL, "message_ts": _message_ts(source, trace_id)}
    append(erasure_log(source.path), Erasure(at=time.time_ns(), by="slack", **edit))
    apply_pending(source)
    for model in (TraceRow, SpanRow):
        model.update(text=new).where(model.trace_id == trace_id, model.name == "turn").execute(
            source
        )

    moved(source, target)

    found = SpanRow.select(SpanRow.text).where(SpanRow.text == new)
    assert found.count(target) == found.count(source) == 1


def _message_ts(database: Database, trace_id: str) -> str:
    query = TraceRow.select(TraceRow.message_ts).where(TraceRow.trace_id == trace_id)
    return str(query.scalar(database))


def test_a_difference_is_a_sentence(source: Database, target: Database) -> None:
    (trace_id, *_) = fill(source)
    ScoreRow.insert(**some_row(ScoreRow, 1)).execute(source)
    moved(source, target)
    with transaction(target):
        SpanRow.delete().where(SpanRow.trace_id == trace_id).execute(target)
        ScoreRow.delete().execute(target)

    found = differences(source, target)

    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert f"spans, {today}: 60 rows in the old database, 55 in the new one; " in found[0]
    assert "4,800 input tokens in the old database, 4,400 in the new one" in found[0]
    assert len(found) == 2 and found[1].startswith("scores, ")


def test_a_database_that_is_written_to_is_followed(source: Database, target: Database) -> None:
    with Observability(source, platform="cli") as observability:
        running = observability.start_span("turn", said(GENERAL, ALICE, "slow"))
        say(observability, "first")
        observability.flush()
        live = moved(source, target)
        assert live.recording == (":".join(live.recording[0].split(":")[:3]),)
        assert str(os.getpid()) in live.recording[0]
        say(observability, "second")
        running.end()

    assert moved(source, target).differences == ()
    assert contents(target) == contents(source)


STOPPED_IN_THE_MIDDLE = """
import os, signal, sys
from storage.recovery import table_pieces
from storage.recovery.moving import begin_move, move
from storage.recovery.opening import open_database

table_pieces.ROWS = 10

def progress(table, done, of):
    if table == "spans" and done > 30:
        os.kill(os.getpid(), signal.SIGKILL)

source, target = map(open_database, sys.argv[1:])
with begin_move(source, target):
    move(source, target, progress=progress)
"""


@pytest.mark.parametrize("back", [False, True], ids=["to a server", "to a file"])
def test_a_killed_move_goes_on(
    source: Database, server: Database, new_postgres_url: str, back: bool
) -> None:
    urls = [str(source.path), new_postgres_url]
    old, new = (server, source) if back else (source, server)
    fill(old)
    command = [sys.executable, "-c", STOPPED_IN_THE_MIDDLE, *(reversed(urls) if back else urls)]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    there = SpanRow.select().count(new)
    assert 0 < there < 60
    assert health(new, now=time.time_ns()).unfinished_move

    with begin_move(old, new) as beginning:
        assert (beginning.resumed, beginning.there, beginning.spans) == (True, there, 60)
        result = move(old, new, progress=lambda *_: None)

    assert result.differences == () and result.rows == row_counts(new)
    assert contents(new) == contents(old)


@pytest.mark.parametrize("kind", ["itself", "other traces", "another's copy"])
def test_a_target_that_is_not_empty_is_refused(source: Database, tmp_path: Path, kind: str) -> None:
    fill(source, turns=1)
    with closing(open_database(tmp_path / "b" / "tracebot.db")) as other:
        if kind == "itself":
            with pytest.raises(MoveError, match="is the database itself"):
                moved(source, source)
            return
        fill(other, turns=1)
        if kind == "other traces":
            with pytest.raises(MoveError, match="already holds other traces"):
                moved(source, other)
            return
        with closing(open_database(tmp_path / "c" / "tracebot.db")) as copy:
            moved(other, copy)
            with pytest.raises(MoveError, match=f"holds a copy of {other.label}"):
                moved(source, copy)


def test_two_moves_at_once_are_refused(source: Database, tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "b" / "tracebot.db")) as other:
        with begin_move(source, other), pytest.raises(MoveError, match="Another process"):
            moved(source, other)
        assert last_entry(other, MOVE) is None


def test_a_lost_server_is_a_sentence_and_the_move_goes_on(
    source: Database, cable: Any, server: Database
) -> None:
    fill(source, turns=40)
    with closing(open_database(cable.url)) as far:
        cable.cut_after = 30_000
        with pytest.raises(MoveError, match="It goes on where it stopped"):
            moved(source, far)
    assert TraceRow.select().count(server) > 0

    moved(source, server)

    assert contents(server) == contents(source)


def test_a_full_disk_of_the_server_is_a_sentence_and_the_move_goes_on(
    source: Database, server: Database
) -> None:
    fill(source)
    server.execute_sql(FULL_DISK)
    with pytest.raises(MoveError, match=rf"no room left for {server.label}. Make room, and run"):
        moved(source, server)
    server.execute_sql("DROP TRIGGER full_disk ON spans")

    assert moved(source, server).differences == ()
    assert contents(server) == contents(source)


def test_a_full_disk_of_a_file_is_a_sentence_and_the_move_goes_on(
    source: Database, target: Database
) -> None:
    fill(source)
    target.execute_sql("PRAGMA max_page_count = 1")  # It allows what there is, and no page more.
    with pytest.raises(MoveError, match=rf"no room left for {target.label}. Make room, and run"):
        moved(source, target)
    target.execute_sql("PRAGMA max_page_count = 100000")

    assert moved(source, target).differences == ()
    assert contents(target) == contents(source)


def test_a_damaged_source_is_a_sentence(
    source: Database, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    fill(source, turns=40)
    source.close()
    spoil(source.path)
    with (
        closing(open_database(tmp_path / "b" / "tracebot.db")) as other,
        pytest.raises(MoveError, match="is damaged. Run tracebot health"),
    ):
        moved(source, other)


@pytest.fixture
def spoil() -> Callable[[Path], None]:
    def spoiled(path: Path) -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            for page in range(40, size // 4_096):
                file.seek(page * 4_096)
                file.write(b"\xff" * 100)

    return spoiled
