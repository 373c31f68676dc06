"""Erase what a person wrote: no byte of it stays beside the database."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import OperationalError

from storage import Observability
from storage.coordination.unfinished_replies import (
    NOBODY,
    UnfinishedReply,
    abandoned_replies,
    put_reply,
)
from storage.database.connect import connect
from storage.model.erasure import HEARD, REPLY_TS, Erasure
from storage.model.records import FEEDBACK
from storage.model.retention import Retention
from storage.model.semconv import REPLY
from storage.queries.lookups import message_traces, traces_by_id
from storage.queries.traces import trace_spans
from storage.recovery.backup import backup, restore
from storage.recovery.opening import open_database
from storage.recovery.salvage import salvage
from storage.store.erasure_log import append, erasure_log
from storage.store.scores import scores_of
from storage.store.spool_files import spool_folder
from storage.upkeep.erasure import apply_pending, empty_log, erase, replace_text
from storage.upkeep.retention import apply_retention
from storage.writer.delivery import adopt
from tests.support.planted import MARK, where

PLACE = {"team": "T1", "channel": "C1", "audience": "T1"}


def record_turn(
    observability: Observability, ts: str = "1.000001", *, user: str = "U1", mark: str = MARK
) -> str:
    """Record a turn with *mark* wherever a turn may have text, and return its trace id."""
    asked = {**PLACE, "message_ts": ts, "thread_ts": "1.000001", "user": user}
    with observability.span("slack message", **asked, text=f"about {mark}", note=mark) as root:
        observability.log_structured("warning", f"log {mark}", {"detail": mark})
        observability.record_metric("tokens", 3, {"prompt": mark})
        with observability.span("attempt claude", agent="claude", input_tokens=42) as attempt:
            attempt.event("said", what=mark)
            attempt.set(**{"process.stderr": f"stderr {mark}", "turns": 3})
            attempt.fail("exit", f"failed at {mark}")
        with observability.span("reply", agent="claude", text=f"You said {mark}"):
            pass
    observability.record_score(
        root.trace_id, name="note", user="U9", value=1.0, label=mark, text=mark
    )
    not_taken = UnfinishedReply(
        id=f"{root.trace_id}:claude",
        trace_id=root.trace_id,
        agent="claude",
        team="T1",
        channel="C1",
        thread_ts="1.000001",
        message_ts=ts,
        user=user,
        begun_at=time.time_ns(),
        ending=({"text": f"You said {mark}"},),
    )
    put_reply(observability.database, not_taken, process=NOBODY)
    folder = observability.database.path.parent / "files" / f"{root.trace_id}-x"
    folder.mkdir(parents=True)
    (folder / "F1.txt").write_text(mark)
    assert observability.flush()
    return root.trace_id


def order(**facts: str) -> Erasure:
    return Erasure(at=time.time_ns(), by="U1", team="T1", **facts)


def forgotten(observability: Observability, erasure: Erasure) -> None:
    append(erasure_log(observability.database.path), erasure)
    erase(observability.database, erasure)
    assert empty_log(observability.database).complete


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
@pytest.mark.parametrize("facts", [{"user": "U1"}, {"channel": "C1", "message_ts": "1.000001"}])
def test_no_byte_of_an_erased_turn_stays_and_its_figures_do(
    observability: Observability, tmp_path: Path, facts: dict[str, str]
) -> None:
    trace_id = record_turn(observability)
    assert where(tmp_path)
    forgotten(observability, order(**facts))
    assert where(tmp_path) == []
    (trace,) = traces_by_id(observability.database, trace_id)
    assert (trace.text, trace.span_count, trace.error_count) == (None, 3, 1)
    assert (trace.agent, trace.input_tokens, trace.user) == ("claude", 42, "U1")
    attempt = {span.name: span for span in trace_spans(observability.database, trace_id)}[
        "attempt claude"
    ]
    assert (attempt.status, attempt.error_type, attempt.attributes["turns"]) == ("error", "exit", 3)
    scores = observability.database.execute_sql("SELECT value, label FROM scores").fetchall()
    assert scores == [(1.0, None)]


def test_of_a_reply_that_slack_has_not_taken_the_text_is_erased_and_nothing_is_added(
    observability: Observability,
) -> None:
    database = observability.database
    record_turn(observability)
    (not_taken,) = abandoned_replies(database, team="T1")
    only_deleted = replace(not_taken, id=f"{not_taken.trace_id}:claude:late", ending=())
    put_reply(database, only_deleted, process=NOBODY)
    forgotten(observability, order(channel="C1", message_ts="1.000001"))
    left = {reply.id: reply.ending for reply in abandoned_replies(database, team="T1")}
    assert left == {not_taken.id: None, only_deleted.id: ()}


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_what_was_stored_of_a_deleted_reply_goes_although_its_span_comes_later(
    observability: Observability, tmp_path: Path
) -> None:
    asked = {**PLACE, "message_ts": "1.000001", "thread_ts": "1.000001", "user": "U1"}
    root = observability.start_span("slack message", {**asked, "text": "what was it?"})
    with observability.span("attempt claude", parent=root, output=f"It was {MARK}"):
        pass
    observability.flush()
    assert where(tmp_path)
    deleted = order(channel="C1", message_ts="1.000002", thread_ts="1.000001")
    forgotten(observability, deleted)
    with observability.span(REPLY, parent=root, text=MARK, **{REPLY_TS: ["1.000002"]}):
        pass
    observability.end_span(root)
    assert observability.flush()
    assert empty_log(observability.database).complete
    assert where(tmp_path) == []
    (trace,) = traces_by_id(observability.database, root.trace_id)
    assert (trace.text, trace.status) == ("what was it?", "ok")


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_the_bytes_of_many_turns_go_wherever_sqlite_moved_them(
    observability: Observability, tmp_path: Path
) -> None:
    for number in range(300):
        mark = MARK if number % 3 else "other"
        user = "U1" if number % 3 else "U2"
        asked = {**PLACE, "message_ts": f"1.{number:06}", "user": user}
        with observability.span("slack message", **asked, text=mark * (number % 40 + 1)) as span:
            if number % 7 == 0:
                observability.flush()
            span.set(**{"process.stderr": mark * (number * 3 % 1000)})
    observability.flush()
    forgotten(observability, order(user="U1"))
    assert where(tmp_path) == []
    assert where(tmp_path, "other")


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_what_others_asked_and_said_stays(observability: Observability, tmp_path: Path) -> None:
    record_turn(observability)
    other = record_turn(observability, "9.000001", user="U2", mark="giraffe")
    forgotten(observability, order(user="U1"))
    assert where(tmp_path) == []
    (trace,) = traces_by_id(observability.database, other)
    assert trace.text == "about giraffe"
    assert "tracebot.db" in "".join(where(tmp_path, "stderr giraffe"))


@pytest.mark.parametrize("facts", [{"user": "U1"}, {"channel": "C1", "message_ts": "1.000001"}])
def test_a_later_turn_that_read_the_message_keeps_only_its_question(
    observability: Observability, tmp_path: Path, facts: dict[str, str]
) -> None:
    asked = {**PLACE, "message_ts": "2.000001", "thread_ts": "1.000001", "user": "U2"}
    with observability.span("slack message", **asked, text="and what now?") as root:
        with observability.span("read thread", **{HEARD: ["U1", "U2"]}):
            pass
        with observability.span("reply", text=f"As {MARK} says") as reply:
            reply.fail("exit", MARK)
    observability.flush()
    forgotten(observability, order(**facts))
    assert where(tmp_path) == []
    assert traces_by_id(observability.database, root.trace_id)[0].text == "and what now?"


def test_a_span_of_others_loses_its_name_too(observability: Observability, tmp_path: Path) -> None:
    from opentelemetry import trace

    with observability.span("slack message", **PLACE, user="U1"):
        tracer = trace.get_tracer("some.library")
        with tracer.start_as_current_span(f"tool {MARK}", attributes={"mode": MARK}):
            pass
    observability.flush()
    forgotten(observability, order(user="U1"))
    assert where(tmp_path) == []


def test_an_erasure_holds_for_a_turn_that_is_still_running(
    observability: Observability, tmp_path: Path
) -> None:
    asked = {**PLACE, "message_ts": "1.000001", "user": "U1"}
    with observability.span("slack message", **asked, text=f"about {MARK}"):
        observability.flush()
        forgotten(observability, order(channel="C1", message_ts="1.000001"))
        with observability.span("reply", text=f"You said {MARK}"):
            observability.log_structured("error", MARK)
    observability.flush()
    empty_log(observability.database)
    assert where(tmp_path) == []


def test_a_question_after_the_erasure_is_recorded(observability: Observability) -> None:
    record_turn(observability)
    forgotten(observability, order(user="U1"))
    time.sleep(0.01)
    later = record_turn(observability, "8.000001", mark="lion")
    assert traces_by_id(observability.database, later)[0].text == "about lion"


def test_an_erasure_holds_for_spools_that_are_stored_later(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    program = f"""
import cysqlite
from storage import Observability
observability = Observability.open({str(db_path)!r}, platform="slack")
lock = cysqlite.connect({str(db_path)!r}); lock.execute("BEGIN IMMEDIATE")
with observability.span("slack message", team="T1", channel="C1", user="U1", text="{MARK}"):
    pass
