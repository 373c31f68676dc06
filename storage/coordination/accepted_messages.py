"""Run one turn at a time in each thread, across processes, and lose no message that waits.

A message is a row from before it is acknowledged until its turn has ended. One row of each thread,
which is not `waiting`, holds the thread's lane: an index of the database allows no second one. The
others follow in their order. Rows hold no text: a process that takes one over reads the message in
Slack.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from peewee import IntegrityError, fn

from storage.coordination.leases import insert_lease
from storage.coordination.process_identity import NOBODY
from storage.database.base import Database
from storage.database.models import HOLDS_LANE, AcceptedMessageRow
from storage.database.transactions import transaction

PATIENCE_S = 1.0
"""How long a row waits for a locked database. Slack waits 3 seconds for an acknowledgement."""

DEDUP_NS = 24 * 3_600 * 1_000_000_000
"""Longer than Slack retries an event, so that a late retry finds the lease still held."""

WAITING, RUNNING, ASKED = "waiting", "running", "asked"


class Standing(Enum):
    """Says if the turn of a message may begin."""

    WAITS = "waits"
    """Another turn of the thread runs, or waits before it."""
    RUNS = "runs"
    CHANGED = "changed"
    """It may, and the message was edited or deleted while it waited."""
    ELSEWHERE = "elsewhere"
    """Another process answers it, or has done so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedMessage:
    """A message that may be answered, and where.

    *position* orders the messages of a thread. `details` is what Slack does not tell again.
    `state`, `attempts` and `accepted_at` are known of one that is read from the database.
    """

    trace_id: str
    team: str
    channel: str
    thread_ts: str
    message_ts: str
    user: str
    position: str
    details: Mapping[str, Any] = field(default_factory=dict)
    state: str = WAITING
    attempts: int = 0
    accepted_at: int = 0


PLAIN = ("trace_id", "team", "channel", "thread_ts", "message_ts", "user", "position")


def accept_message(
    database: Database,
    message: AcceptedMessage,
    *,
    claim: str,
    process: str,
    now: int,
    may_run: bool = True,
) -> Standing:
    """Store a message of *process*, unless the lease *claim* on its event is another's.

    It runs at once if it *may_run* and its thread has no other one. Without *claim* it needs no
    lease.
    """
    row = {
        **{name: getattr(message, name) for name in PLAIN},
        "details": json.dumps(message.details),
        "process": process,
        "changed": 0,
        "accepted_at": now,
    }
    runs = AcceptedMessageRow.insert(**row, state=RUNNING, attempts=1).on_conflict_ignore()
    waits = AcceptedMessageRow.insert(**row, state=WAITING, attempts=0)
    with transaction(database, deadline=PATIENCE_S, of=()):
        if claim and not insert_lease(database, claim, owner=process, now=now, lease_ns=DEDUP_NS):
            return Standing.ELSEWHERE
        others = AcceptedMessageRow.select().where(*_thread(message)).limit(1)
        # Also here the index decides: two processes on PostgreSQL may both have seen no other.
        if may_run and not others.count(database) and runs.as_rowcount().execute(database):
            return Standing.RUNS
        waits.execute(database)
        return Standing.WAITS


def begin_message(database: Database, trace_id: str, *, process: str) -> Standing:
    """Take the lane for a message that waits, if it is free and no other one is before it."""
    own = (AcceptedMessageRow.trace_id == trace_id, AcceptedMessageRow.process == process)
    row = next(iter(AcceptedMessageRow.select().where(*own).execute(database)), None)
    if row is None:
        return Standing.ELSEWHERE
    before = AcceptedMessageRow.position < row.position
    blocked = AcceptedMessageRow.select().where(*_thread(row), HOLDS_LANE | before).limit(1)
    if row.state == WAITING and blocked.count(database):
        return Standing.WAITS  # Found by reading only, as it is asked again and again.
    begin = AcceptedMessageRow.update(
        state=RUNNING, attempts=AcceptedMessageRow.attempts + 1
    ).where(*own, AcceptedMessageRow.state == WAITING)
    try:
        with transaction(database, deadline=PATIENCE_S, of=()):
            begin.execute(database)
    except IntegrityError:  # Another process has just taken it.
        return Standing.WAITS
    return Standing.CHANGED if row.changed else Standing.RUNS


