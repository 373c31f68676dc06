"""Post a trace where its button was pressed: in that thread or channel, and once a day."""

import logging
import time
from collections.abc import Sequence

from slack_sdk import WebClient

from bot.slack.errors import SLACK_ERRORS, may_have_worked
from bot.trace_ui.requester import Requester
from reports.render.block_kit import Block, context
from reports.views.messages import MessageView
from storage.coordination.leases import acquire_lease, release_lease
from storage.coordination.process_identity import this_process
from storage.database.base import Database

ONCE_NS = 24 * 3_600 * 1_000_000_000
"""The same trace may be posted in the same place again after a day."""

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

    A lease makes a second click, or somebody else's, wait for a day, also if only Slack's answer
    was lost.
    """
    place = "thread" if requester.thread_ts else "channel"
    where = f"{requester.team}:{requester.channel}:{requester.thread_ts or ''}"
    key, owner = f"share:{where}:{trace_id}", this_process()
    if not acquire_lease(database, key, owner=owner, now=time.time_ns(), lease_ns=ONCE_NS):
        return MessageView(text=f"This trace was posted in this {place} already.", found=True)
    try:
        in_place = _post(client, blocks, requester)
    except SLACK_ERRORS as error:
        if not may_have_worked(error):
            release_lease(database, key, owner=owner)
            raise
        logger.warning("Slack did not tell whether %s was posted: %s", key, error)
        return MessageView(
            text=f"Slack did not tell whether the trace was posted: look in this {place}.",
            found=True,
        )
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
