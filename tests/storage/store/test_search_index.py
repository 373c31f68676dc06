"""The full-text index follows the summaries, whoever changes them, and holds nothing else."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import Database

from storage import Observability
from storage.database.connect import connect
from storage.database.migrations import HERE, migrate
from storage.model.batch import Batch
from storage.model.erasure import Erasure
from storage.model.retention import Retention
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery.backup import backup, restore
from storage.recovery.opening import open_database
from storage.recovery.salvage import salvage
from storage.store import batch, search_index
from storage.store.batch import store
from storage.store.erasure_log import append, erasure_log
from storage.store.search_index import QUEUED, add_all, purge, queued
from storage.upkeep.erasure import empty_log, erase, replace_text
from storage.upkeep.retention import apply_retention

NOW = 1_764_000_000 * 10**9
PLACE = {"platform": "slack", "team": "T1", "channel": "C1", "audience": "T1"}

pytestmark = pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add to the index at once what has ended."""
    monkeypatch.setattr(search_index, "QUEUED", 1)
    monkeypatch.setattr(search_index, "RECENT", 0)


def turn(number: int, text: str | None, **facts: object) -> Span:
    began = NOW + number
    given = {
        "status": "ok",
        "ended_at": began + 5,
        "duration_ns": 5,
        "user": "U1",
        **PLACE,
        **facts,
    }
    ids = {"trace_id": f"{began // 10**6:012x}{number:020x}", "span_id": f"{number:016x}"}
    return Span(**ids, name="slack message", started_at=began, text=text, **given)  # type: ignore[arg-type]


def put(database: Database, *spans: Span, resumed: bool = False, index: bool = True) -> None:
    number = getattr(put, "number", 0) + 1
    put.number = number  # type: ignore[attr-defined]
    ids = {span.span_id for span in spans} if resumed else set()
    assert store(database, Batch("host:1:1", number, spans=list(spans), resumed=ids))
    if index:
        add_all(database)


def found(database: Database, words: str) -> list[str | None]:
    return [trace.text for trace in recent_traces(database, words=words).traces]


def indexed(database: Database, term: str) -> int:
    sql = "SELECT count(*) FROM search_index WHERE search_index MATCH ?"
    return int(database.execute_sql(sql, (term,)).fetchall()[0][0])


def test_an_ended_trace_is_in_the_index_and_a_running_one_in_the_queue(database: Database) -> None:
    put(database, turn(1, "ended"), turn(2, "running", status="running", ended_at=None))
    assert (indexed(database, "ended"), indexed(database, "running")) == (1, 0)
    assert queued(database, at_most=9) == 1
    assert found(database, "runn") == ["running"]


def test_a_text_that_changes_is_found_by_its_new_words_only(database: Database) -> None:
    running = turn(1, "ask <@U9>", status="running", ended_at=None, duration_ns=None)
    put(database, running)
    put(database, replace(turn(1, "ask Bob"), error_message="no bread"), resumed=True)
    for words, expected in (("u9", []), ("bob", ["ask Bob"]), ("bread", ["ask Bob"])):
        assert found(database, words) == expected
    database.execute_sql("UPDATE traces SET text = 'ask Eve'")
    assert (indexed(database, "bob"), queued(database, at_most=9)) == (0, 1)
    assert (found(database, "bob"), found(database, "eve")) == ([], ["ask Eve"])


def test_a_summary_that_changes_in_nothing_searched_stays_in_the_index(database: Database) -> None:
    put(database, turn(1, "once"))
    child = replace(turn(2, None), trace_id=turn(1, "").trace_id, parent_id=turn(1, "").span_id)
    put(database, replace(child, name="tool"))
    assert (indexed(database, "once"), queued(database, at_most=9)) == (1, 0)


