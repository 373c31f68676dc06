"""Post a trace where its button was pressed: in that thread or channel, and once a day."""

import logging
import time
from collections.abc import Sequence
from urllib.error import URLError

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.slack.errors import SLACK_ERRORS, may_have_worked
from bot.trace_ui.requester import Requester
from reports.render.block_kit import Block, context
from reports.views.messages import MessageView
from storage.coordination.leases import acquire_lease, release_lease
from storage.coordination.process_identity import this_process
from storage.database.base import Database

SECOND_NS = 1_000_000_000
ONCE_NS = 24 * 3_600 * SECOND_NS
"""The same trace may be posted in the same place again after a day."""

UNCLEAR_NS = 600 * SECOND_NS
"""How long a post may be under way of which Slack did not tell whether it took effect."""

logger = logging.getLogger("tracebot.share")


def post_once(
    client: WebClient,
    database: Database,
    *,
    trace_id: str,
    blocks: Sequence[Block],
    requester: Requester,
) -> MessageView:
    """Post *blocks* in the requester's name and say so. Raises `SLACK_ERRORS` if it was refused.

    A lease makes a second click, or somebody else's, wait for a day. Another one lasts while it is
    posted, and for ten minutes if only Slack's answer was lost or this process ends meanwhile.
    """
    place = "thread" if requester.thread_ts else "channel"
    where = f"{requester.team}:{requester.channel}:{requester.thread_ts or ''}"
    key, owner, now = f"share:{where}:{trace_id}", this_process(), time.time_ns()
    posting = f"posting:{key}"
    if not acquire_lease(database, posting, owner=owner, now=now, lease_ns=UNCLEAR_NS):
        return MessageView(
            text=f"This trace may be posted in this {place} already: look there. "
            "If it is not, share it again in ten minutes.",
            found=True,
        )
    # For no time: whether another one lasts. It is acquired for a day once the trace is posted.
    if not acquire_lease(database, key, owner=owner, now=now, lease_ns=0):
        release_lease(database, posting, owner=owner)
        return MessageView(text=f"This trace was posted in this {place} already.", found=True)
    try:
        in_place = _post(client, blocks, requester)
    except SLACK_ERRORS as error:
        # A URLError comes before the call is sent: nobody was there to carry it out.
        if isinstance(error, URLError) or not may_have_worked(error):
            release_lease(database, posting, owner=owner)
            raise
        logger.warning("Slack did not tell whether %s was posted: %s", key, error)
        return MessageView(
            text=f"Slack did not tell whether the trace was posted: look in this {place}. "
            "If it is not there, share it again in ten minutes.",
            found=True,
        )
    try:
        if in_place:
            acquire_lease(database, key, owner=owner, now=now, lease_ns=ONCE_NS)
        release_lease(database, posting, owner=owner)
    except PeeweeException as error:
        logger.warning("Whether %s was posted is known for ten minutes only: %s", key, error)
    if not in_place:
        return MessageView(text="This thread was deleted, so the trace was not posted.")
    return MessageView(text=f"The trace was posted in this {place}.", found=True)


def _post(client: WebClient, blocks: Sequence[Block], requester: Requester) -> bool:
    """Post, and return False if the thread is gone: Slack would show the trace in the channel."""
    posted = client.chat_postMessage(
        channel=requester.channel,
        thread_ts=requester.thread_ts,
        blocks=[context(f"Shared by <@{requester.user}>"), *blocks],
        text=f"<@{requester.user}> shares a trace",
        unfurl_links=False,
        unfurl_media=False,
    )
    in_place = requester.thread_ts in (None, posted["message"].get("thread_ts"))
    if not in_place:
        client.chat_delete(channel=requester.channel, ts=posted["ts"])
    return in_place
