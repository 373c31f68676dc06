"""What is to happen once, whichever process gets to it: an event handled, a digest sent.

A claim is a lease. Whoever holds it does the work and completes it; when the holder dies, another
may take it over once the lease has run out, and finds out first how far the work had come.
"""

from peewee import EXCLUDED, SQL, Database

from storage.database.models import LeaseRow
from storage.database.transactions import transaction

FOREVER_NS = 2**62


def acquire_lease(database: Database, key: str, *, owner: str, now: int, lease_ns: int) -> bool:
    """Whether `owner` may do the work. False while another holds it, and once it is done."""
    expires_at = min(now + lease_ns, FOREVER_NS)
    insert = LeaseRow.insert(
        key=key, owner=owner, claimed_at=now, expires_at=expires_at
    ).on_conflict(
        conflict_target=[LeaseRow.key],
        update={
            "owner": EXCLUDED.owner,
            "claimed_at": EXCLUDED.claimed_at,
            "expires_at": EXCLUDED.expires_at,
        },
        where=SQL('"claims"."done_at" IS NULL AND "claims"."expires_at" <= EXCLUDED."claimed_at"'),
    )
    with transaction(database):
        return bool(insert.as_rowcount().execute(database))


def complete_lease(database: Database, key: str, *, now: int) -> None:
    """The work is done, for good."""
    with transaction(database):
        LeaseRow.update(done_at=now).where(LeaseRow.key == key).execute(database)


def release(database: Database, key: str) -> None:
    """The work was not done; anyone may claim it."""
    with transaction(database):
        LeaseRow.delete().where(LeaseRow.key == key).execute(database)
