"""Read the figures that alerts watch: of many agents, channels and people with one query."""

from collections.abc import Collection, Mapping, Sequence

from storage.database.base import Database
from storage.model.filters import TOGETHER, names_in
from storage.queries.rollup_sums import Row, added_up
from storage.queries.statistics import periods
from storage.store import rollups
from storage.store.grains import grains_of

Keys = Mapping[tuple[str, str, str], Sequence[Row]]
"""The rows of a dimension, a key and an audience, which `group_of` adds up."""

APART = "\x1f"
"""Separates an audience from a key, while both are the name of a group."""


def watched_figures(
    database: Database,
    *,
    since: int,
    until: int,
    dimensions: Collection[str],
    keys: Collection[str],
    audiences: Collection[str],
    latency: bool,
) -> Keys:
    """Return what a period adds up to, for each dimension and key and apart for each audience.

    What several agents did together is part of the figures of each.

    `since` is rounded down to an hour, as in statistics. Durations are read only with `latency`.
    """
    grains = grains_of(database)
    first, last = grains.start(since), grains.end(until - 1)
    mark = database.param
    latencies = "latency" if latency else f"CAST(NULL AS {_bytes(database)}) AS latency"
    name = f"audience || '{APART}' || key AS key"
    columns = f"dimension, {name}, {', '.join(rollups.SUMS)}, {latencies}"
    of_those = [*dimensions, *audiences, *keys, f"%{TOGETHER}%"]
    lists = (", ".join([mark] * len(each)) for each in (dimensions, audiences, keys))
    those = "dimension IN ({}) AND audience IN ({}) AND (key IN ({})".format(*lists)
    those += f" OR dimension = 'agent' AND key LIKE {mark})"
    within = f"{those} AND starts_at >= {mark} AND starts_at < {mark}"
    parts = [f"SELECT {columns} FROM facts WHERE {within}"]
    values = [*of_those, first, last]
    for level, start, end in periods(grains, first, last, days=True):
        parts.append(f"SELECT {columns} FROM rollups WHERE level = {mark} AND {within}")
        values += [level, *of_those, start, end]
    found: dict[tuple[str, str, str], list[Row]] = {}
    for dimension, name, *figures in added_up(database, " UNION ALL ".join(parts), values):
        audience, _, key = name.partition(APART)
        for each in names_in(dimension, key):
            found.setdefault((dimension, each, audience), []).append((dimension, each, *figures))
    return found


def _bytes(database: Database) -> str:
    return "BYTEA" if database.on_server else "BLOB"
