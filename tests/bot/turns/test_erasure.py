"""Deleted and edited messages follow in the record, at whatever moment Slack tells of them."""

import errno
import os
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest
from peewee import Database

from bot.replies import delivery
from bot.sandbox import Channel, Sandbox, User
from bot.turns.eraser import Eraser, forget
from storage import Observability
from storage.database.connect import connect
from storage.model.erasure import Erasure
from storage.queries.lookups import message_traces
from storage.store.erasure_log import append, erasure_log, erasures_since
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.erasure import erase
from tests.support.conversations import StartBot, ended, eventually, finished
from tests.support.fake_agent import Scripted, roster_of
from tests.support.planted import where
from tests.support.replies import refuse_all

# They look into the file and all that lies beside it, also with `--postgres`.
pytestmark = pytest.mark.usefixtures("db_path")

MARK = "zebra-4711"


def gone(observability: Observability, folder: Path) -> None:
    """Wait until no file has the mark any more."""

    def is_gone() -> bool:
        observability.flush()
        checkpoint(observability.database, "truncate")
        return where(folder) == []

    eventually(is_gone)


@pytest.fixture
def agent(start_bot: StartBot) -> Scripted:
    agent = Scripted()
    start_bot(roster_of(agent), capture="full")
    return agent


def test_a_deleted_question_goes_with_its_answer_and_its_file(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    agent.end(f"You said {MARK}")
    file = sandbox.add_file(alice, "note.txt", "text/plain", MARK.encode())
    question = sandbox.post(alice, general, f"{sandbox.mention} {MARK}", files=[file])
    finished(observability, general, question.ts)
    assert where(tmp_path)
    sandbox.delete(alice, question)
    gone(observability, tmp_path)
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, trace.agent, trace.text) == ("ok", "scripted", None)


def test_a_question_that_is_deleted_while_its_turn_runs_leaves_nothing(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    agent.say(f"You said {MARK}, and ")
    question = sandbox.post(alice, general, f"{sandbox.mention} {MARK}")
    agent.wait_until_asked()
    sandbox.delete(alice, question)
    (trace,) = finished(observability, general, question.ts)
    assert trace.error_message == "Stopped by deletion."
    gone(observability, tmp_path)


def test_a_question_that_is_edited_while_its_turn_runs_has_its_new_text(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} {MARK}")
    agent.wait_until_asked()
    sandbox.edit(alice, question, f"{sandbox.mention} nothing")

    def text() -> str | None:
        observability.flush()
        database = observability.database
        found = message_traces(database, channel=general.id, message_ts=question.ts)
        return found[0].text if found else None

    eventually(lambda: text() == "nothing")
    agent.end(f"You said {MARK}")
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, trace.text) == ("ok", "nothing")
    gone(observability, tmp_path)


@pytest.fixture
def admin(sandbox: Sandbox, general: Channel) -> User:
    admin = sandbox.add_user("ann", admin=True)
    sandbox.join(admin, general)
    return admin


def test_a_reply_that_is_deleted_is_erased_and_its_question_stays(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    admin: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    agent.end(f"It was {MARK}. " + "And so on. " * 2_000)
    question = sandbox.post(alice, general, f"{sandbox.mention} what was it?")
    finished(observability, general, question.ts)
    assert where(tmp_path)
    _, *parts = sandbox.thread(general, question.ts)
    assert len(parts) > 1
    sandbox.delete(admin, parts[-1])
    gone(observability, tmp_path)
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, trace.agent, trace.text) == ("ok", "scripted", "what was it?")


