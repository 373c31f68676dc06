"""Leases: let one of several processes do a piece of work, such as sending a digest.

The process that acquires the lease on a key does the work and completes the lease, after which the
key can never be acquired again. If that process dies, another one can acquire the lease once it has
expired. It has to find out by itself how much of the work was done.

A lease that expires does not stop its holder, so a lease must last longer than the work can take.

The clock may have been far ahead when a lease was acquired. One that was acquired further in the
future than it lasts, and than the clocks of machines may differ, counts as expired.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from peewee import EXCLUDED, SQL, PeeweeException

from storage.coordination.heartbeats import dead_processes
from storage.database.base import Database
from storage.database.models import LeaseRow
from storage.database.transactions import transaction

FOREVER_NS = 2**62

APART_NS = 600 * 1_000_000_000
"""How much the clocks of the machines may differ."""

logger = logging.getLogger("tracebot.storage")

_unreleased: set[tuple[str, str]] = set()
"""The leases (key, owner) of this process that the database did not let it give up."""


@contextmanager
def leased(database: Database, key: str, *, owner: str, now: int, lease_ns: int) -> Iterator[bool]:
    """Hold the lease on `key` for the block, and yield True; or False if another one lasts.

    If the database is locked at the end of the block, the lease is given up before `owner` tries
    again: otherwise it would keep out everybody, its holder included, until it expires.
    """
    if (key, owner) in _unreleased:
        release_lease(database, key, owner=owner)
        _unreleased.discard((key, owner))
    acquired = acquire_lease(database, key, owner=owner, now=now, lease_ns=lease_ns)
    try:
        yield acquired
    finally:
        if acquired:
            try:
                release_lease(database, key, owner=owner)
            except PeeweeException as error:
                _unreleased.add((key, owner))
                logger.warning("The lease on %s is given up later: %s", key, error)


def acquire_lease(database: Database, key: str, *, owner: str, now: int, lease_ns: int) -> bool:
    """Try to acquire the lease on `key` for `lease_ns`; return True if `owner` may do the work.

    Return False while another lease on the key lasts, and for ever once one is completed.
    """
    with transaction(database, of=()):  # One statement decides, whoever else writes.
        return insert_lease(database, key, owner=owner, now=now, lease_ns=lease_ns)


def insert_lease(database: Database, key: str, *, owner: str, now: int, lease_ns: int) -> bool:
    """Do the same within the caller's transaction."""
    expires_at = min(now + lease_ns, FOREVER_NS)
    # One statement decides, so that of two processes at once one gets True: the row is inserted, or
    # replaced if it has expired. Otherwise no row changes, and the count of rows is 0.
    insert = LeaseRow.insert(
        key=key, owner=owner, claimed_at=now, expires_at=expires_at
    ).on_conflict(
        conflict_target=[LeaseRow.key],
        update={
            "owner": EXCLUDED.owner,
            "claimed_at": EXCLUDED.claimed_at,
            "expires_at": EXCLUDED.expires_at,
        },
        where=SQL(
            '"claims"."done_at" IS NULL AND ("claims"."expires_at" <= EXCLUDED."claimed_at" OR '
            f'"claims"."claimed_at" - EXCLUDED."claimed_at" > {APART_NS} AND '
            '"claims"."claimed_at" - EXCLUDED."claimed_at" > '
            '"claims"."expires_at" - "claims"."claimed_at")'
        ),
    )
    return bool(insert.as_rowcount().execute(database))


def complete_lease(database: Database, key: str, *, now: int) -> None:
    """Record that the work is done, so that nobody does it again."""
    with transaction(database, of=()):
        LeaseRow.update(done_at=now).where(LeaseRow.key == key).execute(database)


def release_lease(database: Database, key: str, *, owner: str) -> None:
    """Give up a lease whose work was not done, so that anybody may acquire it at once."""
    mine = (LeaseRow.key == key, LeaseRow.owner == owner, LeaseRow.done_at.is_null())
    with transaction(database, of=()):
        LeaseRow.delete().where(*mine).execute(database)


def release_lease_of_dead(database: Database, key: str) -> None:
    """Give up the lease on `key` for its owner if that is a process that has ended.

    The owner must be named as `process_identity` names processes.
    """
    owners = LeaseRow.select(LeaseRow.owner).where(LeaseRow.key == key).tuples()
    for owner in dead_processes(database, [owner for (owner,) in owners.execute(database)]):
        release_lease(database, key, owner=owner)
