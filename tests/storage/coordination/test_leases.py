"""One process does a piece of work, however many try."""

from concurrent.futures import ThreadPoolExecutor

from storage.coordination.leases import (
    APART_NS,
    FOREVER_NS,
    acquire_lease,
    complete_lease,
    leased,
)
from storage.database.base import Database


def test_of_many_threads_that_try_at_once_one_acquires_the_lease(database: Database) -> None:
    def attempt(worker: int) -> bool:
        try:
            return acquire_lease(
                database, "event", owner=f"worker {worker}", now=1_000, lease_ns=50
            )
        finally:
            database.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_lease_that_expired_can_be_acquired_by_another(database: Database) -> None:
    assert acquire_lease(database, "digest", owner="a", now=0, lease_ns=100)
    assert not acquire_lease(database, "digest", owner="b", now=99, lease_ns=100)
    assert acquire_lease(database, "digest", owner="b", now=100, lease_ns=100)
    assert not acquire_lease(database, "digest", owner="a", now=101, lease_ns=100)


def test_a_lease_of_a_clock_that_was_far_ahead_can_be_acquired_by_another(
    any_database: Database,
) -> None:
    def acquire(owner: str, now: int, lease_ns: int = 100) -> bool:
        return acquire_lease(any_database, "digest", owner=owner, now=now, lease_ns=lease_ns)

    now = 2 * APART_NS
    assert acquire("ahead", now=now)
    assert not acquire("b", now=now - APART_NS), "clocks differ"
    assert acquire("b", now=now - APART_NS - 1, lease_ns=FOREVER_NS)
    assert not acquire("c", now=0), "one that lasts for ever does so by any clock"
    assert acquire_lease(any_database, "daily", owner="a", now=3 * APART_NS, lease_ns=now)
    assert not acquire_lease(any_database, "daily", owner="b", now=APART_NS, lease_ns=now)
    assert acquire_lease(any_database, "daily", owner="b", now=APART_NS - 1, lease_ns=now)


def test_a_completed_lease_is_never_acquired_again(database: Database) -> None:
    assert acquire_lease(database, "digest", owner="a", now=0, lease_ns=100)
    complete_lease(database, "digest", now=50)
    assert not acquire_lease(database, "digest", owner="b", now=10_000, lease_ns=100)


def test_two_threads_of_one_process_cannot_hold_the_same_lease(database: Database) -> None:
    first = acquire_lease(database, "digest", owner="host:1", now=5, lease_ns=10)
    second = acquire_lease(database, "digest", owner="host:1", now=5, lease_ns=10)
    assert (first, second) == (True, False)


def test_a_lease_that_a_locked_database_did_not_take_back_is_free_for_its_holders_next_try(
    database: Database,
) -> None:
    hurried = database.another(busy_timeout_ms=1)
    with leased(hurried, "reply", owner="host:1", now=0, lease_ns=300) as first:
        assert first
        database.begin()
    database.rollback()
    with leased(hurried, "reply", owner="host:1", now=60, lease_ns=300) as second:
        assert second
    assert acquire_lease(database, "reply", owner="host:2", now=61, lease_ns=300)
    hurried.close()
