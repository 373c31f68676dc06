"""Set when a channel gets its digest: by a command, or by the buttons below a digest."""

import time

from bot.access import Access, Sight
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS
from bot.trace_ui.requester import Requester
from reports.digest.order import Order, check_time_zone
from reports.errors import UsageError
from reports.views.messages import MessageView, digest_set
from storage.coordination.digest_subscriptions import (
    Subscription,
    subscribe,
    subscriptions,
    unsubscribe,
)
from storage.database.base import Database

MORNING = "09:00"


class DigestSettings:
    """Change the subscription of the channel where somebody asks, if they may.

    All methods raise `UsageError`, `SLACK_ERRORS` and `PeeweeException`.
    """

    def __init__(self, access: Access, directory: Directory, database: Database) -> None:
        self._access = access
        self._directory = directory
        self._database = database

    def check(self, requester: Requester) -> None:
        """Refuse people who are not in the channel. A button may be older than their leaving."""
        sight = self._access.sight(requester.team, requester.user)
        if not sight.audiences:
            raise UsageError(sight.note)
        if not self._may_change(requester, sight):
            raise UsageError("Only those who are in a conversation can change its digest.")

    def _may_change(self, requester: Requester, sight: Sight) -> bool:
        channel = requester.channel
        return bool(channel) and self._access.is_reader(channel, sight)

    def joined(self, requester: Requester) -> list[Subscription]:
        """Return the digests of the conversations that somebody is in, if they may change them.

        Everyone may change the digest of a public channel, but not everyone cares about it.
        """
        stored = [each for each in subscriptions(self._database) if each.team == requester.team]
        sight = self._access.sight(requester.team, requester.user)
        if not (stored and sight.audiences):
            return []
        try:
            joined = self._directory.conversations(requester.user)
        except SLACK_ERRORS:
            joined = frozenset()
        # Slack does not list a direct message with the bot, where nobody else can subscribe.
        own = [
            each
            for each in stored
            if each.channel in joined
            or (each.channel.startswith("D") and each.created_by == requester.user)
        ]
        return [each for each in own if sight.may_see_in(each.channel)]

    def current(self, requester: Requester) -> Subscription:
        """Return the channel's subscription, or one to begin with."""
        for each in subscriptions(self._database):
            if (each.team, each.channel) == (requester.team, requester.channel):
                return each
        zone = self.time_zone(requester.user)
        return Subscription(requester.team, requester.channel, MORNING, zone, requester.user)

    def change(self, order: Order, requester: Requester) -> MessageView:
        """Subscribe the channel, or end its subscription."""
        if order.what == "off":
            return self._end(requester)
        # Slack shows public channels to everyone, but lets only members post in them.
        if not self._directory.channel(requester.channel).get("is_member", True):
            raise UsageError(
                "I am not a member of this channel, so I cannot post a digest here. Invite me with "
                "/invite, then ask again in a minute."
            )
        subscription = Subscription(
            team=requester.team,
            channel=requester.channel,
            local_time=order.local_time,
            time_zone=order.time_zone or self.time_zone(requester.user),
            created_by=requester.user,
            created_at=time.time_ns(),
            days=order.days,
            quiet=order.quiet,
        )
        subscribe(self._database, subscription)
        return digest_set(subscription)

    def _end(self, requester: Requester) -> MessageView:
        ended = unsubscribe(self._database, team=requester.team, channel=requester.channel)
        text = (
            "The digest is off. /trace digest here at 09:00 starts it again."
            if ended
            else "This channel has no digest."
        )
        return MessageView(text=text, found=True)

    def time_zone(self, user: str) -> str:
        """Return the time zone of a person's profile; UTC without one that this machine knows."""
        try:
            return check_time_zone(str(self._directory.user(user).get("tz") or "UTC"))
        except (UsageError, *SLACK_ERRORS):
            return "UTC"
