"""Remember which replies are not in their final form in Slack yet, so that any process ends them.

A row is stored when an agent is asked, and removed once its reply is final. What is left when its
process has died, or has handed it over, is ended by another process.
"""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storage.coordination.process_identity import is_alive
from storage.database.base import Database
from storage.database.models import UnfinishedReplyRow
from storage.database.transactions import transaction

PATIENCE_S = 1.0
"""How long storing a row waits for a locked database."""

UNSEEN_NS = 300 * 1_000_000_000
"""A process on another host that was not seen for so long counts as dead."""

NOBODY = ""
"""The process of a row that was handed over."""

TURN = ""
"""The agent of a row that stands for the whole turn: nobody was asked yet, or some were."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedReply:
    """An agent's reply to the message `message_ts` of `user`, in the thread `thread_ts`.

    `ts` is the message that shows the reply while it grows, None if there is none. `ending` are the
    arguments of the messages that should take its place; None if nobody knows, and none at all if
    it should only be deleted. `begun_at` is in nanoseconds since the epoch. `claim` is the key of
    the lease that its process needs for the message, empty if it needs none. `process` is the one
    that stored it, if it is read from the database.
    """

    id: str
    trace_id: str
    agent: str
    team: str
    channel: str
    thread_ts: str
    message_ts: str
    user: str
    begun_at: int
    ts: str | None = None
    ending: tuple[Message, ...] | None = None
    claim: str = ""
    process: str = NOBODY


def put_reply(database: Database, reply: UnfinishedReply, *, process: str, now: int) -> None:
    """Store a reply of *process*. It replaces what was stored of it before."""
    ending = None if reply.ending is None else json.dumps(reply.ending)
    row = {
        **{name: getattr(reply, name) for name in PLAIN},
        "ending": ending,
        "process": process,
        "seen_at": now,
    }
    with transaction(database, deadline=PATIENCE_S):
        UnfinishedReplyRow.insert(**row).on_conflict(
            conflict_target=[UnfinishedReplyRow.id], update=row
        ).execute(database)


def remove_reply(database: Database, id: str) -> None:
    """Remove a reply, because it is final."""
    with transaction(database, deadline=PATIENCE_S):
        UnfinishedReplyRow.delete().where(UnfinishedReplyRow.id == id).execute(database)


def see_replies(database: Database, *, process: str, now: int) -> None:
    """Note that *process* still works on its replies."""
    with transaction(database, deadline=PATIENCE_S):
        rows = UnfinishedReplyRow.update(seen_at=now).where(UnfinishedReplyRow.process == process)
        rows.execute(database)


def hand_over_replies(database: Database, *, process: str) -> None:
    """Let other processes end the replies of *process*, which stops."""
    with transaction(database, deadline=PATIENCE_S):
        rows = UnfinishedReplyRow.update(process=NOBODY)
        rows.where(UnfinishedReplyRow.process == process).execute(database)


def abandoned_replies(database: Database, *, team: str, now: int) -> Iterator[UnfinishedReply]:
    """Yield the replies of a workspace that no process works on any more, the oldest first."""
    query = UnfinishedReplyRow.select().where(UnfinishedReplyRow.team == team)
    for row in list(query.order_by(UnfinishedReplyRow.begun_at).dicts().execute(database)):
        if _is_abandoned(row["process"], seen_at=row["seen_at"], now=now):
            ending = None if row["ending"] is None else tuple(json.loads(row["ending"]))
            known = {name: row[name] for name in (*PLAIN, "process")}
            yield UnfinishedReply(**known, ending=ending)


def _is_abandoned(process: str, *, seen_at: int, now: int) -> bool:
    if process == NOBODY or not is_alive(process):
        return True
    # A process of another host, such as a container that was replaced, cannot be asked.
    return process.split(":")[0] != socket.gethostname() and seen_at < now - UNSEEN_NS


PLAIN = (
    *("id", "trace_id", "agent", "team", "channel", "thread_ts", "message_ts", "user"),
    *("begun_at", "ts", "claim"),
)
"""The columns that are stored as they are."""
