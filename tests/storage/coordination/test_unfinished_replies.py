"""Replies on which nobody works any more."""

from dataclasses import replace

from storage.coordination.process_identity import NOBODY, this_process
from storage.coordination.take_over import other_owners, take_over
from storage.coordination.unfinished_replies import (
    UnfinishedReply,
    abandoned_replies,
    hand_over_replies,
    put_reply,
    remove_reply,
)
from storage.database.base import Database

NOW = 1_800_000_000_000_000_000
REPLY = UnfinishedReply(
    id="1:claude",
    trace_id="1",
    agent="claude",
    team="T1",
    channel="C1",
    thread_ts="1.000001",
    message_ts="1.000001",
    user="U1",
    begun_at=NOW,
)


def test_a_reply_is_abandoned_once_it_is_handed_over(database: Database) -> None:
    put_reply(database, REPLY, process="a:1:1")
    assert not list(abandoned_replies(database, team="T1"))
    hand_over_replies(database, process="a:1:1")
    assert list(abandoned_replies(database, team="T1")) == [REPLY]
    assert not other_owners(database, team="T1", process="b:1:1"), "anybody may end it"


def test_a_reply_of_a_process_that_is_gone_is_abandoned(database: Database) -> None:
    put_reply(database, REPLY, process="a:1:1")
    put_reply(database, replace(REPLY, id="2"), process=this_process())
    (owner,) = other_owners(database, team="T1", process=this_process())
    assert take_over(database, owner, team="T1", process=this_process())
    assert list(abandoned_replies(database, team="T1")) == [REPLY]


def test_a_reply_that_was_taken_over_is_left_as_it_is_by_its_former_process(
    database: Database,
) -> None:
    put_reply(database, REPLY, process="a:1:1")
    (owner,) = other_owners(database, team="T1", process="b:1:1")
    assert take_over(database, owner, team="T1", process="b:1:1")
    put_reply(database, replace(REPLY, ts="2.000001"), process="a:1:1", again=True)
    assert list(abandoned_replies(database, team="T1")) == [REPLY]
    remove_reply(database, REPLY.id, process="a:1:1")
    assert list(abandoned_replies(database, team="T1")) == [REPLY]


def test_a_bot_ends_only_the_replies_of_its_own_workspace(database: Database) -> None:
    put_reply(database, replace(REPLY, team="T2"), process=NOBODY)
    put_reply(database, replace(REPLY, team="T2", id="2"), process="a:1:1")
    assert not list(abandoned_replies(database, team="T1"))
    assert not other_owners(database, team="T1", process="b:1:1")
