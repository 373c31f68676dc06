"""A process that stands still is taken over from, and does not go on with what it has lost."""

from contextlib import closing
from dataclasses import replace

import pytest
from peewee import OperationalError

from bot.concurrency.fence import Fence, TakenOver
from bot.concurrency.lanes import Lanes
from bot.concurrency.other_processes import OtherProcesses
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.connection.presence import Presence
from bot.slack.connection.status import ConnectionStatus
from storage.coordination.accepted_messages import AcceptedMessage, Standing
from storage.coordination.heartbeats import ABSENT_S, BEAT_S, GONE_S
from storage.coordination.unfinished_replies import UnfinishedReply, abandoned_replies
from storage.database.base import Database
from storage.database.models import HeartbeatRow, UnfinishedReplyRow

MESSAGE = AcceptedMessage(
    trace_id="1",
    team="T1",
    channel="C1",
    thread_ts="1.000001",
    message_ts="1.000001",
    user="U1",
    position="1.000001",
)
REPLY = UnfinishedReply(
    id="1:claude",
    trace_id="1",
    agent="claude",
    team="T1",
    channel="C1",
    thread_ts="1.000001",
    message_ts="1.000001",
    user="U1",
    begun_at=1,
)


class Process:
    """All of a process that others look at, with a clock that stands still by itself."""

    def __init__(self, database: Database, name: str) -> None:
        self.now = 1_000.0
        self.database = database
        shared = {"team": "T1", "process": name}
        clock = lambda: self.now  # noqa: E731
        self.presence = Presence(database, ConnectionStatus(), clock=clock, **shared)
        self.lanes = Lanes(database, **shared)
        confirm = self.presence.confirm
        self.others = OtherProcesses(database, confirm=confirm, clock=clock, **shared)
        self.fence = Fence(confirm)
        self.unfinished = UnfinishedReplies(database, keep_text=True, fence=self.fence, **shared)
        self.presence.on_return(self.others.forget)
        self.presence.on_return(self.fence.look)
        self.fence.watch(self.lanes.find_lost)
        self.fence.watch(self.unfinished.find_lost)
        self.fence.on_loss(self.unfinished.forget)
        self.presence.beat()

    def lives(self, seconds: float) -> bool:
        """Let time pass, with heartbeats; return if it has taken over from another process."""
        until, taken = self.now + seconds, False
        while self.now < until:
            self.now += 1
            self.presence.beat()
            taken = self.others.take_over() or taken
        return taken

    def begin_turn(self) -> None:
        assert self.lanes.accept(MESSAGE, claim="") is Standing.RUNS
        self.unfinished.begin(REPLY)
        self.unfinished.wait_until_stored(REPLY.id)


@pytest.fixture
def a(any_database: Database) -> Process:
    return Process(any_database, "a:1:1")


@pytest.fixture
def b(any_database: Database) -> Process:
    return Process(any_database, "b:1:1")


def test_a_process_without_heartbeats_is_taken_over_from_and_finds_out(
    a: Process, b: Process
) -> None:
    a.begin_turn()
    assert not b.lives(GONE_S - 1)
    assert b.lives(2)
    assert [each.trace_id for each in b.lanes.left()] == ["1"]
    assert list(abandoned_replies(b.database, team="T1")) == [REPLY]
    a.now += GONE_S + 1  # It goes on.
    with pytest.raises(TakenOver):
        a.fence.require("1")
    assert not a.fence.holds("1")
    assert a.lanes.begin("1") is Standing.ELSEWHERE
    assert a.unfinished.abandoned() == [REPLY], "which it may end as anybody else"


def test_what_a_stalled_process_still_notes_of_a_turn_that_it_lost_changes_nothing(
    a: Process, b: Process
) -> None:
    a.begin_turn()
    b.lives(GONE_S + 1)
    a.now += GONE_S + 1
    a.unfinished.shown(REPLY.id, "1.5")
    a.unfinished.wait_until_stored(REPLY.id)
    a.unfinished.begin(replace(REPLY, id="1:other", agent="other"))
    a.unfinished.done(REPLY.id)
    a.lanes.end("1")
    a.unfinished.close()
    (row,) = UnfinishedReplyRow.select().execute(a.database)
    assert (row.id, row.ts, row.process) == (REPLY.id, None, "")
    assert [each.trace_id for each in b.lanes.left()] == ["1"]


def test_an_answer_that_waits_for_slack_is_posted_by_one_process_alone(
    a: Process, b: Process
) -> None:
    a.begin_turn()
    a.unfinished.keep(REPLY.id, [{"text": "whole"}])
    a.unfinished.leave(REPLY.id)
    a.unfinished.wait_until_stored(REPLY.id)
    a.lanes.end("1")
    b.lives(GONE_S + 1)
    assert b.unfinished.abandoned() == [replace(REPLY, ending=({"text": "whole"},))]
    a.now += GONE_S + 1
    a.presence.beat()
    assert not a.unfinished.holds(REPLY)


def test_a_process_that_accepts_a_message_before_it_finds_out_keeps_that_one(
    a: Process, b: Process
) -> None:
    a.begin_turn()
    b.lives(GONE_S + 1)
    later = replace(MESSAGE, trace_id="2", thread_ts="2", message_ts="2", position="2")
    assert a.lanes.accept(later, claim="") is Standing.RUNS
    a.now += GONE_S + 1
    assert (a.fence.holds("1"), a.fence.holds("2")) == (False, True)


def test_a_process_whose_clock_is_wrong_by_a_minute_is_not_taken_for_gone(
    a: Process, b: Process
) -> None:
    """On a file, heartbeats have the time of whoever writes them."""
    a.begin_turn()
    for minute in (-60, 60):
        for _ in range(4):
            a.lives(BEAT_S)
            wrong = HeartbeatRow.update(seen_at=HeartbeatRow.seen_at + minute * 1_000_000_000)
            wrong.where(HeartbeatRow.process == "a:1:1").execute(a.database)
            assert not b.lives(BEAT_S)
    assert a.fence.holds("1")


def test_who_was_suspended_or_without_the_database_gives_the_others_time(
    a: Process, b: Process
) -> None:
    a.begin_turn()
    b.lives(GONE_S - 1)
    b.now += 3_600  # The whole machine was suspended.
    assert not b.lives(GONE_S - 1)
    a.now += 3_600
    a.presence.beat()
    assert not b.lives(GONE_S - 1)
    assert a.fence.holds("1")


def test_nobody_is_judged_while_the_database_takes_no_heartbeats(
    a: Process, b: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.begin_turn()
    monkeypatch.setattr("storage.coordination.heartbeats.PATIENCE_S", 0.01)
    if not a.database.on_server:  # SQLite itself waits for five seconds before it says so.
        a.database.execute_sql("PRAGMA busy_timeout = 10")
    with closing(a.database.another(busy_timeout_ms=5_000)) as other:
        other.begin()
        b.now += ABSENT_S + 1
        assert not b.presence.confirm()
        assert not b.others.take_over()
        b.now += GONE_S
        assert not b.others.take_over()
        a.now += ABSENT_S + 1
        assert a.fence.holds("1"), "an answer that is late is better than none"
        other.rollback()
    assert not b.lives(GONE_S - 1)


def test_a_database_that_takes_no_heartbeat_is_not_asked_again_and_again(
    a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def fail(*args: object) -> None:
        asked.append(a.now)
        raise OperationalError("locked")

    monkeypatch.setattr("bot.slack.connection.presence.put_heartbeat", fail)
    a.now += ABSENT_S
    for _ in range(50):
        assert not a.presence.confirm()
        a.now += 0.1
    assert 1 < len(asked) <= 3
