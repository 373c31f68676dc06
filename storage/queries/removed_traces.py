"""Find the ids of traces that retention removed."""

from collections.abc import Collection
from dataclasses import dataclass

from storage.database.base import Database
from storage.database.models import RemovedTraceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedTrace:
    """A removed trace: its id, when it was removed, and who could see it."""

    trace_id: str
    removed_at: int
    audience: str | None
    team: str | None
    channel: str | None


def removed_traces(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[RemovedTrace, ...]:
    """Return removed traces by id prefix; see `storage.queries.traces` for `audiences`."""
    low = prefix.lower()
    query = RemovedTraceRow.select().where(
        RemovedTraceRow.trace_id >= low, RemovedTraceRow.trace_id < f"{low}g"
    )
    if audiences is not None:
        query = query.where(RemovedTraceRow.audience.in_(list(audiences)))
    rows = query.order_by(RemovedTraceRow.trace_id).limit(limit).dicts().execute(database)
    return tuple(RemovedTrace(**row) for row in rows)
