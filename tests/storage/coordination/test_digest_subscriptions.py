"""A channel subscribes to a daily digest."""

from peewee import Database

from storage.coordination.digest_subscriptions import (
    Subscription,
    subscribe,
    subscriptions,
    unsubscribe,
)


def test_a_channel_has_one_subscription_and_the_latest_counts(database: Database) -> None:
    subscribe(database, Subscription("T1", "C1", "09:00", "UTC", "U1", 1))
    subscribe(database, Subscription("T1", "C1", "08:30", "Europe/Berlin", "U2", 2))
    assert subscriptions(database) == (Subscription("T1", "C1", "08:30", "Europe/Berlin", "U2", 2),)
    assert unsubscribe(database, team="T1", channel="C1")
    assert not unsubscribe(database, team="T1", channel="C1")
    assert subscriptions(database) == ()
