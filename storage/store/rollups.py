"""Add spans to the rollups: the counts, sums and latencies per hour, day and month.

A trace counts once, through its root. An agent call counts for its provider and model, a decision
for its reason. Tokens and cost count for every dimension that the span which spent them has. What
else is observed on a span counts as a figure (`storage.store.figures`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

from peewee import EXCLUDED, fn

from storage.database.base import Database
from storage.database.models import RollupRow
from storage.database.statements import LookUp, Statement, compiled
from storage.model.figures import DAILY
from storage.model.span import Span, reports_usage, team_of
from storage.store.figures import may_tell, observations
from storage.store.grains import HOUR_NS, Grains
from storage.store.histogram import Histogram, extended
from storage.store.sums import bounded, bounded_sum

EVERYONE = "*"
"""The audience of a row for all audiences, of a day or a month.

Those who can see everything read only that.
"""

CONTEXT = ("platform", "channel", "user", "agent")
CALL = ("provider", "model")
ISSUE = "issue"
"""The dimension whose keys are fingerprints, see `storage.store.issues`."""

Key = tuple[str, int, str, str, str]
"""Level, starts_at, dimension, key and audience, which identify a row: `KEY_FIELDS`."""


@dataclass(slots=True)
class Addition:
    """The numbers that are added to one row. The first are `SUMS`."""

    traces: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: int = 0
    priced: int = 0
    thumbs_up: int = 0
    thumbs_down: int = 0
    durations: list[float] = field(default_factory=list)

    def count(self, value: float | None, marked: bool) -> None:
        """Count a trace with its duration and whether it failed, or an observation of a figure."""
        self.traces += 1
        self.errors += marked
        if value is not None:
            self.durations.append(value)

    def spend(self, spent: tuple[int, int, int, int, int]) -> None:
        """Add what `_spent` returns, which is the same for all rows that a span changes."""
        self.input_tokens += spent[0]
        self.output_tokens += spent[1]
        self.cached_tokens += spent[2]
        self.cost += spent[3]
        self.priced += spent[4]

    def add(self, other: "Addition") -> None:
        self.traces += other.traces
        self.errors += other.errors
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cached_tokens += other.cached_tokens
        self.cost += other.cost
        self.priced += other.priced
        self.thumbs_up += other.thumbs_up
        self.thumbs_down += other.thumbs_down
        self.durations += other.durations


NO_AGENTS: Mapping[int, str] = {}


def additions(
    spans: Iterable[Span],
    corrected: Iterable[tuple[Span, Span]] = (),
    *,
    agents: Mapping[int, str] = NO_AGENTS,
    by_entry: Collection[str] = (),
) -> dict[Key, Addition]:
    """Return what ended spans add, by hour.

    Figures are those that count (`storage.store.counting`). `corrected` are stored spans as they
    have counted, and as they count from now. `agents` are those to which spans without an agent of
    their own count what they spend, by `id` of the span. In the traces `by_entry` an entry has
    counted for the root, and a root that was received does not count as well.
    """
    hours: defaultdict[Key, Addition] = defaultdict(Addition)
    _correct(hours, corrected)
    for span in spans:
        # Also if nothing of it is its own: a correction changes no number of calls.
        spends = reports_usage(span)
        counts = (
            span.parent_id is None
            and span.decision != "skip"
            and not (span.received and span.trace_id in by_entry)
        )
        if not (counts or spends or span.reason or span.configured_provider or may_tell(span)):
            continue  # As most spans: a step within a turn.
        hour = span.started_at - span.started_at % HOUR_NS
        audience = span.audience or ""
        for dimension, key, value, marked in observations(span):
            hours["hour", hour, dimension, key, audience].count(value, marked)
        failed, sums = span.failed, _spent(span)
        for dimension, key, counted, spent in _contributions(span, counts=counts, spends=spends):
            addition = hours["hour", hour, dimension, key, audience]
            if counted:
                addition.count(span.duration_ns, failed)
            if spent:
                addition.spend(sums)
        if agents and (agent := agents.get(id(span))) is not None:
            hours["hour", hour, "agent", agent, audience].spend(sums)
    return hours


def _correct(hours: defaultdict[Key, Addition], corrected: Iterable[tuple[Span, Span]]) -> None:
    signed = chain.from_iterable(((before, -1), (after, 1)) for before, after in corrected)
    for span, sign in signed:
        hour = span.started_at - span.started_at % HOUR_NS
        audience = span.audience or ""
        sums = _spent(span, sign)
        for dimension, key, _, spent in _contributions(span, counts=False, spends=True):
            if spent:
                hours["hour", hour, dimension, key, audience].spend(sums)


def _spent(span: Span, sign: int = 1) -> tuple[int, int, int, int, int]:
    return (
        sign * (span.input_tokens or 0),
        sign * (span.output_tokens or 0),
        sign * (span.cached_tokens or 0),
        sign * (span.cost or 0),
        0 if span.cost is None else sign,
    )


def with_days(hours: Mapping[Key, Addition], grains: Grains) -> dict[Key, Addition]:
    """Return what hours add to the rollups: to the hour if it is kept, and to its day or month."""
    rows: defaultdict[Key, Addition] = defaultdict(Addition)
    for hour, addition in hours.items():
        _, starts_at, dimension, key, audience = hour
        if starts_at >= grains.hours_since and dimension not in DAILY:
            rows[hour] = addition
        level, start = grains.lasting(starts_at)
        rows[level, start, dimension, key, audience].add(addition)
        rows[level, start, dimension, key, EVERYONE].add(addition)
    return rows


def _contributions(
    span: Span, *, counts: bool, spends: bool
) -> Iterator[tuple[str, str, bool, bool]]:
    """Yield the dimension and the key of each row that a span changes.

    And if the span counts there, and if what it spends does.
    """
    if span.reason is not None:
        yield "decision", span.reason, True, False
    if counts or spends:
        yield "all", "", counts, spends
        for dimension in CONTEXT:
            if (key := getattr(span, dimension)) is not None:
                yield dimension, key, counts, spends
    if spends or span.configured_provider is not None:
        for dimension in CALL:
            if (key := getattr(span, dimension)) is not None:
                # What an agent of ours reports of its own calls is part of our call of it.
                yield dimension, key, span.within is None, spends


KEY_FIELDS = ("level", "starts_at", "dimension", "key", "audience")
SUMS = (
    *("traces", "errors", "input_tokens", "output_tokens", "cached_tokens", "cost", "priced"),
    *("thumbs_up", "thumbs_down"),
)
INSERT_FIELDS = (*KEY_FIELDS, "team", *SUMS, "latency")

Row = tuple[Any, ...]
"""The values of `INSERT_FIELDS`."""

_sums = attrgetter(*SUMS)


def sums_of(added: Addition) -> tuple[int, ...]:
    """Return `SUMS`, as they can be stored."""
    return bounded(_sums(added))


def difference(
    before: Mapping[Key, Addition], after: Mapping[Key, Addition]
) -> dict[Key, Addition]:
    """Return what turns the sums of `before` into those of `after`. Neither has durations."""
    nothing = Addition()
    changes = {
        key: [
            new - old
            for old, new in zip(
                _sums(before.get(key, nothing)), _sums(after.get(key, nothing)), strict=True
            )
        ]
        for key in {**before, **after}
    }
    return {key: Addition(*change) for key, change in changes.items() if any(change)}


def add(database: Database, totals: Mapping[Key, Addition]) -> None:
    """Add to the stored rows, in the caller's transaction."""
    stored = _latencies(database, [key for key, added in totals.items() if added.durations])
    rows = [
        (
            *key,
            "" if key[4] == EVERYONE else team_of(key[4]),
            *sums_of(added),
            extended(stored.get(key), added.durations) if added.durations else None,
        )
        for key, added in totals.items()
    ]
    UPSERT.execute_many(database, rows)