def test_a_reply_that_was_posted_after_its_turn_is_erased_too(
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    admin: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    agent = Scripted()
    bot = start_bot(roster_of(agent), capture="full")
    refuse_all(sandbox)
    question = sandbox.post(alice, general, f"{sandbox.mention} what was it?")
    monkeypatch.setattr(delivery, "LONGEST_WAIT_S", 0.1)
    agent.end(f"It was {MARK}.")
    sandbox.wait_for_reaction(general, question.ts, "x")
    sandbox.faults.clear()
    bot.scheduler.tick(now=time.time_ns())
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    observability.flush()
    sandbox.delete(admin, answer)
    gone(observability, tmp_path)
    assert finished(observability, general, question.ts)[0].text == "what was it?"


def test_a_message_that_was_only_read_as_history_is_erased_where_it_is_quoted(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    first = sandbox.post(alice, general, f"Remember {MARK}")
    agent.end(f"It was {MARK}.")
    sandbox.post(bob, general, f"{sandbox.mention} what was it?", thread_ts=first.ts)
    finished(observability, general, first.ts, count=2)
    assert where(tmp_path)
    sandbox.delete(alice, first)
    gone(observability, tmp_path)
    texts = {trace.text for trace in finished(observability, general, first.ts, count=2)}
    assert texts == {None, "what was it?"}


def test_a_file_of_a_deleted_message_goes_also_where_it_was_read_for_somebody_else(
    sandbox: Sandbox,
    observability: Observability,
    db_path: Path,
    agent: Scripted,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    file = sandbox.add_file(alice, "note.txt", "text/plain", MARK.encode())
    first = sandbox.post(alice, general, "my notes", files=[file])
    sandbox.post(bob, general, f"{sandbox.mention} what is in it?", thread_ts=first.ts)
    agent.wait_until_asked()
    sandbox.delete(alice, first)
    eventually(lambda: erasure_log(db_path).exists())
    assert agent.requests[0].files[0].exists(), "an agent at work lost its files"
    agent.end("Nothing.")
    gone(observability, tmp_path)


def test_a_forgotten_person_is_forgotten_also_where_others_forwarded_their_words(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    file = sandbox.add_file(bob, "note.txt", "text/plain", MARK.encode())
    message = sandbox.post(bob, general, f"it is {MARK}", files=[file])
    agent.end(f"Bob says {MARK}.")
    dm = sandbox.open_dm(alice)
    forwarded = sandbox.forward(alice, message, dm, "what does he mean?")
    finished(observability, dm, forwarded.ts)
    assert where(tmp_path)
    forget(observability, Erasure(at=time.time_ns(), by="shell", user=bob.id))
    gone(observability, tmp_path)
    assert str(finished(observability, dm, forwarded.ts)[0].text).startswith("what does he mean?")


def test_a_deletion_while_the_database_is_locked_is_made_up_for(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    db_path: Path,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    observability.database.timeout = 0.1
    start_bot(capture="full")
    observability.flush()
    lock = connect(db_path)
    lock.begin()
    chatter = sandbox.post(alice, general, f"I should not have said {MARK}")
    eventually(lambda: MARK in "".join(spooled(db_path)))
    sandbox.delete(alice, chatter)
    eventually(erasure_log(db_path).exists)
    lock.rollback()
    lock.close()
    gone(observability, tmp_path)
    assert finished(observability, general, chatter.ts)[0].text is None


def full_disk(path: Path, flags: int) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_a_deletion_on_a_full_disk_is_made_up_for(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    db_path: Path,
    alice: User,
    general: Channel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} {MARK}")
    agent.wait_until_asked()
    with monkeypatch.context() as patch:
        patch.setattr("bot.turns.eraser.RETRY_S", 0.1)
        patch.setattr("storage.store.erasure_log.open_private", full_disk)
        sandbox.delete(alice, question)
        (trace,) = finished(observability, general, question.ts)
        assert trace.error_message == "Stopped by deletion."
        eventually(lambda: "stays until the database can be written" in caplog.text)
        assert not erasure_log(db_path).exists()
    gone(observability, tmp_path)


def test_what_a_full_disk_did_not_take_is_logged_when_the_bot_stops(
    observability: Observability,
    db_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    erasure = Erasure(at=time.time_ns(), by="slack", channel="C1", message_ts="1.0")
    stopping = Eraser(observability)
    with monkeypatch.context() as patch:
        patch.setattr("storage.store.erasure_log.open_private", full_disk)
        stopping.add(erasure, text=None)
        stopping.close()
    assert "text of 1 edited or deleted messages stays" in caplog.text
    assert not erasure_log(db_path).exists()
    stopping.close()
    assert erasures_since(erasure_log(db_path), 0) == (erasure,)


def test_an_erasure_of_which_the_disk_takes_only_a_part_is_not_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, write = tmp_path / "erasures", os.write
    first, second = (Erasure(at=n, by="slack", message_ts="1.0") for n in (1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:20]))
        with pytest.raises(OSError, match="No space left"):
            append(log, first)
    append(log, second)
    assert erasures_since(log, 0) == (second,)


def test_deletions_that_wait_while_the_bot_stops_are_followed_by_another(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    db_path: Path,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    stopping, go = start_bot(capture="full"), threading.Event()
    said = [sandbox.post(alice, general, f"{number} {MARK}") for number in range(3)]
    for each in said:
        finished(observability, general, each.ts)
    for _ in range(2):
        stopping.workers.changes.submit(go.wait)
    for each in said[:2]:
        sandbox.delete(alice, each)
    sandbox.edit(alice, said[2], "nothing")
    sandbox.settle()
    another = start_bot(capture="full")
    assert not erasure_log(db_path).exists()
    stop = threading.Thread(target=stopping.stop, kwargs={"grace": 0.0})
    stop.start()
    try:
        eventually(lambda: len(erasures_since(erasure_log(db_path), 0)) == 3)
    finally:
        go.set()
        stop.join()
    another.scheduler.tick(now=time.time_ns())
    gone(observability, tmp_path)


def spooled(database: Path) -> list[str]:
    folder = database.with_name(f"{database.name}.spool")
    return [path.read_text("latin-1") for path in folder.glob("*.spool")]


@pytest.mark.parametrize("edited", [False, True])
def test_a_file_that_is_deleted_from_a_message_is_deleted_here(
    edited: bool,
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent), capture="full", answer_edits=True)
    agent.end("Read it.")
    file = sandbox.add_file(alice, "note.txt", "text/plain", MARK.encode())
    asked = f"{sandbox.mention} read this"
    question = sandbox.post(alice, general, "read this" if edited else asked, files=[file])
    if edited:
        sandbox.edit(alice, question, asked)
    finished(observability, general, question.ts, count=2 if edited else 1)
    assert where(tmp_path)
    *_, sent = (
        each
        for each in sandbox.events("message")
        if (each["event"].get("message") or each["event"]).get("ts") == question.ts
    )
    before = sent["event"].get("message") or sent["event"]
    after = {**before, "files": [{"id": file.id, "mode": "tombstone"}]}
    ts = f"{time.time():.6f}"
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": general.id,
        "message": after,
        "previous_message": before,
        "ts": ts,
        "event_ts": ts,
    }
    sandbox.redeliver({**sent, "event_id": "Ev1", "event": changed})
    gone(observability, tmp_path)
    eventually(lambda: finished(observability, general, question.ts)[-1].text == "read this")


def test_a_preview_that_slack_adds_to_a_message_erases_nothing(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    db_path: Path,
    alice: User,
    general: Channel,
) -> None:
    agent.end("a page")
    question = sandbox.post(alice, general, f"{sandbox.mention} https://example.org")
    finished(observability, general, question.ts)
    sandbox.edit(alice, question, f"{sandbox.mention} https://example.org")
    later = sandbox.post(alice, general, "later")
    finished(observability, general, later.ts)
    assert not erasure_log(db_path).exists()


def test_two_reports_of_one_edit_do_not_erase_the_new_text(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    with observability.span("slack message", channel="C1", message_ts="1.0", text="old"):
        pass
    eraser = Eraser(observability)
    first, second = (
        Erasure(at=time.time_ns() + n, by="slack", channel="C1", message_ts="1.0", edited_ts="2.0")
        for n in (0, 1)
    )
    faster = threading.Thread(target=lambda: [eraser.add(second, text="new"), eraser.apply()])

    def slowly(database: Database) -> int:
        monkeypatch.undo()
        faster.start()
        faster.join(0.3)
        return erase(database, first).spans

    monkeypatch.setattr("bot.turns.eraser.apply_pending", slowly)
    eraser.add(first, text="new")
    eraser.apply()
    faster.join()
    (trace,) = message_traces(observability.database, channel="C1", message_ts="1.0")
    assert trace.text == "new"
