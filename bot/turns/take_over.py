"""Answer the messages that other processes have accepted, and did not live to answer."""

import logging
from collections.abc import Callable

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.concurrency.lanes import Lanes
from bot.concurrency.other_processes import OtherProcesses
from bot.slack.errors import SLACK_ERRORS, error_code, is_refusal
from bot.turns.accepted import current_message
from bot.turns.decision import BotIdentity
from bot.turns.inbox import Inbox
from storage import Observability
from storage.coordination.accepted_messages import ASKED, AcceptedMessage
from storage.coordination.process_identity import NOBODY
from storage.coordination.unfinished_replies import TURN, UnfinishedReply, put_reply

LONGEST_NS = 24 * 3_600 * 1_000_000_000
"""A message that is older is not answered any more: nobody waits for it."""

MOST_ATTEMPTS = 2
"""How many processes begin the same message: perhaps it is what ended them."""

logger = logging.getLogger("tracebot.take_over")


class TakeOver:
    """Take over from processes that are gone.

    `end_replies` tells the threads whose turns were interrupted; it gets the time in nanoseconds.
    `client` must not retry: what fails now is tried again by the next run.
    """

    def __init__(
        self,
        client: WebClient,
        identity: BotIdentity,
        lanes: Lanes,
        others: OtherProcesses,
        inbox: Inbox,
        observability: Observability,
        *,
        end_replies: Callable[[int], object],
    ) -> None:
        self._client = client
        self._identity = identity
        self._lanes = lanes
        self._others = others
        self._inbox = inbox
        self._database = observability.database
        self._end_replies = end_replies

    def run(self, *, now: int) -> None:
        """Take over what processes that are gone have left. Raises `PeeweeException`."""
        self._lanes.free_ended()
        self._lanes.store_late()
        taken = self._others.take_over()
        left = self._lanes.left()
        for each in left:
            if each.attempts >= MOST_ATTEMPTS and each.state != ASKED:
                self._give_up(each)
        if taken or left:
            # First, so that a thread is told of what was interrupted before it goes on.
            self._end_replies(now)
        for each in left:
            try:
                self._go_on_with(each, now=now)
            except PeeweeException:
                raise
            except Exception:
                # Such as one that another version stored: it keeps no other one from its answer.
                logger.exception("The message %s cannot be taken over", each.message_ts)
                self._give_up(each)
                self._lanes.drop(each)

    def _go_on_with(self, left: AcceptedMessage, *, now: int) -> None:
        if (
            left.state == ASKED
            or left.attempts >= MOST_ATTEMPTS
            or left.accepted_at < now - LONGEST_NS
        ):
            self._lanes.drop(left)
            return
        try:
            message = current_message(self._client, self._identity, left)
        except SLACK_ERRORS as error:
            logger.info("A message that was left is not read yet: %s", error_code(error))
            if is_refusal(error):
                self._lanes.drop(left)
            return
        if message is None:
            self._lanes.drop(left)
        else:
            self._inbox.resume(message, left)

    def _give_up(self, left: AcceptedMessage) -> None:
        """Let the repair tell the author to ask again."""
        logger.warning("The message %s of %s is given up.", left.message_ts, left.channel)
        turn = UnfinishedReply(
            id=f"{left.trace_id}:{TURN}",
            trace_id=left.trace_id,
            agent=TURN,
            team=left.team,
            channel=left.channel,
            thread_ts=left.thread_ts,
            message_ts=left.message_ts,
            user=left.user,
            begun_at=left.accepted_at,
        )
        put_reply(self._database, turn, process=NOBODY)