def merge(database: Database, rows: Iterable[Row]) -> None:
    """Add rows to the stored ones with their keys, in the caller's transaction."""
    by_key: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        by_key[row[:5]].append(row)
    stored = _latencies(database, list(by_key))
    merged = []
    for key, some in by_key.items():
        _, *sums, latencies = zip(*(row[5:] for row in some), strict=True)
        blobs = [blob for blob in (stored.get(key), *latencies) if blob]
        latency = Histogram(blobs).to_bytes() if len(blobs) > 1 else next(iter(blobs), None)
        merged.append((*key, some[0][5], *bounded(tuple(map(sum, sums))), latency))
    UPSERT.execute_many(database, merged)


def take(database: Database, keys: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Delete and return the rows with these keys, in the caller's transaction."""
    return [tuple(row) for row in TAKE.rows(database, keys)]


def _latencies(
    database: Database, keys: Sequence[tuple[Any, ...]]
) -> dict[tuple[Any, ...], bytes | None]:
    rows = LATENCIES.rows(database, keys)
    return {tuple(key): latency and bytes(latency) for *key, latency in rows}


def _upsert(database: Database) -> str:
    update: dict[Any, Any] = {name: bounded_sum(RollupRow, name) for name in SUMS}
    update["latency"] = fn.COALESCE(EXCLUDED.latency, RollupRow.latency)
    insert = RollupRow.insert_many(
        [("",) * len(INSERT_FIELDS)], fields=[getattr(RollupRow, f) for f in INSERT_FIELDS]
    ).on_conflict(conflict_target=[getattr(RollupRow, name) for name in KEY_FIELDS], update=update)
    return compiled(insert, database)


_KEY = ", ".join(f"rollups.{name}" for name in KEY_FIELDS)
_ASKED = ", ".join(f"column{number}" for number, _ in enumerate(KEY_FIELDS, 1))
_TYPES = ("text", "bigint", "text", "text", "text")

UPSERT = Statement(_upsert)
TAKE = LookUp(
    f"DELETE FROM rollups WHERE ({', '.join(KEY_FIELDS)}) IN (SELECT {_ASKED} FROM {{keys}}) "
    f"RETURNING {', '.join(INSERT_FIELDS)}",
    types=_TYPES,
    at_a_time=50,
)
# The cross join makes SQLite look up each key. Otherwise it may scan all rows.
LATENCIES = LookUp(
    f"SELECT {_KEY}, rollups.latency FROM {{keys}} CROSS JOIN rollups WHERE ({_KEY}) = ({_ASKED})",
    types=_TYPES,
    at_a_time=50,
)
