"""What is left of a trace that retention removed."""

from collections.abc import Collection
from dataclasses import dataclass

from peewee import Database

from storage.database.models import TombstoneRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A removed trace, as far as it takes to say so to those who might have seen it."""

    trace_id: str
    removed_at: int
    audience: str | None
    team: str | None
    channel: str | None

    @property
    def user(self) -> str | None:
        """Whose direct message it was, where the audience is one user."""
        return self.audience


def tombstones(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[Tombstone, ...]:
    """Return removed traces by id prefix; see `storage.queries.traces` for `audiences`."""
    low = prefix.lower()
    query = TombstoneRow.select().where(
        TombstoneRow.trace_id >= low, TombstoneRow.trace_id < f"{low}g"
    )
    if audiences is not None:
        query = query.where(TombstoneRow.audience.in_(list(audiences)))
    rows = query.order_by(TombstoneRow.trace_id).limit(limit).dicts().execute(database)
    return tuple(Tombstone(**row) for row in rows)
