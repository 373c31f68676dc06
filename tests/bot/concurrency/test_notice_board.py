"""What one process of a bot changed, no other one goes on using."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest
from slack_sdk import WebClient

from bot.concurrency.notice_board import AGENTS, DELETION, THREAD, NoticeBoard
from bot.sandbox import Channel, Sandbox, User
from bot.slack.own_deletions import OwnDeletions
from bot.slack.threads import ThreadReader
from storage.coordination.process_identity import new_writer
from storage.database.base import Database
from storage.recovery.opening import open_database


@contextmanager
def board(url: str) -> Iterator[tuple[NoticeBoard, Database]]:
    with closing(open_database(url)) as database:
        made = NoticeBoard(database, team="T1", process=new_writer())
        yield made, database
        made.close()


@pytest.fixture
def boards(any_url: str) -> Iterator[tuple[NoticeBoard, NoticeBoard]]:
    """Return the boards of two processes, of which neither reads in the background."""
    with board(any_url) as (here, _), board(any_url) as (there, _):
        yield here, there


def reader(notices: NoticeBoard, web: WebClient, sandbox: Sandbox) -> ThreadReader:
    made = ThreadReader(
        web,
        bot_id=sandbox.bot_id,
        tell=partial(notices.post, THREAD),
        catch_up=notices.catch_up,
    )
    notices.subscribe(THREAD, made.hear)
    return made


def texts(threads: ThreadReader, channel: Channel, ts: str) -> list[str]:
    return [each["text"] for each in threads.read(channel.id, ts).earlier(before="9e9")]


def test_no_process_remembers_what_was_edited(
    boards: tuple[NoticeBoard, NoticeBoard],
    sandbox: Sandbox,
    web: WebClient,
    alice: User,
    general: Channel,
) -> None:
    """Slack tells one process of an edit; the next question may come to the other."""
    here, there = (reader(each, web, sandbox) for each in boards)
    message = sandbox.post(alice, general, "my password is hunter2")
    assert texts(there, general, message.ts) == ["my password is hunter2"]
    sandbox.edit(alice, message, "never mind")
    here.forget(general.id, message.ts)
    assert texts(there, general, message.ts) == ["never mind"]
    assert there.read(general.id, message.ts).cached


def test_a_message_that_another_process_deletes_is_the_bots_own(
    boards: tuple[NoticeBoard, NoticeBoard],
) -> None:
    def deletions(notices: NoticeBoard) -> OwnDeletions:
        made = OwnDeletions(tell=partial(notices.post, DELETION), catch_up=notices.catch_up)
        notices.subscribe(DELETION, made.hear)
        return made

    here, there = map(deletions, boards)
    assert ("C1", "1.1") not in there
    here.add("C1", "1.1")
    assert ("C1", "1.1") in there
    assert ("C1", "1.2") not in there


def test_a_notice_is_heard_although_nobody_asks_and_not_by_its_own_process(
    boards: tuple[NoticeBoard, NoticeBoard],
) -> None:
    here, there = boards
    heard, own = threading.Event(), threading.Event()
    there.subscribe(AGENTS, lambda key: heard.set())
    here.subscribe(AGENTS, lambda key: own.set())
    for each in boards:
        each.start()
    here.post(AGENTS)
    assert heard.wait(30)
    here.catch_up()
    assert not own.is_set()


def test_without_the_database_a_thread_is_read_anew(
    db_path: object,
    sandbox: Sandbox,
    web: WebClient,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with board(str(db_path)) as (notices, database):
        threads = reader(notices, web, sandbox)
        message = sandbox.post(alice, general, "my password is hunter2")
        threads.read(general.id, message.ts)
        sandbox.edit(alice, message, "never mind")
        database.execute_sql("DROP TABLE notices")
        assert texts(threads, general, message.ts) == ["never mind"]
        assert not threads.read(general.id, message.ts).cached
        threads.forget(general.id, message.ts)
    assert caplog.text.count("cannot be read") == 1
    assert "are not told of a change" in caplog.text
