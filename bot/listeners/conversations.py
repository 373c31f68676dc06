"""Changes of conversations and their members, which decide who sees their traces."""

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from slack_bolt import App

from bot.access import Access
from bot.turns.inbox import Inbox

EVENTS = (
    *("member_joined_channel", "member_left_channel", "channel_left", "group_left"),
    *("channel_archive", "channel_unarchive", "group_archive", "group_unarchive"),
    *("channel_deleted", "group_deleted", "channel_shared", "channel_unshared"),
)
"""The events of `manifest.yml` that change who is in a channel, or who can read it."""

CONVERTED = ["channel_convert_to_private", "channel_convert_to_public"]
"""The subtypes of messages that say that a channel was converted."""


def register(app: App, access: Access, inbox: Inbox, executor: Executor) -> None:
    """Follow events on *executor*. A message that says so is a message all the same."""

    def changed(body: Mapping[str, Any]) -> None:
        access.forget()
        executor.submit(access.follow, body["event"])

    def converted(body: Mapping[str, Any]) -> None:
        changed(body)
        inbox.accept(body)

    for event in EVENTS:
        app.event(event)(changed)
    # Before the listener of all messages: Bolt calls the first one that matches.
    app.event({"type": "message", "subtype": CONVERTED})(converted)
