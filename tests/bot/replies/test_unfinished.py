"""The record of replies that are not final: kept although the database is locked for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from peewee import Database

from bot.replies import reply_rows
from bot.sandbox import Channel, Sandbox
from bot.slack.conversation.names import NameLookup
from storage import Observability
from storage.coordination import unfinished_replies
from storage.coordination.unfinished_replies import UnfinishedReply
from storage.database.connect import connect
from tests.support.conversations import Ask, ended, eventually
from tests.support.fake_agent import Scripted, roster_of
from tests.support.replies import left_replies

StartBot = Callable[..., object]


@pytest.fixture(autouse=True)
def short_waits(quick_replies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished_replies, "PATIENCE_S", 0.01)


@pytest.fixture
def locked(
    db_path: Path, start_bot: StartBot, agent: Scripted, observability: Observability
) -> Iterator[Database]:
    """Start the bot, which soon gives up to wait for a lock, and lock its database."""
    observability.database.timeout = 0.1
    start_bot(roster_of(agent))
    observability.flush()
    with closing(connect(db_path)) as database:
        database.begin()
        yield database


def test_a_reply_that_begins_beside_a_locked_database_is_stored_later(
    locked: Database,
    agent: Scripted,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
    caplog: pytest.LogCaptureFixture,
) -> None:
    question = ask()
    agent.say("The first half")
    reply = sandbox.wait_for_reply(general, question.ts, containing="The first half")
    eventually(lambda: "stored later" in caplog.text)
    locked.rollback()
    eventually(lambda: reply.ts in [row.ts for row in left_replies(observability)])
    agent.end("The first half and the second.")
    ended(sandbox, general, question, "white_check_mark")
    eventually(lambda: not left_replies(observability))


def test_an_answer_that_ended_while_the_database_was_locked_is_never_stored_as_unfinished(
    locked: Database,
    agent: Scripted,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    first = ask()
    agent.end("whole")
    ended(sandbox, general, first, "white_check_mark")
    second = ask()
    locked.rollback()
    # What the database is told last is told in the order of the questions.
    eventually(lambda: second.ts in [row.message_ts for row in left_replies(observability)])
    assert first.ts not in [row.message_ts for row in left_replies(observability)]
    agent.end("whole")
    ended(sandbox, general, second, "white_check_mark")
    eventually(lambda: not left_replies(observability))


def test_a_question_is_marked_only_once_the_database_knows_of_it(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    store, marks = reply_rows.put_reply, []

    def store_slowly(database: Database, reply: UnfinishedReply, **more: Any) -> None:
        time.sleep(0.2)
        marks.append(set(sandbox.reactions(general, reply.message_ts)))
        store(database, reply, **more)

    monkeypatch.setattr(reply_rows, "put_reply", store_slowly)
    start_bot(roster_of(agent))
    question = ask()
    assert (marks[0], set(sandbox.reactions(general, question.ts))) == (set(), {"eyes"})


def test_an_answer_is_posted_only_once_the_database_has_it(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    store, posted = reply_rows.put_reply, []

    def store_slowly(database: Database, reply: UnfinishedReply, **more: Any) -> None:
        if reply.ending:
            time.sleep(0.2)
            posted.append([call.method for call in sandbox.calls() if "whole" in str(call)])
        store(database, reply, **more)

    monkeypatch.setattr(reply_rows, "put_reply", store_slowly)
    start_bot(roster_of(agent))
    question = ask()
    agent.end("whole")
    sandbox.wait_for_reply(general, question.ts, containing="whole")
    assert posted[:1] == [[]]


def test_an_answer_is_kept_before_the_names_in_it_are_known(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    kept = []

    def look_up(names: NameLookup, user: str) -> str:
        def is_there() -> bool:
            return any("whole" in str(row.ending) for row in left_replies(observability))

        until = time.monotonic() + 3.0
        while user == "U0UNKNOWN1" and not is_there() and time.monotonic() < until:
            time.sleep(0.05)
        kept.append(is_there())
        return "Ben"

    monkeypatch.setattr(NameLookup, "user", look_up)
    start_bot(roster_of(agent))
    question = ask()
    agent.end("Ask <@U0UNKNOWN1>, who knows the whole.")
    ended(sandbox, general, question, "white_check_mark")
    assert kept[-1] is True
