"""Remember which replies are not in their final form in Slack yet, so that any process ends them.

A row is stored when an agent is asked, and removed once its reply is final. What a process hands
over, or leaves when it dies (`take_over`), is ended by another process.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storage.coordination.accepted_messages import note_asked
from storage.coordination.process_identity import NOBODY
from storage.database.base import Database
from storage.database.models import UnfinishedReplyRow
from storage.database.transactions import transaction

PATIENCE_S = 1.0
"""How long storing a row waits for a locked database."""

TURN = ""
"""The agent of a row that stands for the marks of the whole turn, or for one that is given up."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedReply:
    """An agent's reply to the message `message_ts` of `user`, in the thread `thread_ts`.

    `ts` is the message that shows the reply while it grows, None if there is none. `ending` are the
    arguments of the messages that should take its place; None if nobody knows, and none at all if
    it should only be deleted. `begun_at` is in nanoseconds since the epoch.
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


def put_reply(
    database: Database, reply: UnfinishedReply, *, process: str, again: bool = False
) -> None:
    """Store a reply of *process*. It replaces what was stored of it before.

    With the first one of an agent, the message is not answered by anybody else any more. One that
    is stored *again* stays as it is if it was taken over in between.
    """
    ending = None if reply.ending is None else json.dumps(reply.ending)
    row = {
        **{name: getattr(reply, name) for name in PLAIN},
        "ending": ending,
        "process": process,
    }
    with transaction(database, deadline=PATIENCE_S, of=()):
        if again:
            own = (UnfinishedReplyRow.id == reply.id, UnfinishedReplyRow.process == process)
            UnfinishedReplyRow.update(**row).where(*own).execute(database)
            return
        UnfinishedReplyRow.insert(**row).on_conflict(
            conflict_target=[UnfinishedReplyRow.id], update=row
        ).execute(database)
        if reply.agent != TURN:
            note_asked(database, reply.trace_id)


def remove_reply(database: Database, id: str, *, process: str | None = None) -> None:
    """Remove a reply, because it is final; of a *process* only one that it still has."""
    which = [UnfinishedReplyRow.id == id]
    if process is not None:
        which.append(UnfinishedReplyRow.process == process)
    with transaction(database, deadline=PATIENCE_S, of=()):
        UnfinishedReplyRow.delete().where(*which).execute(database)


def replies_of(database: Database, *, process: str) -> frozenset[str]:
    """Return the ids of the replies of *process*."""
    query = UnfinishedReplyRow.select(UnfinishedReplyRow.id)
    rows = query.where(UnfinishedReplyRow.process == process).tuples().execute(database)
    return frozenset(id for (id,) in rows)


def hand_over_replies(database: Database, *, process: str) -> None:
    """Let other processes end the replies of *process*, which stops."""
    with transaction(database, deadline=PATIENCE_S, of=()):
        rows = UnfinishedReplyRow.update(process=NOBODY)
        rows.where(UnfinishedReplyRow.process == process).execute(database)


def abandoned_replies(database: Database, *, team: str) -> Iterator[UnfinishedReply]:
    """Yield the replies of a workspace that no process works on any more, the oldest first."""
    query = UnfinishedReplyRow.select().where(
        UnfinishedReplyRow.team == team, UnfinishedReplyRow.process == NOBODY
    )
    for row in list(query.order_by(UnfinishedReplyRow.begun_at).dicts().execute(database)):
        ending = None if row["ending"] is None else tuple(json.loads(row["ending"]))
        yield UnfinishedReply(**{name: row[name] for name in PLAIN}, ending=ending)


PLAIN = (
    *("id", "trace_id", "agent", "team", "channel", "thread_ts", "message_ts", "user"),
    *("begun_at", "ts"),
)
"""The columns that are stored as they are."""
