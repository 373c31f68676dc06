"""Which replies nobody works on any more."""

from dataclasses import replace

import pytest
from peewee import Database

from storage.coordination.process_identity import this_process
from storage.coordination.unfinished_replies import (
    UNSEEN_NS,
    UnfinishedReply,
    abandoned_replies,
    put_reply,
    see_replies,
)

NOW = 1_800_000_000_000_000_000
DEAD = f"{this_process().split(':')[0]}:4194304:1"
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


@pytest.mark.parametrize(
    ("process", "seen_for", "abandoned"),
    [
        (this_process(), UNSEEN_NS * 2, False),
        (DEAD, 0, True),
        ("", 0, True),
        ("another-host:1:1:1", UNSEEN_NS - 1, False),
        ("another-host:1:1:1", UNSEEN_NS + 1, True),
    ],
    ids=["ours", "dead", "handed over", "seen elsewhere", "not seen elsewhere"],
)
def test_a_reply_is_abandoned_once_its_process_is_gone(
    process: str, seen_for: int, abandoned: bool, database: Database
) -> None:
    put_reply(database, REPLY, process=process, now=NOW)
    found = list(abandoned_replies(database, team="T1", now=NOW + seen_for))
    assert found == ([REPLY] if abandoned else [])


def test_a_process_on_another_host_that_works_on_keeps_its_replies(database: Database) -> None:
    process = "another-host:1:1:1"
    put_reply(database, REPLY, process=process, now=NOW)
    later = NOW + UNSEEN_NS + 1
    see_replies(database, process=process, now=later)
    assert not list(abandoned_replies(database, team="T1", now=later))


def test_a_bot_ends_only_the_replies_of_its_own_workspace(database: Database) -> None:
    put_reply(database, replace(REPLY, team="T2"), process=DEAD, now=NOW)
    assert not list(abandoned_replies(database, team="T1", now=NOW))
