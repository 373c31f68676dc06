"""Check that two databases hold the same: rows, tokens and cost of each table and day."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

from storage.database.base import Database
from storage.recovery.moved_tables import RECORDS, TOGETHER, MovedTable
from storage.recovery.table_pieces import fetch

DAY_NS = 86_400 * 1_000_000_000

TIMES = ("started_at", "starts_at", "recorded_at", "removed_at")
"""The column by which a table is divided into days: the first of these that it has."""

SUMMED = {
    "traces": "rows",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cached_tokens": "cached tokens",
    "cost": "millionths of a dollar",
    "errors": "errors",
    "span_count": "spans",
}
"""Columns that are added up, and the nouns for them in a sentence."""

MOST = 20
"""How many differences are told one by one."""

Sums = tuple[int, ...]


def row_counts(database: Database) -> dict[str, int]:
    """Return how many rows of each table move."""
    return {table.name: _count(database, table) for table in (*RECORDS, *TOGETHER)}


def differences(source: Database, target: Database) -> tuple[str, ...]:
    """Return a sentence for each table and day in which the two databases differ."""
    found = (
        sentence
        for table in (*RECORDS, *TOGETHER)
        for sentence in _compare(table, _sums(source, table), _sums(target, table))
    )
    told = list(islice(found, MOST))
    more = sum(1 for _ in found)
    return (*told, *([f"{more} more tables and days differ."] if more else []))


def _count(database: Database, table: MovedTable) -> int:
    where = f" WHERE {table.only}" if table.only else ""
    return int(fetch(database, f'SELECT count(*) FROM "{table.name}"{where}')[0][0])


def _sums(database: Database, table: MovedTable) -> dict[str, Sums]:
    """Return the number of rows and the sums of a table by day, by level of rollups, too."""
    time = next((name for name in TIMES if name in table.columns), None)
    if time is None:
        return {"": (_count(database, table),)}
    level = "level" if "level" in table.columns else "''"
    sums = "".join(f", coalesce(sum({name}), 0)" for name in _summed(table))
    # The number is wide, so that SQLite and a server divide whole numbers alike.
    rows = fetch(
        database,
        f"SELECT {level}, {time} / {DAY_NS}, count(*){sums} "
        f'FROM "{table.name}" GROUP BY 1, 2 ORDER BY 1, 2',
    )
    return {f"{level} {_day(day)}".strip(): tuple(map(int, rest)) for level, day, *rest in rows}


def _summed(table: MovedTable) -> list[str]:
    return [name for name in SUMMED if name in table.columns]


def _day(number: int) -> str:
    try:
        return datetime.fromtimestamp(number * 86_400, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # Others may send any time.
        return f"day {number}"


def _compare(table: MovedTable, old: Mapping[str, Sums], new: Mapping[str, Sums]) -> Iterator[str]:
    nouns = ["rows", *(SUMMED[name] for name in _summed(table))]
    for period in sorted(old.keys() | new.keys()):
        here, there = (each.get(period, (0,) * len(nouns)) for each in (old, new))
        if here != there:
            of = f"{table.name}, {period}" if period else table.name
            yield f"{of}: {_told(zip(nouns, here, there, strict=False))}."


def _told(figures: Iterable[tuple[str, int, int]]) -> str:
    return "; ".join(
        f"{old:,} {noun} in the old database, {new:,} in the new one"
        for noun, old, new in figures
        if old != new
    )
