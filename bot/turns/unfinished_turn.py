"""Let the next process end the turns of one that died before it asked an agent, or just after."""

import time

from bot.slack.types import IncomingMessage
from bot.turns.decision import BotIdentity, settled
from storage import ActiveSpan
from storage.coordination.unfinished_replies import TURN, UnfinishedReply


def unfinished_turn(
    message: IncomingMessage, root: ActiveSpan, identity: BotIdentity, *, claim: str
) -> UnfinishedReply | None:
    """Return the row of a message for the repair; None if the bot will not answer the message.

    The author of a question is told to ask again. If only its thread says that a message is a
    question, no more is done than to remove the bot's reactions until the thread was read.
    """
    decision = settled(message, identity, other_bots=frozenset())
    if decision is not None and not decision.answer:
        return None
    is_question = decision is not None and not message.bot_id
    return UnfinishedReply(
        id=unfinished_id(root),
        trace_id=root.trace_id,
        agent=TURN,
        team=message.team,
        channel=message.channel,
        thread_ts=message.root_ts,
        message_ts=message.ts,
        user=message.user,
        begun_at=time.time_ns(),
        claim=claim,
        ending=None if is_question else (),
    )


def unfinished_id(root: ActiveSpan) -> str:
    return f"{root.trace_id}:{TURN}"
