"""Ask another process to cancel a trace that it runs.

A request is a lease on the trace, held by whoever asked. The process that runs the trace reads the
requests regularly.
"""

from collections.abc import Collection

from storage.coordination.leases import insert_lease
from storage.database.base import Database
from storage.database.models import LeaseRow
from storage.database.transactions import transaction

PREFIX = "cancel:"
REQUEST_NS = 3_600 * 1_000_000_000
"""After this time, another user may repeat a request that had no effect."""


def request_cancel(database: Database, trace_id: str, *, by: str, now: int) -> None:
    """Ask the process that runs the trace to cancel it. The first of several requests counts."""
    with transaction(database, of=()):
        insert_lease(database, PREFIX + trace_id, owner=by, now=now, lease_ns=REQUEST_NS)
        database.announce()


def cancel_requests(database: Database, trace_ids: Collection[str]) -> dict[str, str]:
    """Return who asked to cancel each of these traces, by trace id."""
    keys = [PREFIX + trace_id for trace_id in trace_ids]
    query = LeaseRow.select(LeaseRow.key, LeaseRow.owner).where(LeaseRow.key.in_(keys)).tuples()
    return {key.removeprefix(PREFIX): by for key, by in query.execute(database)}
