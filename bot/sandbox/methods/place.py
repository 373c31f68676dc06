"""The place of an app's message: its channel, and its thread if that exists."""

import re

from bot.sandbox.backend.slack import Slack
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import RESTRICTIONS, Channel


def thread_of(slack: Slack, channel: Channel, arguments: Arguments) -> str | None:
    """Return the `ts` of the thread that the message goes to, None for the channel itself.

    Slack does not refuse a `thread_ts` that nothing has: it posts the message in the channel.
    """
    ts = arguments.text("thread_ts")
    if not ts:
        return None
    if re.fullmatch(r"\d+\.\d{6}", ts) is None:
        raise Refusal("invalid_thread_ts")
    root = slack.workspace.find(channel.id, ts)
    return ts if root is not None and root.thread_ts is None else None


def writable(channel: Channel, *, in_thread: bool) -> Channel:
    """Return the channel. Raises `Refusal` if nobody, or not this app, may post there."""
    if channel.is_archived:
        raise Refusal("is_archived")
    if channel.restriction is not None and in_thread in RESTRICTIONS[channel.restriction]:
        raise Refusal(channel.restriction)
    return channel
