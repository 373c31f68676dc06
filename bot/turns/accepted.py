"""Turns as rows: what is stored of a message that waits or whose turn runs.

If the process dies, another one makes the turn of that again, or removes the marks it left.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from slack_sdk import WebClient

from bot.slack.threads import reply_payload
from bot.slack.types import AskedAgain, IncomingMessage, parse_message
from bot.turns.decision import BotIdentity, settled
from storage import ActiveSpan
from storage.coordination.accepted_messages import AcceptedMessage
from storage.coordination.unfinished_replies import TURN, UnfinishedReply

NOT_TOLD_AGAIN = ("channel_type", "user_team", "mention_added")
"""Fields that Slack tells with an event, and not with the message."""


def accepted_message(
    message: IncomingMessage, identity: BotIdentity, *, trace_id: str, position: str
) -> AcceptedMessage | None:
    """Return the row of a message; None if the bot will not answer the message."""
    decision = settled(message, identity, other_bots=frozenset())
    if decision is not None and not decision.answer:
        return None
    details: dict[str, Any] = {name: getattr(message, name) for name in NOT_TOLD_AGAIN}
    if message.asked_again is not None:
        details["asked_again"] = asdict(message.asked_again)
    return AcceptedMessage(
        trace_id=trace_id,
        team=message.team,
        channel=message.channel,
        thread_ts=message.root_ts,
        message_ts=message.ts,
        user=message.user,
        position=position,
        details=details,
    )


def current_message(
    client: WebClient, identity: BotIdentity, row: AcceptedMessage
) -> IncomingMessage | None:
    """Return a message as it is in Slack now; None if it was deleted, or answered in its trace."""
    message, below = read_message(client, row.channel, row.thread_ts, row.message_ts)
    payloads = (reply_payload(each, bot_id=identity.bot_id) for each in below)
    if message is None or any(each.get("trace_id") == row.trace_id for each in payloads):
        return None
    parsed = parse_message({"event": {**message, "channel": row.channel}}, team=row.team)
    details = dict(row.details)
    again = details.pop("asked_again", None)
    known = replace(parsed, **details)
    if again is None:
        return known
    # Who asks again need not be the author, and decides on whether it is asked, whatever wrote it.
    return replace(known, user=row.user, subtype=None, bot_id=None, asked_again=AskedAgain(**again))


def read_message(
    client: WebClient, channel: str, thread_ts: str, ts: str
) -> tuple[Mapping[str, Any] | None, list[Mapping[str, Any]]]:
    """Return a message as it is now, None if it was deleted, and what is below it."""
    found = client.conversations_replies(
        channel=channel, ts=thread_ts, oldest=ts, inclusive=True, include_all_metadata=True
    )["messages"]
    message = next((each for each in found if each["ts"] == ts), None)
    if message is not None and message.get("subtype") == "tombstone":
        message = None
    return message, [each for each in found if each["ts"] > ts]


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
