"""End the replies that nobody ended: Slack did not take their end, or their process is gone."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.replies.posted import (
    final_parts,
    outcome,
)
from bot.replies.repaired_messages import RepairedMessages
from bot.replies.unfinished import UnfinishedReplies
from bot.slack.errors import (
    PASSING,
    SLACK_ERRORS,
    error_code,
    in_doubt,
    is_unanswered,
    retry_after,
)
from bot.slack.own_deletions import OwnDeletions
from bot.slack.reactions import DONE, ENDS, FAILED, READ, WAITING
from storage import Observability
from storage.coordination.leases import leased, release_lease_of_dead
from storage.coordination.process_identity import this_process
from storage.coordination.unfinished_replies import TURN, UnfinishedReply
from storage.model.erasure import REPLY_TS
from storage.model.semconv import REPLY
from storage.queries.traces import trace_spans

SECOND_NS = 1_000_000_000
LONGEST_NS = 24 * 3_600 * SECOND_NS
"""A reply that is older is not ended any more: nobody waits for it."""

LEASE_NS = 300 * SECOND_NS
"""Longer than it takes to end one reply, so that no other process posts it, too."""

FLUSH_S = 1.0
"""How long the record of a reply waits for the database."""

logger = logging.getLogger("tracebot.repair")


class ReplyRepair:
    """Ends replies one by one. Each is looked for in its thread first, so it is never posted twice.

    `client` must not retry: what fails now is tried again by the next run.
    """

    def __init__(
        self,
        client: WebClient,
        unfinished: UnfinishedReplies,
        observability: Observability,
        *,
        bot_user: str,
        bot_id: str,
        deletions: OwnDeletions,
    ) -> None:
        self._client = client
        self._unfinished = unfinished
        self._observability = observability
        self._database = observability.database
        self._bot_id = bot_id
        self._messages = RepairedMessages(
            client, unfinished, bot_user=bot_user, bot_id=bot_id, deletions=deletions
        )
        self._lock = threading.Lock()

    def run(self, *, now: int) -> None:
        """End what can be ended now. Raises `PeeweeException` if the database cannot be asked."""
        # Several jobs call this, each on its own thread: one posts an answer after another has
        # looked for it, and before that has posted it, too. Leases only tell processes apart.
        with self._lock:
            self._end_all(now=now)

    def _end_all(self, *, now: int) -> None:
        for reply in self._unfinished.abandoned():
            try:
                with self._alone(reply) as may_end:
                    if may_end:
                        self._end(reply, now=now)
            except SLACK_ERRORS as error:
                if is_unanswered(error):
                    self._unfinished.watch(reply)
                code = error_code(error)
                logger.info("The reply %s is not ended yet: %s", reply.id, code)
                # A code may be about its channel alone, such as one that moves.
                if retry_after(error) is not None or (in_doubt(error) and code not in PASSING):
                    return  # Slack is unwell: the next run tries all of them again.
            except PeeweeException:
                raise
            except Exception:
                # Such as one that an older version stored: it keeps no other from its end.
                logger.exception("The reply %s cannot be ended", reply.id)

    @contextmanager
    def _alone(self, reply: UnfinishedReply) -> Iterator[bool]:
        """Return False if another process ends the reply at this moment."""
        if self._unfinished.holds(reply):
            yield True  # Without asking the database, which may be gone.
            return
        key, owner, now = f"unfinished:{reply.id}", this_process(), time.time_ns()
        # A process that was killed while it ended the reply would keep it from all others.
        release_lease_of_dead(self._database, key)
        with leased(self._database, key, owner=owner, now=now, lease_ns=LEASE_NS) as acquired:
            yield acquired
            # Else whoever comes next finds its row, and takes our note for a reply of its process.
            self._unfinished.wait_until_stored(reply.id)

    def _end(self, reply: UnfinishedReply, *, now: int) -> None:
        if reply.begun_at < now - LONGEST_NS:
            self._give_up(reply)
            return
        self._deliver(reply)
        if reply.ending != ():
            what = f"reply of {reply.agent}" if reply.agent != TURN else "turn"
            logger.info("The %s in trace %s is ended.", what, reply.trace_id)
        self._unfinished.ended(reply, now=now)

    def _give_up(self, reply: UnfinishedReply) -> None:
        # What is only to be deleted or watched lies beside a reply that has long had its mark.
        if reply.ending != ():
            logger.warning(
                "The reply of %s in %s is given up: Slack did not take it for a day. Its trace is "
                "%s.",
                reply.agent,
                reply.channel,
                reply.trace_id,
            )
            if reply.agent != TURN:
                self._mark(reply, FAILED)
        self._unfinished.done(reply.id)

    def _deliver(self, reply: UnfinishedReply) -> None:
        if reply.agent == TURN and (reply.ending == () or self._is_settled(reply)):
            if self._unfinished.works_on_message(reply):
                self._unfinished.watch(reply)  # The marks are those of another turn now.
            else:
                self._unmark(reply)
            return
        thread = self._messages.read(reply)
        if thread is None:
            # What is posted now would be in the channel, as is what was posted since then.
            for ts in self._messages.outside(reply):
                self._messages.delete(reply, ts)
        else:
            self._deliver_in(thread, reply)

    def _is_settled(self, reply: UnfinishedReply) -> bool:
        """Return True if the turn ended after all, before its process died."""
        self._observability.flush(FLUSH_S)
        root = next(iter(trace_spans(self._database, reply.trace_id)), None)
        return root is not None and root.status not in ("running", "abandoned")

    def _deliver_in(self, thread: Sequence[Mapping[str, Any]], reply: UnfinishedReply) -> None:
        final, unwanted = final_parts(thread, reply, bot_id=self._bot_id)
        stale = self._messages.running(thread, reply) - set(final.values())
        if reply.ending != ():
            self._messages.post_missing(reply, final, stale)
        for ts in (*stale, *unwanted):
            self._messages.delete(reply, ts)
        if reply.agent != TURN:
            if reply.ending != () or unwanted:
                self._record(reply, sorted(final.values()))
            self._set_active(reply)
        if reply.ending == ():
            return
        if self._unfinished.works_on_message(reply):
            # Perhaps its turn is about to show that the answer waits.
            self._unfinished.watch(replace(reply, agent=TURN))
        else:
            self._mark(reply, outcome(reply, thread))

    def _record(self, reply: UnfinishedReply, posted: Sequence[str]) -> None:
        """Record which messages the reply has become: if one is deleted, its text is erased."""
        if not posted:
            return
        # The turn may be on its way to the database, as of a moment ago.
        self._observability.flush(FLUSH_S)
        try:
            root = next(iter(trace_spans(self._database, reply.trace_id)), None)
        except PeeweeException as error:
            logger.warning("The messages of a reply cannot be recorded: %s", error)
            return
        if root is not None:
            names = ("team", "channel", "audience", "thread_ts", "message_ts", "user")
            known = {name: getattr(root, name) for name in names}
            attributes = {**known, "agent": reply.agent, REPLY_TS: posted}
            parent = (root.trace_id, root.span_id)
            span = self._observability.start_span(REPLY, attributes, kind="producer", parent=parent)
            self._observability.end_span(span)

    def _set_active(self, reply: UnfinishedReply) -> None:
        """End the state `processing` of the thread's session, which shows Slack's Stop button."""
        if self._unfinished.works_in_thread(reply):
            self._unfinished.watch(reply)  # A quick answer says nothing of the session at its end.
            return
        try:
            self._client.agents_sessions_setStatus(
                channel_id=reply.channel, thread_ts=reply.thread_ts, status="active"
            )
        except SLACK_ERRORS as error:
            # The next run finds that everything else is done. An app that is not an agent has no
            # sessions: Slack would refuse that each minute.
            if retry_after(error) is not None or in_doubt(error):
                raise

    def _unmark(self, reply: UnfinishedReply) -> None:
        """Show at a message that nobody works on it any more."""
        waits = self._remove(reply, WAITING)
        self._remove(reply, READ)
        # Its turn showed that the answer waits when that was there already.
        if waits and (thread := self._messages.read(reply)) is not None:
            ended = outcome(reply, thread)
            if ended in (DONE, FAILED):
                self._mark(reply, ended)

    def _remove(self, reply: UnfinishedReply, name: str) -> bool:
        """Remove a reaction, and return False if it was not shown, as with most messages."""
        where = {"channel": reply.channel, "timestamp": reply.message_ts}
        try:
            self._client.reactions_remove(**where, name=name)
        except SLACK_ERRORS as error:
            if retry_after(error) is not None or in_doubt(error):
                raise
            return False
        return True

    def _mark(self, reply: UnfinishedReply, reaction: str) -> None:
        """Show at the question that nobody works on it any more, and how that ended."""
        where = {"channel": reply.channel, "timestamp": reply.message_ts}
        for name in {READ, WAITING, *ENDS} - {reaction}:
            with suppress(*SLACK_ERRORS):
                self._client.reactions_remove(**where, name=name)
        with suppress(*SLACK_ERRORS):
            self._client.reactions_add(**where, name=reaction)
