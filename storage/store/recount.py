"""Move figures between audiences in the rollups, and count a few traces anew from their spans.

The caller has begun a transaction.
"""

from collections.abc import Collection, Iterable
from typing import Any

from peewee import Database

from storage.database.models import RollupRow, SpanRow
from storage.model.span import own_audience, span_of
from storage.store.facts import merge_all
from storage.store.histogram import Histogram, reduced
from storage.store.rollups import (
    EVERYONE,
    KEY_FIELDS,
    SUMS,
    Addition,
    Key,
    add,
    additions,
    with_days,
)
from storage.store.usage import own_usage

Row = dict[str, Any]


def recount(
    database: Database, trace_ids: Collection[str], *, audiences: Collection[str]
) -> dict[Key, Addition]:
    """Return what the stored spans of these traces, with these audiences, added to the rollups."""
    query = SpanRow.select().where(SpanRow.trace_id.in_(list(trace_ids)))
    usage = own_usage([span_of(row) for row in query.dicts().execute(database)])
    ended = (span for span in usage.spans if span.status != "running")
    found = with_days(additions(span for span in ended if span.audience in audiences))
    return {key: added for key, added in found.items() if key[4] != EVERYONE}


def move_figures(
    database: Database, trace_ids: Collection[str], *, team: str, audience: str
) -> None:
    """Move what these traces added to the team's rows to `audience`, except those by channel."""
    merge_all(database)
    moved = {
        key: added
        for key, added in recount(database, trace_ids, audiences=[team]).items()
        if key[2] != "channel"  # These have moved already, see `move_channel`.
    }
    for key, added in moved.items():
        _subtract(database, key, added)
    add(database, {(*key[:4], audience, key[5]): added for key, added in moved.items()})


def move_channel(database: Database, *, team: str, channel: str) -> None:
    """Move a channel's rows of the statistics by channel to its own audience.

    They include what retention has removed, because they belong to no other channel.
    """
    merge_all(database)
    its_rows = (
        (RollupRow.dimension == "channel")
        & (RollupRow.key == channel)
        & (RollupRow.audience == team)
    )
    rows = list(RollupRow.select().where(its_rows).dicts().execute(database))
    RollupRow.delete().where(its_rows).execute(database)
    for row in rows:
        _merge(database, {**row, "audience": own_audience(team, channel)})


def _merge(database: Database, row: Row) -> None:
    """Insert a row, or add it to the one that is there."""
    there = _row(database, [row[name] for name in KEY_FIELDS])
    if there is None:
        RollupRow.insert(**row).execute(database)
        return
    sums = {name: there[name] + row[name] for name in SUMS}
    blobs = [blob for blob in (there["latency"], row["latency"]) if blob]
    latency = Histogram(blobs).to_bytes() if blobs else None
    _update(database, there, {**sums, "latency": latency})


def _subtract(database: Database, key: Key, added: Addition) -> None:
    """Take what was added out of a row. A row that nothing is left of goes, with its key."""
    there = _row(database, key[:5])
    if there is None:
        return
    sums = {name: max(there[name] - getattr(added, name), 0) for name in SUMS}
    if not any(sums.values()):
        RollupRow.delete().where(*_is(there)).execute(database)
        return
    latency = there["latency"] and reduced(bytes(there["latency"]), added.durations)
    _update(database, there, {**sums, "latency": latency})


def _row(database: Database, key: Iterable[Any]) -> Row | None:
    query = RollupRow.select().where(*_is(dict(zip(KEY_FIELDS, key, strict=True))))
    return next(iter(query.dicts().execute(database)), None)


def _update(database: Database, row: Row, values: Row) -> None:
    RollupRow.update(**values).where(*_is(row)).execute(database)


def _is(row: Row) -> list[Any]:
    return [getattr(RollupRow, name) == row[name] for name in KEY_FIELDS]
