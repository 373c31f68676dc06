"""Read the figures of platforms, agents or providers from rollups, by UTC day."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.database.base import Database
from storage.model.figures import COMMAND, FIGURE, TOOL, kind_of
from storage.model.retention import CROWDED, OTHERS
from storage.queries.rollup_sums import Row
from storage.queries.statistics import group_of, rows_of_period

Source = Literal["platform", "agent", "provider"]

SHOWN = 20
"""Programs and tools that are told apart, those that are counted most."""

BEGINNINGS = {FIGURE: "", COMMAND: "cli:command:", TOOL: "mcp:tool:", "decision": "slack:skipped:"}
"""How the keys of figures begin, before a dimension's own keys."""

PLATFORMS = ("slack:", "cli:", "mcp:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a period; see `storage.model.figures.KINDS` for its key and its unit.

    `share` is how many observations are marked, from 0 to 1, None if none can be. Percentiles and
    `mean` are None if they are not known.
    """

    key: str
    count: int
    share: float | None = None
    p50: float | None = None
    p95: float | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures by key, and when their counting begins, in nanoseconds: days are counted whole.

    Those of decisions include why messages were answered.
    """

    of: Source
    since: int
    figures: tuple[Figure, ...]


def figures(
    database: Database,
    *,
    since: int,
    until: int,
    of: Source,
    audiences: Collection[str] | None = None,
    only: str | None = None,
) -> Figures:
    """Return the figures of all platforms, agents or providers, or of `only` one of them."""
    dimensions = list(BEGINNINGS) if of == "platform" else [FIGURE]
    grains, rows = rows_of_period(
        database, since=since, until=until, dimensions=dimensions, audiences=audiences, daily=True
    )
    source = "" if of == "platform" else f"{of}:"
    every = PLATFORMS if of == "platform" else (source,)
    wanted = (f"{source}{only}:".casefold(),) if only else every
    found = [
        _figure(key, some)
        for dimension in dimensions
        for key, some in _by_key(dimension, rows)
        if key.casefold().startswith(wanted)
    ]
    return Figures(of, grains.start(since), tuple(sorted(found, key=lambda figure: figure.key)))


def _by_key(dimension: str, rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[Row]]]:
    """Yield the rows of a dimension by the keys of their figures; those of rare ones together."""
    some = sorted((row for row in rows if row[0] == dimension), key=lambda row: -row[2])
    named = [row for row in some if row[1] != OTHERS]
    if dimension in CROWDED:
        named = named[:SHOWN]
    others = [row for row in some if row not in named]
    for row in named:
        yield BEGINNINGS[dimension] + row[1], [row]
    if others:
        yield BEGINNINGS[dimension] + OTHERS, others


def _figure(key: str, rows: Sequence[Row]) -> Figure:
    group, kind = group_of(key, rows), kind_of(key)[0]
    share = group.errors / group.traces if kind.marked and group.traces else None
    p50, p95 = (group.p50_ns, group.p95_ns) if kind.unit else (None, None)
    return Figure(key=key, count=group.traces, share=share, p50=p50, p95=p95)