def test_few_traces_wait_for_more_to_come(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    put(database, *(turn(number, f"w{number}") for number in range(QUEUED - 1)))
    assert (indexed(database, "w7"), queued(database, at_most=QUEUED)) == (0, QUEUED - 1)
    assert found(database, "w7") == [*(f"w{n}" for n in range(79, 69, -1)), "w7"]
    put(database, turn(QUEUED, "more"))
    assert (indexed(database, "w7"), indexed(database, "more")) == (1, 0)


def words_in_files(folder: Path, word: str) -> list[str]:
    """Return the files that hold the end of a word: the index stores no common beginning twice."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if word[1:].encode() in path.read_bytes()]


@pytest.mark.parametrize("others", [0, 300])
def test_no_byte_of_an_erased_word_stays_in_the_index(
    database: Database, tmp_path: Path, others: int
) -> None:
    for number in range(0, others, 50):
        put(database, *(turn(n, f"other {n}", user="U2") for n in range(number, number + 50)))
    put(database, turn(1_000, "about zqsecretq", message_ts="1.5"))
    empty_log(database)
    assert words_in_files(tmp_path, "zqsecretq")
    erasure = Erasure(at=time.time_ns(), by="U1", team="T1", user="U1")
    append(erasure_log(Path(database.database)), erasure)
    erase(database, erasure)
    assert empty_log(database).complete
    assert words_in_files(tmp_path, "zqsecretq") == []
    assert found(database, "zqsecretq") == []
    assert len(found(database, "other")) == min(others, 20)


def test_words_that_a_late_span_shows_to_be_erased_leave_the_index(
    database: Database, tmp_path: Path
) -> None:
    put(database, turn(1, None, error_message="zqsecretq", message_ts="1.5"))
    erasure = Erasure(at=time.time_ns(), by="U1", team="T1", user="U1")
    append(erasure_log(Path(database.database)), erasure)
    late = replace(turn(2, None), trace_id=turn(1, "").trace_id, parent_id=turn(1, "").span_id)
    put(database, late)
    assert empty_log(database).complete
    assert words_in_files(tmp_path, "zqsecretq") == []
    assert found(database, "zqsecretq") == []


def test_files_of_an_erased_turn_go_although_the_index_cannot_be_written_just_then(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = turn(1, None, error_message="zqsecretq", message_ts="1.5")
    put(database, first)
    folder = tmp_path / "files" / f"{first.trace_id}-1"
    folder.mkdir(parents=True)
    (folder / "photo.png").write_text("zqsecretq")
    erasure = Erasure(at=time.time_ns(), by="U1", team="T1", user="U1")
    append(erasure_log(Path(database.database)), erasure)

    def purge_while_another_process_writes(database: Database) -> None:
        other = connect(Path(database.database))
        other.begin()
        try:
            purge(database)
        finally:
            other.rollback()
            other.close()

    monkeypatch.setattr(batch, "purge", purge_while_another_process_writes)
    late = replace(turn(2, None), trace_id=first.trace_id, parent_id=first.span_id)
    impatient = database.another(busy_timeout_ms=10)
    assert store(impatient, Batch("host:2:1", 1, spans=[late]))
    impatient.close()
    assert not folder.exists()
    purge(database)
    assert empty_log(database).complete
    assert words_in_files(tmp_path, "zqsecretq") == []


def test_an_edited_message_is_found_by_its_new_text(database: Database, tmp_path: Path) -> None:
    put(database, turn(1, "zqsecretq", message_ts="1.5"))
    edit = Erasure(
        at=time.time_ns(), by="U1", team="T1", channel="C1", message_ts="1.5", edited_ts="2.0"
    )
    append(erasure_log(Path(database.database)), edit)
    erase(database, edit)
    replace_text(database, edit, "harmless")
    assert empty_log(database).complete
    assert words_in_files(tmp_path, "zqsecretq") == []
    assert (found(database, "zqsecretq"), found(database, "harm")) == ([], ["harmless"])


def test_secrets_do_not_get_into_the_index(database: Database, tmp_path: Path) -> None:
    token = "xoxb-" + "123456789012-123456789012-" + "AbCdEfGhIjKlMnOpQrStUvWx"
    put(database, turn(1, f"use {token} please"))
    assert indexed(database, "please") == 1
    assert indexed(database, '"AbCdEfGhIjKlMnOpQrStUvWx"') == 0
    assert words_in_files(tmp_path, "AbCdEfGhIjKlMnOpQrStUvWx") == []


def test_retention_takes_words_out_of_the_index(database: Database, tmp_path: Path) -> None:
    put(database, turn(1, "zqsecretq"), turn(2 * 10**9, "newer"))
    apply_retention(database, Retention(older_than_ns=10**9), now=NOW + 3 * 10**9 - 1)
    assert empty_log(database).complete
    assert words_in_files(tmp_path, "zqsecretq") == []
    assert (found(database, "zqsecretq"), found(database, "newer")) == ([], ["newer"])


def test_purging_a_large_index_lets_others_write_in_between(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "PAGES_AT_ONCE", 1)
    for number in range(0, 600, 50):
        texts = [" ".join(f"w{n * 7919 % 5000}x{m}" for m in range(40)) for n in range(50)]
        put(database, *(turn(number + n, text) for n, text in enumerate(texts)))
    written = []

    def write(seconds: float) -> None:
        other = connect(Path(database.database), busy_timeout_ms=0)
        put(other, turn(10_000 + len(written), f"meanwhile {len(written)}"), index=False)
        written.append(seconds)
        other.close()

    monkeypatch.setattr("storage.store.search_index.time.sleep", write)
    database.execute_sql("DELETE FROM traces WHERE rowid = 300")
    purge(database)
    assert len(written) > 5
    sql = "SELECT count(*) FROM search_index_data WHERE id >= 1 << 53"
    assert database.execute_sql(sql).fetchall() == [(0,)]
    assert len(found(database, "meanwhile")) == min(len(written), 20)
    assert database.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_traces_of_an_earlier_version_are_found_before_and_after_they_are_added(
    db_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in HERE.glob("[0-9]*.py"):
        if not path.stem.endswith("_search_index"):
            (folder / path.name).write_text(path.read_text())
    database = connect(db_path)
    migrate(database, folder=folder)
    for number in range(30):
        database.execute_sql(
            "INSERT INTO traces (trace_id, rooted, status, started_at, span_count, error_count, "
            "name, text) VALUES (?, 1, 'ok', ?, 1, 0, 'x', ?)",
            (f"{number:032x}", number, f"text {number}"),
        )
    assert found(database, "text 7") == ["text 7"]
    migrate(database)
    assert queued(database, at_most=99) == 30
    assert found(database, "text 7") == ["text 7"]
    add_all(database)
    assert (queued(database, at_most=99), indexed(database, "7")) == (0, 1)
    assert found(database, "text 7") == ["text 7"]
    database.close()


def test_a_process_of_the_earlier_version_leaves_the_index_right(database: Database) -> None:
    put(database, turn(1, "before"))
    database.execute_sql("UPDATE traces SET text = 'after'")
    database.execute_sql(
        "INSERT INTO traces (trace_id, rooted, status, started_at, span_count, error_count, text) "
        "VALUES ('f', 1, 'ok', 1, 1, 0, 'another')"
    )
    assert (found(database, "before"), found(database, "after")) == ([], ["after"])
    assert found(database, "another") == ["another"]


def test_what_salvage_saves_can_be_searched(database: Database, tmp_path: Path) -> None:
    put(database, turn(1, "saved words"))
    new = open_database(tmp_path / "new.db")
    salvage(new, Path(database.database), progress=lambda table, rows: None)
    assert found(new, "saved") == ["saved words"]
    add_all(new)
    assert (found(new, "saved"), indexed(new, "saved")) == (["saved words"], 1)
    new.close()


def test_a_restored_backup_is_searched_as_it_was(
    observability: Observability, tmp_path: Path
) -> None:
    database = observability.database
    put(database, turn(1, "kept"))
    backup(database, tmp_path / "copy.db")
    put(database, turn(2, "lost"))
    restore(database, tmp_path / "copy.db", force=True)
    assert (found(database, "kept"), found(database, "lost")) == (["kept"], [])


def test_the_index_fits_the_traces_after_a_vacuum(database: Database) -> None:
    put(database, *(turn(number, f"text {number}") for number in range(30)))
    database.execute_sql("DELETE FROM traces WHERE rowid < 10")
    database.execute_sql("VACUUM")
    assert found(database, "text 20") == ["text 20"]
    assert indexed(database, "20") == 1
