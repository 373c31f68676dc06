"""What one process of a bot changed, no other one goes on using."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from queue import Empty, Queue

import pytest
from slack_sdk import WebClient

from bot.concurrency import notice_board
from bot.concurrency.notice_board import AGENTS, DELETION, THREAD, NoticeBoard
from bot.sandbox import Channel, Sandbox, User
from bot.slack.own_deletions import OwnDeletions
from bot.slack.threads import ThreadReader
from storage.coordination.cancel_requests import request_cancel
from storage.coordination.process_identity import new_writer
from storage.database import pool, server_listener
from storage.database.base import Database
from storage.recovery.opening import open_database
from tests.support.postgres import Cable


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


def test_nobody_waits_for_ever_for_a_thread_that_hangs(
    db_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_board, "PATIENCE_S", 0.1)
    monkeypatch.setattr(notice_board, "CLOSE_S", 0.1)
    hangs, ends = threading.Event(), threading.Event()

    def hang(key: str) -> None:
        hangs.set()
        ends.wait(60)

    with board(str(db_path)) as (here, _), board(str(db_path)) as (there, _):
        there.subscribe(AGENTS, hang)
        here.post(AGENTS)
        there._thread.start()
        assert hangs.wait(30)
        assert not there.catch_up(), "what was posted may not be heeded yet"
        there.close()
        assert not ends.is_set()
        ends.set()
        there._thread.join(30)


def test_a_server_wakes_who_listens_and_is_listened_to_again_after_an_outage(
    cable: Cable, new_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks by himself within the time of this test."""
    monkeypatch.setattr(notice_board, "POLL_S", 60.0)
    monkeypatch.setattr(server_listener, "RETRY_S", 0.0)
    monkeypatch.setattr(pool, "FAIL_FAST_S", 0.0)  # The end announces itself, to its own thread.
    looks: Queue[None] = Queue()
    with closing(open_database(cable.url)) as far, closing(open_database(new_postgres_url)) as near:
        there = NoticeBoard(far, team="T1", process=new_writer())
        there.each_second(lambda: looks.put(None))
        there.start()
        until_quiet(looks)
        until_heard(looks, lambda: request_cancel(near, "1", by="U1", now=1))
        cable.cut()
        looks.get(timeout=30)  # What was announced meanwhile is not heard.
        cable.mend()
        until_quiet(looks)
        until_heard(looks, lambda: request_cancel(near, "2", by="U1", now=1))
        there.close()


def until_quiet(looks: "Queue[None]") -> None:
    """Wait until nobody looks without being told: each attempt to connect is followed by one."""
    with suppress(Empty):
        while True:
            looks.get(timeout=0.3)


def until_heard(looks: "Queue[None]", announce: Callable[[], object]) -> None:
    """Announce something until it is heard: the listener may not be there yet."""
    deadline = time.monotonic() + 30
    while True:
        announce()
        try:
            looks.get(timeout=0.5)
            return
        except Empty:
            assert time.monotonic() < deadline
