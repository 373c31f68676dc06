"""Keep track of the replies that are not final yet, in this process and for the next one."""

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from peewee import PeeweeException

from bot.concurrency.fence import Fence
from bot.replies.messages import Message
from bot.replies.reply_rows import ReplyRows
from storage.coordination.unfinished_replies import (
    UnfinishedReply,
    abandoned_replies,
    replies_of,
)
from storage.database.base import Database

LATE_NS = 60 * 1_000_000_000
"""So long after a call to which no answer came Slack may still carry it out."""


class UnfinishedReplies:
    """The replies of this process that are not final, which the database knows a moment later.

    Memory decides about the replies of this process, so that they are ended although the database
    is gone. `ReplyRows` tells the database.
    """

    def __init__(
        self, database: Database, *, team: str, process: str, keep_text: bool, fence: Fence
    ) -> None:
        """Without *keep_text* the text of an answer is never stored, only kept in memory."""
        self._database = database
        self._team = team
        self._process = process
        self._fence = fence
        self._replies: dict[str, UnfinishedReply] = {}
        self._left: set[str] = set()
        """The ids of the replies that nobody works on any more."""
        self._watched: dict[str, int] = {}
        """Until when Slack may still carry out a call, in nanoseconds since the epoch, by reply."""
        self._lock = threading.Lock()
        self._rows = ReplyRows(
            database, process=process, keep_text=keep_text, fence=fence, current=self._current
        )

    def begin(self, reply: UnfinishedReply) -> None:
        """Note that an agent is asked."""
        if self._fence.is_lost(reply.trace_id):
            return
        with self._lock:
            self._replies[reply.id] = reply
        self._rows.store_later(reply.id)

    def wait_until_stored(self, id: str) -> None:
        """Wait a moment until the database knows what is known of a reply here."""
        self._rows.wait_until_stored(id)

    def shown(self, id: str, ts: str) -> None:
        """Note the message that shows the reply while it grows."""
        self._change(id, ts=ts)

    def keep(self, id: str, ending: Sequence[Message]) -> None:
        """Keep the messages that Slack does not take at the moment."""
        self._change(id, ending=tuple(ending))

    def leave(self, id: str) -> None:
        """Let the next repair end the reply: nobody else works on it any more."""
        with self._lock:
            self._left.add(id)

    def leave_message(self, reply: UnfinishedReply, ts: str) -> None:
        """Let the next repair delete a message in whose place the reply was posted anew."""
        self._leave_beside(reply, f"{reply.id}:{ts}", ts)

    def watch(self, reply: UnfinishedReply) -> None:
        """Let repairs look for what is left of a reply besides its final form, for a while.

        That is a message that appears late, or whose `ts` nobody knows, or a session that still
        counts as working.
        """
        id = _watch_id(reply)
        with self._lock:
            self._watched[id] = time.time_ns() + LATE_NS
        self._leave_beside(reply, id, None)

    def ended(self, reply: UnfinishedReply, *, now: int) -> None:
        """Note that a repair has ended a reply.

        That of a process that is gone is watched: what that process asked Slack for when it died
        may still be carried out.
        """
        if not self.holds(reply):
            self.watch(reply)
            if reply.id == _watch_id(reply):
                return
        with self._lock:
            if now < self._watched.get(reply.id, 0):
                return
            self._watched.pop(reply.id, None)
        self.done(reply.id)

    def _leave_beside(self, reply: UnfinishedReply, id: str, ts: str | None) -> None:
        """Leave a row of what is only to be deleted, beside that of the reply."""
        self.begin(replace(reply, id=id, ts=ts, ending=()))
        self.leave(id)

    def done(self, id: str) -> None:
        """Note that the reply is final."""
        with self._lock:
            self._replies.pop(id, None)
            self._left.discard(id)
        self._rows.store_later(id)

    def find_lost(self) -> frozenset[str]:
        """Return the traces whose replies are another process's now, as far as they were stored.

        Raises `PeeweeException`.
        """
        with self._lock:
            stored = self._rows.ids & self._replies.keys()
        if not stored:
            return frozenset()
        stored -= replies_of(self._database, process=self._process)
        with self._lock:  # Without those that have become final meanwhile.
            return frozenset(self._replies[id].trace_id for id in stored & self._replies.keys())

    def forget(self, trace_ids: Collection[str]) -> None:
        """Leave the replies of turns to the process that has taken them over."""
        with self._lock:
            for id, reply in list(self._replies.items()):
                if reply.trace_id in trace_ids:
                    del self._replies[id]

    def is_lost(self, reply: UnfinishedReply) -> bool:
        """Return True if another process ends the reply: nothing of it may be changed here."""
        return not self._fence.holds(reply.trace_id)

    def require(self, reply: UnfinishedReply) -> None:
        """Raise `TakenOver` if it is."""
        self._fence.require(reply.trace_id)

    def holds(self, reply: UnfinishedReply) -> bool:
        """Return True for a reply of this process, which no other one ends."""
        with self._lock:
            return reply.id in self._replies

    def works_in_thread(self, reply: UnfinishedReply) -> bool:
        """Return True if an agent works on another reply in the same thread."""
        thread = (reply.channel, reply.thread_ts)
        # A turn that waits in this thread is no sign that an agent works there.
        return any((e.channel, e.thread_ts) == thread and e.agent for e in self._others(reply))

    def works_on_message(self, reply: UnfinishedReply) -> bool:
        """Return True if the turn of the same message, or another reply to it, goes on."""
        message = (reply.channel, reply.message_ts)
        return any((e.channel, e.message_ts) == message for e in self._others(reply))

    def _others(self, reply: UnfinishedReply) -> list[UnfinishedReply]:
        """Return the other replies on which this process works."""
        with self._lock:
            active = [each for id, each in self._replies.items() if id not in self._left]
        return [each for each in active if each.id != reply.id]

    def abandoned(self) -> list[UnfinishedReply]:
        """Return the replies that nobody works on, of this process and of those that are gone.

        Raises `PeeweeException` only if this process has none.
        """
        ours = self._ours()
        try:
            return [*ours, *abandoned_replies(self._database, team=self._team)]
        except PeeweeException:
            if not ours:
                raise
            return ours

    def _ours(self) -> list[UnfinishedReply]:
        """Return the replies that were left, unless something of them still runs."""
        with self._lock:
            left = [self._replies[id] for id in self._left if id in self._replies]
            active = [each for id, each in self._replies.items() if id not in self._left]
        # What lies beside a running reply looks like it, so it is deleted once that is final.
        running = {(each.trace_id, each.agent) for each in active}
        return [each for each in left if (each.trace_id, each.agent) not in running]

    def close(self) -> None:
        """Hand what is left over to the other processes."""
        self._rows.close()

    def _current(self, id: str) -> UnfinishedReply | None:
        with self._lock:
            return self._replies.get(id)

    def _change(self, id: str, **changes: Any) -> None:
        with self._lock:
            if (known := self._replies.get(id)) is None:
                return
            changed = self._replies[id] = replace(known, **changes)
        if changed != known:
            self._rows.store_later(id)


def _watch_id(reply: UnfinishedReply) -> str:
    """Return the id of the row by which late messages of a reply are looked for."""
    return f"{reply.trace_id}:{reply.agent}:late"
