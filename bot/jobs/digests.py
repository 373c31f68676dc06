"""A digest in Slack: posted with its key, by which it is found again."""

from collections.abc import Callable, Collection
from datetime import date, timedelta

from slack_sdk import WebClient

from reports.digest import DAY_NS, SECOND_NS, digest, due, last_day, yesterday
from reports.render.slack import fallback, render
from reports.views.digest import DigestView
from reports.views.messages import recovered
from reports.views.views import View
from storage.coordination.digest_subscriptions import Subscription, subscriptions
from storage.coordination.leases import acquire_lease, complete_lease
from storage.coordination.process_identity import this_process
from storage.database.shared_file import SharedDatabase
from storage.recovery.replacement import Recovery, recoveries

DIGEST_EVENT = "tracebot_digest"
LOOKED_BACK = 100
"""Messages; a digest that was posted just before a crash is among the newest."""

LEASE_NS = 600 * SECOND_NS
"""After this another process may finish what one that died began."""


def post_digest(client: WebClient, channel: str, view: View, key: str) -> None:
    client.chat_postMessage(
        channel=channel,
        blocks=render(view),
        text=fallback(view),
        metadata={"event_type": DIGEST_EVENT, "event_payload": {"key": key}},
        unfurl_links=False,
        unfurl_media=False,
    )


def was_posted(client: WebClient, channel: str, key: str) -> bool:
    """Whether the channel's newest messages hold the digest with this key."""
    page = client.conversations_history(
        channel=channel, limit=LOOKED_BACK, include_all_metadata=True
    )
    return any(
        (message.get("metadata") or {}).get("event_payload", {}).get("key") == key
        for message in page["messages"]
    )


class Digests:
    """Posts what is due. `post` shows a view in a channel, with a key that `posted` finds."""

    def __init__(
        self,
        database: SharedDatabase,
        *,
        post: Callable[[str, View, str], None],
        posted: Callable[[str, str], bool],
        audiences: Callable[[str, str], Collection[str]],
    ) -> None:
        self._database = database
        self._post = post
        self._posted = posted
        self._audiences = audiences

    def send_due(self, *, now: int) -> int:
        """Post each digest that is due and that nobody posted yet; how many."""
        return sum(
            self._send(subscription, day, now=now)
            for subscription in subscriptions(self._database)
            if (day := due(subscription, now=now)) is not None
        )

    def tell_of_recoveries(self, *, now: int) -> int:
        """Tell each channel with a digest, once, of a database that was damaged; how many."""
        found = [each for each in recoveries(self._database) if each.finished]
        return sum(
            self._tell(subscription, recovery, now=now)
            for recovery in found
            if recovery.at > now - DAY_NS
            for subscription in subscriptions(self._database)
        )

    def _tell(self, subscription: Subscription, recovery: Recovery, *, now: int) -> bool:
        key = f"recovery:{recovery.file}:{subscription.team}:{subscription.channel}"
        if not acquire_lease(self._database, key, owner=this_process(), now=now, lease_ns=LEASE_NS):
            return False
        fresh = not self._posted(subscription.channel, key)
        if fresh:
            self._post(subscription.channel, recovered(recovery, now=now), key)
        complete_lease(self._database, key, now=now)
        return fresh

    def _send(self, subscription: Subscription, day: date, *, now: int) -> bool:
        key = f"digest:{subscription.team}:{subscription.channel}:{day}"
        if not acquire_lease(self._database, key, owner=this_process(), now=now, lease_ns=LEASE_NS):
            return False
        # Whoever held the claim before may have died between posting and saying so.
        fresh = not self._posted(subscription.channel, key)
        if fresh:
            since, until = yesterday(day, subscription.time_zone)
            view = digest(
                self._database,
                audiences=self._audiences(subscription.team, subscription.channel),
                since=since,
                until=until,
                title=f"What the agents did on {day - timedelta(days=1):%A, %d %B}",
                now=now,
            )
            self._post(subscription.channel, view, key)
        complete_lease(self._database, key, now=now)
        return fresh

    def now(self, team: str, channel: str, *, now: int) -> DigestView:
        """The last 24 hours, for whoever asks in `channel`."""
        return last_day(self._database, audiences=self._audiences(team, channel), now=now)