def note_asked(database: Database, trace_id: str) -> None:
    """Note, in the caller's transaction, that an agent is asked, by this process only."""
    AcceptedMessageRow.update(state=ASKED).where(
        AcceptedMessageRow.trace_id == trace_id, AcceptedMessageRow.state == RUNNING
    ).execute(database)


def note_changed(database: Database, *, team: str, channel: str, message_ts: str) -> None:
    """Note that a message was edited or deleted: if it still waits, it is read again."""
    same = (
        AcceptedMessageRow.team == team,
        AcceptedMessageRow.channel == channel,
        AcceptedMessageRow.message_ts == message_ts,
    )
    with transaction(database, deadline=PATIENCE_S, of=()):
        AcceptedMessageRow.update(changed=1).where(*same).execute(database)


def end_message(database: Database, trace_id: str, *, process: str) -> None:
    """Remove a message whose turn has ended, unless another process has taken it over.

    The next one of its thread may begin.
    """
    own = (AcceptedMessageRow.trace_id == trace_id, AcceptedMessageRow.process == process)
    with transaction(database, deadline=PATIENCE_S, of=()):
        AcceptedMessageRow.delete().where(*own).execute(database)
        database.announce()


def leave_message(database: Database, trace_id: str, *, process: str) -> bool:
    """Leave a message to the next process; return False if that cannot answer it either."""
    own = (AcceptedMessageRow.trace_id == trace_id, AcceptedMessageRow.process == process)
    with transaction(database, deadline=PATIENCE_S, of=()):
        left = AcceptedMessageRow.update(process=NOBODY, state=WAITING, attempts=0).where(
            *own, AcceptedMessageRow.state != ASKED
        )
        return bool(left.execute(database))


def hand_over_messages(database: Database, *, process: str) -> None:
    """Let other processes take over what *process*, which stops, has not ended."""
    with transaction(database, deadline=PATIENCE_S, of=()):
        rows = AcceptedMessageRow.update(process=NOBODY)
        rows.where(AcceptedMessageRow.process == process).execute(database)


def messages_of(database: Database, *, process: str) -> list[AcceptedMessage]:
    """Return the messages of a process, in the order in which their threads answer them."""
    query = AcceptedMessageRow.select().where(AcceptedMessageRow.process == process)
    return [
        AcceptedMessage(
            **{name: row[name] for name in (*PLAIN, "state", "attempts", "accepted_at")},
            details=json.loads(row["details"]),
        )
        for row in query.order_by(AcceptedMessageRow.position).dicts().execute(database)
    ]


def waiting_traces(database: Database) -> frozenset[str]:
    """Return the traces of all messages whose turns wait for another one of their thread."""
    waits = AcceptedMessageRow.state == WAITING
    query = AcceptedMessageRow.select(AcceptedMessageRow.trace_id).where(waits).tuples()
    return frozenset(trace_id for (trace_id,) in query.execute(database))


def messages_by_process(database: Database) -> dict[str, Counter[str]]:
    """Return how many messages each process has, by their state."""
    owner, state = AcceptedMessageRow.process, AcceptedMessageRow.state
    rows = AcceptedMessageRow.select(owner, state, fn.COUNT(state)).group_by(owner, state)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for process, each, count in rows.tuples().execute(database):
        found[process][each] = count
    return found


def resume_message(database: Database, trace_id: str, *, as_trace: str, process: str) -> bool:
    """Let a message wait again, now in the trace *as_trace*; return False if it is gone."""
    own = (AcceptedMessageRow.trace_id == trace_id, AcceptedMessageRow.process == process)
    with transaction(database, deadline=PATIENCE_S, of=()):
        again = AcceptedMessageRow.update(trace_id=as_trace, state=WAITING, changed=0)
        return bool(again.where(*own).execute(database))


def _thread(message: Any) -> tuple[Any, ...]:
    """Return the condition for the rows of a message's thread."""
    return (
        AcceptedMessageRow.team == message.team,
        AcceptedMessageRow.channel == message.channel,
        AcceptedMessageRow.thread_ts == message.thread_ts,
    )
