"""What happens once, whoever gets to it."""

from concurrent.futures import ThreadPoolExecutor

from peewee import Database

from storage.coordination.digest_subscriptions import (
    Subscription,
    subscribe,
    subscriptions,
    unsubscribe,
)
from storage.coordination.leases import acquire_lease, complete_lease, release


def test_of_many_that_claim_at_once_one_gets_it(database: Database) -> None:
    def attempt(worker: int) -> bool:
        try:
            return acquire_lease(
                database, "event", owner=f"worker {worker}", now=1_000, lease_ns=50
            )
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_claim_is_free_again_when_its_lease_has_run_out(database: Database) -> None:
    assert acquire_lease(database, "digest", owner="a", now=0, lease_ns=100)
    assert not acquire_lease(database, "digest", owner="b", now=99, lease_ns=100)
    assert acquire_lease(database, "digest", owner="b", now=100, lease_ns=100)
    assert not acquire_lease(database, "digest", owner="a", now=101, lease_ns=100)


def test_what_is_done_is_never_claimed_again(database: Database) -> None:
    assert acquire_lease(database, "digest", owner="a", now=0, lease_ns=100)
    complete_lease(database, "digest", now=50)
    assert not acquire_lease(database, "digest", owner="b", now=10_000, lease_ns=100)


def test_a_released_claim_is_free_at_once(database: Database) -> None:
    assert acquire_lease(database, "digest", owner="a", now=0, lease_ns=100)
    release(database, "digest")
    assert acquire_lease(database, "digest", owner="b", now=1, lease_ns=100)


def test_a_channel_has_one_subscription_the_latest(database: Database) -> None:
    subscribe(database, Subscription("T1", "C1", "09:00", "UTC", "U1", 1))
    subscribe(database, Subscription("T1", "C1", "08:30", "Europe/Berlin", "U2", 2))
    assert subscriptions(database) == (Subscription("T1", "C1", "08:30", "Europe/Berlin", "U2", 2),)
    assert unsubscribe(database, team="T1", channel="C1")
    assert not unsubscribe(database, team="T1", channel="C1")
    assert subscriptions(database) == ()


def test_two_threads_of_one_process_cannot_both_claim(database: Database) -> None:
    first = acquire_lease(database, "digest", owner="host:1", now=5, lease_ns=10)
    second = acquire_lease(database, "digest", owner="host:1", now=5, lease_ns=10)
    assert (first, second) == (True, False)
