"""Post digests, and news of a replaced database, in the channels that subscribed.

Several processes may share a database, and each ticks every minute. A lease lets one of them post,
and a key in the message's metadata shows whether an earlier holder of the lease already did.
"""

import logging
from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from http.client import HTTPException
from typing import Protocol
from zoneinfo import ZoneInfoNotFoundError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.jobs.poster import Poster
from reports.digest.contents import Scope, digest, last_day
from reports.periods import DAY_NS, due, period_before
from reports.render.slack import fallback, render
from reports.views.digest import DigestView
from reports.views.messages import recovered
from reports.views.views import View
from storage.coordination.digest_subscriptions import Subscription, subscriptions
from storage.database.base import Database
from storage.queries.traces import TraceSummary
from storage.recovery.replacement import Recovery, recoveries

DIGEST_EVENT = "tracebot_digest"
"""The `event_type` in the metadata of a digest."""

FAILURES = (SlackClientError, HTTPException, OSError, ZoneInfoNotFoundError)
"""Slack's errors, and a time zone that another machine knew."""

SEARCHED_MESSAGES = 100
"""A digest that was posted just before a crash is among the channel's newest messages."""

logger = logging.getLogger("tracebot.digests")


def post_digest(client: WebClient, channel: str, view: View, key: str) -> None:
    client.chat_postMessage(
        channel=channel,
        blocks=render(view),
        text=fallback(view),
        metadata={"event_type": DIGEST_EVENT, "event_payload": {"key": key}},
        unfurl_links=False,
        unfurl_media=False,
    )


def was_posted(client: WebClient, bot_id: str, channel: str, key: str) -> bool:
    """Return whether one of the bot's newest messages in the channel has this key."""
    page = client.conversations_history(
        channel=channel, limit=SEARCHED_MESSAGES, include_all_metadata=True
    )
    return any(
        message.get("bot_id") == bot_id
        and (message.get("metadata") or {}).get("event_payload", {}).get("key") == key
        for message in page["messages"]
    )


class Sight(Protocol):
    """The traces that a digest may speak of: of `audiences`, and of one channel if that is set."""

    @property
    def audiences(self) -> Collection[str]: ...

    @property
    def channel(self) -> str | None: ...

    def may_see(self, trace: TraceSummary) -> bool: ...


class Digests:
    """Post what is due in the workspace `team`, whose URL is `workspace`, once for all processes.

    `post(channel, view, key)` posts a message, and `posted(channel, key)` tells if it is there.
    `sight_in(team, channel)` returns what everyone in that channel may see.
    """

    def __init__(
        self,
        database: Database,
        *,
        team: str,
        workspace: str,
        post: Callable[[str, View, str], None],
        posted: Callable[[str, str], bool],
        sight_in: Callable[[str, str], Sight],
    ) -> None:
        self._database = database
        self._team = team
        self._workspace = workspace
        self._poster = Poster(database, post=post, posted=posted)
        self._sight_in = sight_in

    def send_due(self, *, now: int) -> int:
        """Post every digest that is due and not posted yet. Return how many were posted."""
        return self._for_each(partial(self._send_digest, now=now))

    def send_recoveries(self, *, now: int) -> int:
        """Tell subscribed channels if a damaged database was replaced. Return how many messages.

        Channels that guests or people of other organisations can read are not told.
        """
        return sum(
            self._for_each(partial(self._tell_recovery, recovery, now=now))
            for recovery in recoveries(self._database)
            if recovery.finished and recovery.at > now - DAY_NS
        )

    def _for_each(self, send: Callable[[Subscription], bool]) -> int:
        """Call *send* for each subscription, and return how many messages it posted."""
        posted = 0
        for subscription in self._subscriptions():
            try:
                posted += send(subscription)
            except FAILURES as error:
                # A channel that is gone keeps no other one from its digest.
                why = error.response["error"] if isinstance(error, SlackApiError) else error
                logger.warning("Nothing is posted in %s yet: %s", subscription.channel, why)
        return posted

    def _send_digest(self, subscription: Subscription, *, now: int) -> bool:
        if (day := due(subscription, now=now)) is None:
            return False
        key = f"digest:{subscription.team}:{subscription.channel}:{day}"
        view = partial(self._digest, subscription, day, now)
        return self._poster.post_once(key, lambda: subscription.channel, view, now=now)

    def _tell_recovery(self, recovery: Recovery, subscription: Subscription, *, now: int) -> bool:
        key = f"recovery:{recovery.file}:{subscription.team}:{subscription.channel}"
        view = partial(self._recovered, recovery, subscription, now)
        return self._poster.post_once(key, lambda: subscription.channel, view, now=now)

    def last_24_hours(self, sight: Sight, *, now: int, time_zone: str = "UTC") -> DigestView:
        """Return the digest that somebody asks for."""
        return last_day(self._database, self._scope(sight), now=now, time_zone=time_zone)

    def _subscriptions(self) -> list[Subscription]:
        """Return those of this workspace: another one has a bot of its own, which posts them."""
        return [each for each in subscriptions(self._database) if each.team == self._team]

    def _digest(self, subscription: Subscription, day: date, now: int) -> View | None:
        """Return the digest of a day; None if nothing happened and nothing is to be said of it."""
        period = period_before(day, days=subscription.days, time_zone=subscription.time_zone)
        scope = self._scope(self._sight_in(subscription.team, subscription.channel))
        view = digest(self._database, scope, period, now=now, subscribed=subscription.channel)
        return view if view.has_news or subscription.quiet == "line" else None

    def _recovered(self, recovery: Recovery, subscription: Subscription, now: int) -> View | None:
        """Return what a channel is told; None if others read it, who know only of that channel."""
        sight = self._sight_in(subscription.team, subscription.channel)
        return recovered(recovery, now=now) if sight.channel is None else None

    def _scope(self, sight: Sight) -> Scope:
        return Scope(
            audiences=sight.audiences,
            channel=sight.channel,
            may_see=sight.may_see,
            workspace=self._workspace,
        )
