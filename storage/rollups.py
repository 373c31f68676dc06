"""What a span adds to the statistics, and how a batch of it is added to the stored rows.

A trace counts once, by its root. An agent call counts for its provider and model, a decision for
its reason. Tokens and cost count wherever the span that spent them carries them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from peewee import EXCLUDED, Database

from storage.histogram import Histogram
from storage.models import RollupRow
from storage.span import Span
from storage.statements import Statement, compiled

HOUR_NS = 3_600 * 1_000_000_000
LEVELS: Mapping[str, int] = {"hour": HOUR_NS, "day": 24 * HOUR_NS}
"""A period reads whole days from day rows and its edges from hour rows."""

CONTEXT = ("platform", "channel", "user", "agent")
CALL = ("provider", "model")

Key = tuple[str, int, str, str, str, str]
"""level, starts_at, dimension, key, audience, team."""


@dataclass(slots=True)
class Addition:
    """What one batch adds to one row."""

    traces: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: int = 0
    priced: int = 0
    durations: list[int] = field(default_factory=list)

    def count(self, span: Span) -> None:
        self.traces += 1
        self.errors += span.failed
        if span.duration_ns is not None:
            self.durations.append(span.duration_ns)

    def spend(self, span: Span) -> None:
        self.input_tokens += span.input_tokens or 0
        self.output_tokens += span.output_tokens or 0
        self.cached_tokens += span.cached_tokens or 0
        if span.cost is not None:
            self.cost += span.cost
            self.priced += 1


def additions(spans: Iterable[Span]) -> dict[Key, Addition]:
    """What ended spans add, by the row they add it to."""
    totals: dict[Key, Addition] = {}
    for span in spans:
        for dimension, key, counts, spends in _contributions(span):
            for level, length in LEVELS.items():
                starts_at = span.started_at - span.started_at % length
                row = (level, starts_at, dimension, key, span.audience or "", span.team or "")
                addition = totals.get(row)
                if addition is None:
                    addition = totals[row] = Addition()
                if counts:
                    addition.count(span)
                if spends:
                    addition.spend(span)
    return totals


def _contributions(span: Span) -> Iterator[tuple[str, str, bool, bool]]:
    if span.reason is not None:
        yield "decision", span.reason, True, False
    spends = span.input_tokens is not None or span.output_tokens is not None or bool(span.cost)
    counts = span.parent_id is None and span.decision != "skip"
    if counts or spends:
        yield "all", "", counts, spends
        for dimension in CONTEXT:
            if (key := getattr(span, dimension)) is not None:
                yield dimension, key, counts, spends
    if spends or span.configured_provider is not None:
        for dimension in CALL:
            if (key := getattr(span, dimension)) is not None:
                yield dimension, key, True, spends


INSERT_FIELDS = (
    "level",
    "starts_at",
    "dimension",
    "key",
    "audience",
    "team",
    "traces",
    "errors",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost",
    "priced",
    "latency",
)


def _upsert(database: Database) -> str:
    sums = INSERT_FIELDS[6:-1]
    update: dict[Any, Any] = {name: _plus(name) for name in sums}
    update["latency"] = EXCLUDED.latency
    insert = RollupRow.insert_many(
        [tuple("" for _ in INSERT_FIELDS)], fields=[getattr(RollupRow, f) for f in INSERT_FIELDS]
    ).on_conflict(
        conflict_target=[
            RollupRow.level,
            RollupRow.dimension,
            RollupRow.starts_at,
            RollupRow.audience,
            RollupRow.key,
        ],
        update=update,
    )
    return compiled(insert, database)


def _plus(name: str) -> Any:
    return getattr(RollupRow, name) + getattr(EXCLUDED, name)


def _latency(database: Database) -> str:
    query = RollupRow.select(RollupRow.latency).where(
        RollupRow.level == "",
        RollupRow.dimension == "",
        RollupRow.starts_at == 0,
        RollupRow.audience == "",
        RollupRow.key == "",
    )
    return compiled(query, database)


UPSERT = Statement(_upsert)
LATENCY = Statement(_latency)


def add(database: Database, totals: Mapping[Key, Addition]) -> None:
    """Add to the stored rows, within the caller's transaction."""
    rows = []
    for (level, starts_at, dimension, key, audience, team), addition in totals.items():
        stored = LATENCY.fetch(database, (level, dimension, starts_at, audience, key))
        latency = stored[0][0] if stored else None
        rows.append(
            (
                *(level, starts_at, dimension, key, audience, team),
                *(addition.traces, addition.errors),
                *(addition.input_tokens, addition.output_tokens, addition.cached_tokens),
                *(addition.cost, addition.priced),
                _merged(latency, addition.durations),
            )
        )
    UPSERT.execute_many(database, rows)


def _merged(stored: bytes | None, durations: list[int]) -> bytes | None:
    if not durations:
        return stored
    histogram = Histogram.from_bytes(stored) if stored else Histogram()
    for duration in durations:
        histogram.add(duration)
    return histogram.to_bytes()
