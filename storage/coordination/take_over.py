"""Take over what a process that is gone has left: its messages and its unfinished replies."""

from dataclasses import dataclass

from storage.coordination.heartbeats import PATIENCE_S, has_ended
from storage.coordination.process_identity import NOBODY
from storage.database.base import Database
from storage.database.models import AcceptedMessageRow, HeartbeatRow, UnfinishedReplyRow
from storage.database.transactions import transaction


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has messages or replies, and its last heartbeat: 0 if it has none."""

    process: str
    seen_at: int

    def has_ended(self, database: Database) -> bool:
        """Return True for one that cannot come back, as far as this host can tell."""
        return self.process == NOBODY or has_ended(database, self.process)


def other_owners(database: Database, *, team: str, process: str) -> list[Owner]:
    """Return the processes with something that *process* could take over."""
    messages, replies = AcceptedMessageRow.process, UnfinishedReplyRow.process
    of_messages = AcceptedMessageRow.select(messages).where(
        AcceptedMessageRow.team == team, messages != process
    )
    # A reply that was handed over needs no new owner: any process ends it.
    of_replies = UnfinishedReplyRow.select(replies).where(
        UnfinishedReplyRow.team == team, replies.not_in([process, NOBODY])
    )
    names = {name for (name,) in (of_messages | of_replies).tuples().execute(database)}
    if not names:
        return []
    beats = HeartbeatRow.select(HeartbeatRow.process, HeartbeatRow.seen_at)
    seen = dict(beats.where(HeartbeatRow.process.in_(names)).tuples().execute(database))
    return [Owner(name, seen.get(name, 0)) for name in sorted(names)]


def take_over(database: Database, owner: Owner, *, team: str, process: str) -> bool:
    """Give the messages of *owner* to *process*, and its replies to nobody.

    Return False if it had none any more, or has had a heartbeat since.
    """
    beat = HeartbeatRow.select(HeartbeatRow.seen_at).where(HeartbeatRow.process == owner.process)
    messages = AcceptedMessageRow.update(process=process).where(
        AcceptedMessageRow.team == team, AcceptedMessageRow.process == owner.process
    )
    replies = UnfinishedReplyRow.update(process=NOBODY).where(
        UnfinishedReplyRow.team == team, UnfinishedReplyRow.process == owner.process
    )
    # Under the lock of its heartbeats: one that comes later finds what it has lost.
    with transaction(database, deadline=PATIENCE_S, of=[owner.process]):
        if (beat.scalar(database) or 0) != owner.seen_at:
            return False
        return bool(messages.execute(database) + replies.execute(database))
