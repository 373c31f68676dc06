"""Read the newest turns, and how long agents took for their first output, for alerts.

Rollups count whole hours, and do not know the first output of an agent, a channel or a person. So
both are read turn by turn, and added up in the form of rollups.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from storage.database.base import Database
from storage.database.models import SpanRow, TraceRow
from storage.model.filters import names_in
from storage.model.semconv import FIRST_CHUNK
from storage.model.span import FAILED_STATUSES
from storage.queries.rollup_sums import Row
from storage.queries.statistics import ALL, Group, group_of
from storage.queries.traces import LONGEST_TURN_NS, NOT_SKIPPED
from storage.queries.watched_figures import Keys
from storage.store.grains import SECOND_NS
from storage.store.histogram import extended
from storage.store.rollups import SUMS

MOST_TURNS = 20_000
MOST_OUTPUTS = 10_000
"""How many are read, newest first. Reading the attributes of 10,000 attempts takes 0.1 s."""

OWNERS = ("agent", "channel", "user")
ONCE = (1, *[0] * (len(SUMS) - 1))


@dataclass(frozen=True, slots=True)
class Recent:
    """A turn, or an agent's first output, with what it adds to `SUMS` and how long it took."""

    audience: str
    agent: str | None
    channel: str | None
    user: str | None
    sums: tuple[int, ...]
    duration_ns: float | None


def recent_turns(
    database: Database, *, since: int, until: int, audiences: Collection[str]
) -> list[Recent]:
    """Return the turns that ended in a period, the newest of them if they are very many."""
    query = (
        TraceRow.select(*(getattr(TraceRow, name) for name in TURN))
        .where(
            TraceRow.started_at >= since - LONGEST_TURN_NS,
            TraceRow.ended_at >= since,
            TraceRow.ended_at < until,
            TraceRow.audience.in_(list(audiences)),
            NOT_SKIPPED,
        )
        .order_by(TraceRow.started_at.desc())
        .limit(MOST_TURNS)
    )
    return [_turn(*row) for row in query.tuples().execute(database)]


TURN = (
    *("audience", *OWNERS, "duration_ns", "status", "input_tokens", "output_tokens"),
    *("cached_tokens", "cost", "thumbs_up", "thumbs_down"),
)


def _turn(*row: Any) -> Recent:
    audience, agent, channel, user, duration_ns, status, taken, given, cached, cost, *thumbs = row
    failed, priced = status in FAILED_STATUSES, cost is not None
    sums = (1, failed, taken or 0, given or 0, cached or 0, cost or 0, priced, *thumbs)
    return Recent(audience, agent, channel, user, sums, duration_ns)


def first_outputs(
    database: Database, *, since: int, until: int, audiences: Collection[str]
) -> list[Recent]:
    """Return the first outputs of agents in turns that began in a period, or the newest of them."""
    query = (
        TraceRow.select(
            *(getattr(SpanRow, name) for name in ("audience", *OWNERS)), SpanRow.attributes
        )
        .join(SpanRow, on=SpanRow.trace_id == TraceRow.trace_id)
        .where(
            TraceRow.started_at >= since,
            TraceRow.started_at < until,
            TraceRow.audience.in_(list(audiences)),
            NOT_SKIPPED,
            SpanRow.configured_provider.is_null(False),
            SpanRow.attributes.contains(FIRST_CHUNK),
        )
        .order_by(TraceRow.started_at.desc())
        .limit(MOST_OUTPUTS)
    )
    found = []
    for audience, agent, channel, user, attributes in query.tuples().execute(database):
        seconds = orjson.loads(attributes).get(FIRST_CHUNK)
        if isinstance(seconds, int | float):
            found.append(Recent(audience, agent, channel, user, ONCE, seconds * SECOND_NS))
    return found


def by_owner(found: Iterable[Recent]) -> Keys:
    """Add them up by dimension, key and audience, as rollups do."""
    owned: dict[tuple[str, str, str], list[Recent]] = {}
    for each in found:
        owned.setdefault((ALL, "", each.audience), []).append(each)
        for dimension in OWNERS:
            for key in names_in(dimension, getattr(each, dimension)):
                owned.setdefault((dimension, key, each.audience), []).append(each)
    return {whose: [_row(whose, some)] for whose, some in owned.items()}


def in_channel(
    found: Iterable[Recent], channel: str, by: str, audiences: Collection[str]
) -> Mapping[str, Group]:
    """Add up those of one channel and of these audiences, by agent or user."""
    here = [each for each in found if each.channel == channel and each.audience in audiences]
    owned: dict[str, list[Recent]] = {}
    for each in here:
        for key in names_in(by, getattr(each, by)) or ("",):
            owned.setdefault(key, []).append(each)
    return {key: group_of(key, [_row((by, key), some)]) for key, some in owned.items()}


def _row(whose: tuple[str, ...], some: Iterable[Recent]) -> Row:
    items = list(some)
    durations = [each.duration_ns for each in items if each.duration_ns is not None]
    latency = [extended(None, durations)] if durations else []
    return (*whose[:2], *map(sum, zip(*(each.sums for each in items), strict=True)), latency)
