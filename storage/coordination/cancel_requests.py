"""Wishes to stop what another process runs: a claim of the trace, by whoever wishes it."""

from collections.abc import Collection

from peewee import Database

from storage.coordination.leases import acquire_lease
from storage.database.models import LeaseRow

PREFIX = "cancel:"
WISHED_FOR_NS = 3_600 * 1_000_000_000
"""A wish that nobody fulfilled by then may be made again."""


def request_cancel(database: Database, trace_id: str, *, by: str, now: int) -> None:
    """Ask the process that runs the trace to stop it; of several wishes the first counts."""
    acquire_lease(database, PREFIX + trace_id, owner=by, now=now, lease_ns=WISHED_FOR_NS)


def cancel_requests(database: Database, trace_ids: Collection[str]) -> dict[str, str]:
    """Which of these traces somebody wishes stopped, and who."""
    keys = [PREFIX + trace_id for trace_id in trace_ids]
    query = LeaseRow.select(LeaseRow.key, LeaseRow.owner).where(LeaseRow.key.in_(keys)).tuples()
    return {key.removeprefix(PREFIX): by for key, by in query.execute(database)}
