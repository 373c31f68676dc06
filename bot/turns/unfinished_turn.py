"""Let another process remove the marks of a turn whose process died."""

import time

from bot.slack.types import IncomingMessage
from storage import ActiveSpan
from storage.coordination.unfinished_replies import TURN, UnfinishedReply


def unfinished_turn(message: IncomingMessage, root: ActiveSpan) -> UnfinishedReply:
    """Return the row of a turn for the repair, which removes the reactions of its message."""
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
        ending=(),
    )


def unfinished_id(root: ActiveSpan) -> str:
    return f"{root.trace_id}:{TURN}"
