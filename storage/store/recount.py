"""Move figures between audiences in the rollups, and count a few traces anew from their spans.

The caller has begun a transaction.
"""

from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any

from storage.database.base import Database
from storage.database.models import RollupRow, SpanRow
from storage.model.retention import OTHERS
from storage.model.span import own_audience, span_of
from storage.store.facts import merge_all
from storage.store.folding import days_of, fold_days
from storage.store.grains import grains_of
from storage.store.histogram import reduced
from storage.store.issues import counted as counted_issues
from storage.store.rollups import (
    EVERYONE,
    INSERT_FIELDS,
    KEY_FIELDS,
    SUMS,
    Addition,
    Key,
    add,
    additions,
    merge,
    with_days,
)
from storage.store.thumbs import counted
from storage.store.usage import own_usage

Row = dict[str, Any]


def recount(
    database: Database, trace_ids: Collection[str], *, audiences: Collection[str]
) -> dict[Key, Addition]:
    """Return what the stored spans of these traces, with these audiences, add, by hour.

    Their thumbs and issues are included.
    """
    query = SpanRow.select().where(SpanRow.trace_id.in_(list(trace_ids)))
    usage = own_usage([span_of(row) for row in query.dicts().execute(database)])
    ended = (span for span in usage.spans if span.status != "running")
    hours = additions((span for span in ended if span.audience in audiences), agents=usage.agents)
    thumbs, issues = counted(database, trace_ids), counted_issues(database, trace_ids)
    for key, added in chain(thumbs.items(), issues.items()):
        if key[4] in audiences:
            hours.setdefault(key, Addition()).add(added)
    return hours


def move_figures(
    database: Database, trace_ids: Collection[str], *, team: str, audience: str
) -> None:
    """Move what these traces added to the team's rows to `audience`, except those by channel."""
    merge_all(database)
    found = with_days(recount(database, trace_ids, audiences=[team]), grains_of(database))
    moved = {
        key: added
        for key, added in found.items()
        # Those by channel have moved already, see `move_channel`.
        if key[2] != "channel" and key[4] != EVERYONE
    }
    # A month may not have all of its days yet, from which it would be missing.
    fold_days(database, [day for key in moved if key[0] == "month" for day in days_of(key)])
    for key, added in moved.items():
        _subtract(database, key, added)
    add(database, {(*key[:4], audience): added for key, added in moved.items()})


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
    columns = [getattr(RollupRow, name) for name in INSERT_FIELDS]
    rows = list(RollupRow.select(*columns).where(its_rows).tuples().execute(database))
    RollupRow.delete().where(its_rows).execute(database)
    own = own_audience(team, channel)
    merge(database, [(*row[:4], own, *row[5:]) for row in rows])


def _subtract(database: Database, key: Key, added: Addition) -> None:
    """Take what was added out of a row, or of the one of its month that it is folded into."""
    there = _row(database, key)
    if there is None and key[0] == "month":
        there = _row(database, (*key[:3], OTHERS, key[4]))
    if there is None:
        return
    # A row that nothing is left of goes, with its key.
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