observability.close(0.2)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert where(spool_folder(db_path))
    forgotten(observability, order(user="U1"))
    adopt(observability.database)
    empty_log(observability.database)
    assert where(tmp_path) == []
    (count,) = observability.database.execute_sql("SELECT count(*) FROM spans").fetchone()
    assert count == 1


def test_an_erasure_while_the_database_is_locked_is_applied_later(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    record_turn(observability)
    lock = connect(db_path)
    lock.begin()
    append(erasure_log(db_path), order(user="U1"))
    with pytest.raises(OperationalError):
        apply_pending(observability.database)
    lock.rollback()
    lock.close()
    assert apply_pending(observability.database) == 1
    assert apply_pending(observability.database) == 0
    empty_log(observability.database)
    assert where(tmp_path) == []


def test_the_text_of_an_edited_message_is_the_new_one_although_its_turn_ends_later(
    observability: Observability, tmp_path: Path
) -> None:
    asked = {**PLACE, "message_ts": "1.000001", "user": "U1"}
    edit = order(**EDIT)
    with observability.span("slack message", **asked, text=f"about {MARK}"):
        observability.flush()
        append(erasure_log(observability.database.path), edit)
        apply_pending(observability.database)
        replace_text(observability.database, edit, "about nothing")
    observability.flush()
    empty_log(observability.database)
    assert where(tmp_path) == []
    (trace,) = message_traces(observability.database, channel="C1", message_ts="1.000001")
    assert trace.text == "about nothing"
    assert trace_spans(observability.database, trace.trace_id)[0].text == "about nothing"


EDIT = {"channel": "C1", "message_ts": "1.000001", "edited_ts": "8.8"}


def edited(observability: Observability, text: str, **facts: str) -> Erasure:
    edit = order(**{**EDIT, **facts})
    forgotten(observability, edit)
    replace_text(observability.database, edit, text)
    return edit


def question(observability: Observability) -> str | None:
    """Return the text of the message of `EDIT`, which its summary and its span have."""
    (trace,) = message_traces(observability.database, channel="C1", message_ts="1.000001")
    spans = trace_spans(observability.database, trace.trace_id)
    (text,) = {span.text for span in spans if span.parent_id is None}
    assert trace.text == text
    return text


def test_an_edited_message_keeps_its_new_text_when_erasures_are_applied_again(
    observability: Observability, tmp_path: Path
) -> None:
    record_turn(observability)
    edit = edited(observability, "about nothing")
    erase(observability.database, edit)  # As another process does that has read the log before.
    assert question(observability) == "about nothing"
    edited(observability, "about less", edited_ts="9.9")
    replace_text(observability.database, edit, MARK)
    erase(observability.database, edit)
    assert question(observability) == "about less"
    empty_log(observability.database)
    assert where(tmp_path) == []


@pytest.mark.parametrize("behind_s", [-3_600, -2, 2, 500])
def test_deletions_and_edits_follow_each_other_by_the_clock_of_slack(
    observability: Observability, tmp_path: Path, behind_s: int
) -> None:
    record_turn(observability)
    edit = edited(observability, f"about {MARK}")
    at = edit.at - behind_s * 10**9
    second = replace(order(**{**EDIT, "edited_ts": "9.9"}), at=at)
    forgotten(observability, second)
    replace_text(observability.database, second, f"about no {MARK}")
    assert question(observability) == f"about no {MARK}"
    deletion = replace(order(channel="C1", message_ts="1.000001"), at=at + 1)
    forgotten(observability, deletion)
    for each in (edit, second):
        erase(observability.database, each)
        replace_text(observability.database, each, MARK)
    assert question(observability) is None
    empty_log(observability.database)
    assert where(tmp_path) == []


def test_who_is_forgotten_is_so_with_what_a_clock_that_was_ahead_has_edited(
    observability: Observability, tmp_path: Path
) -> None:
    record_turn(observability)
    ahead = replace(order(**EDIT), at=time.time_ns() + 3_600 * 10**9)
    forgotten(observability, ahead)
    replace_text(observability.database, ahead, MARK)
    forgotten(observability, order(user="U1"))
    empty_log(observability.database)
    assert where(tmp_path) == []


def test_a_turn_that_ends_after_its_message_was_edited_brings_no_old_text_back(
    observability: Observability, tmp_path: Path
) -> None:
    asked = {**PLACE, "message_ts": "1.000001", "user": "U1"}
    with observability.span("slack message", **asked, text=f"about {MARK}"):
        observability.flush()
        edit = edited(observability, "about nothing")
        with observability.span("reply", text=f"You said {MARK}"):
            observability.log_structured("error", MARK)
    observability.flush()
    erase(observability.database, edit)
    assert question(observability) == "about nothing"
    empty_log(observability.database)
    assert where(tmp_path) == []


def test_an_edit_that_is_stored_after_the_deletion_brings_nothing_back(
    observability: Observability, tmp_path: Path
) -> None:
    record_turn(observability)
    edit = order(channel="C1", message_ts="1.000001")
    forgotten(observability, edit)
    time.sleep(0.001)
    forgotten(observability, order(channel="C1", message_ts="1.000001"))
    replace_text(observability.database, edit, MARK)
    empty_log(observability.database)
    assert where(tmp_path) == []


def test_a_restored_older_backup_is_erased_again(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    trace_id = record_turn(observability)
    copy = tmp_path / "elsewhere" / "copy.db"
    copy.parent.mkdir()
    backup(observability.database, copy)
    forgotten(observability, order(user="U1"))
    observability.close()
    database = open_database(db_path)
    later = tmp_path / "elsewhere" / "later.db"
    backup(database, later)
    assert where(later.parent) == ["copy.db"]
    restored = restore(database, copy)
    assert restored.erasures == 1
    empty_log(database)
    database.close()
    assert where(tmp_path) == ["copy.db"]
    assert traces_by_id(open_database(db_path), trace_id)[0].span_count == 3


def test_what_is_saved_of_a_damaged_database_is_erased(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    record_turn(observability)
    observability.close()
    aside = tmp_path / "tracebot.db.damaged-20260101T000000.000000"
    empty_log(observability.database)
    observability.database.close()
    db_path.rename(aside)
    database = open_database(db_path)
    append(erasure_log(db_path), order(user="U1"))
    assert apply_pending(database) == 1
    salvage(database, aside, progress=lambda table, rows: None)
    empty_log(database)
    assert where(tmp_path) == [aside.name]
    assert database.execute_sql("SELECT count(*) FROM spans").fetchone() == (3,)
    database.close()


def test_an_edited_message_of_a_damaged_database_keeps_its_new_text(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    record_turn(observability)
    edited(observability, "about nothing")
    observability.close()
    empty_log(observability.database)
    observability.database.close()
    aside = tmp_path / "tracebot.db.damaged-20260101T000000.000000"
    db_path.rename(aside)
    with Observability.open(db_path, platform="slack") as again:
        salvage(again.database, aside, progress=lambda table, rows: None)
        assert question(again) == "about nothing"
        again.database.close()


def test_a_rating_of_what_is_not_a_trace_is_stored_after_an_erasure(
    observability: Observability,
) -> None:
    forgotten(observability, order(user="U1"))
    observability.record_score("not hex", name="note", user="U9", value=1.0)
    observability.flush()
    assert observability.database.execute_sql("SELECT count(*) FROM scores").fetchone() == (1,)


def test_a_reason_goes_with_its_author_also_if_it_is_stored_later(
    observability: Observability, tmp_path: Path
) -> None:
    with observability.span("slack message", **PLACE, message_ts="1.000001", user="U1") as root:
        pass

    def rate(user: str, text: str, at: int) -> None:
        observability.record_score(
            root.trace_id, name=FEEDBACK, user=user, value=0.0, label="-1", text=text, at=at
        )

    rate("U2", MARK, time.time_ns())
    rate("U3", "Too long.", time.time_ns())
    observability.flush()
    erasure = order(user="U2")
    forgotten(observability, erasure)
    assert where(tmp_path) == []
    rate("U2", MARK, erasure.at - 1)
    observability.flush()
    assert where(tmp_path) == []
    rate("U2", "Said again.", erasure.at + 1)
    observability.flush()
    scores = {each.user: each for each in scores_of(observability.database, [root.trace_id])}
    assert {user: score.text for user, score in scores.items()} == {
        "U2": "Said again.",
        "U3": "Too long.",
    }
    (trace,) = traces_by_id(observability.database, root.trace_id)
    assert (trace.thumbs_up, trace.thumbs_down) == (0, 2)


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_two_workspaces_are_erased_apart(observability: Observability, tmp_path: Path) -> None:
    with observability.span("slack message", team="T2", channel="C1", user="U1", text="lion"):
        pass
    record_turn(observability)
    forgotten(observability, order(user="U1"))
    assert where(tmp_path) == []
    assert where(tmp_path, "lion")


def test_retention_leaves_no_text_and_no_files(
    observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    record_turn(observability)
    aside = db_path.with_name(f"{db_path.name}.replaced-20260101T000000.000000")
    aside.write_text(MARK)
    tomorrow = time.time_ns() + 2 * 24 * 3_600 * 1_000_000_000
    retention = Retention(older_than_ns=24 * 3_600 * 1_000_000_000, max_bytes=None)
    apply_retention(observability.database, retention, now=tomorrow)
    assert where(tmp_path) == []


def test_the_log_of_erasures_survives_a_torn_line(
    observability: Observability, db_path: Path
) -> None:
    log = erasure_log(db_path)
    log.write_bytes(b'{"at":12,"us')
    append(log, order(user="U1"))
    assert apply_pending(observability.database) == 1
