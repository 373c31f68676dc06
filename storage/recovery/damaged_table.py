"""Read the rows of a damaged table around the pages that cannot be read.

Rows are read in ranges of their numbers. A range that cannot be read is halved again and again, so
that only the rows on broken pages are lost. The number of a row is its row id. A table without row
ids is read in sections, in which the first columns of its key are the same, and there the number of
a row is the hour in the next column: several rows may have the same one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product, takewhile
from typing import Any

import cysqlite

from storage.recovery.merging import Row, Table
from storage.store.grains import HOUR_NS

CHUNK = 500
"""Rows that are read at a time, unless more have the same number."""

UNKNOWN_END = 4_096
"""How many row ids to try after the last readable row if the number of rows is unknown."""

UNKNOWN_HOURS = 10_000
"""How many hours to try before or after all readable rows if no section tells where to end."""

LAST = 2**62
"""No row has a higher id or time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The rows of a table with `values` in the first columns of its key.

    The next column divided by `unit` is the number of a row; numbers are from `low` to `high`.
    """

    table: Table
    key: tuple[str, ...] = ("rowid",)
    values: tuple[str, ...] = ()
    unit: int = 1
    low: int = 1
    high: int = 0

    @property
    def name(self) -> str:
        return " ".join((self.table.name, *self.values))


def sections(source: Any, table: Table) -> tuple[list[Section], int | None]:
    """Return the sections of a table, and its number of rows, None if that is unknown."""
    if key := _key(source, table):
        return _sections_by_key(source, table, key), _count(source, table)
    count, highest = _extent(source, table)
    return [Section(table=table, high=highest)], count


def readable(source: Any, section: Section, *, low: int) -> Iterator[list[Row]]:
    """Yield the readable rows from number `low` on. The first value of a row is its number.

    Rows with the same number are in the same list.
    """
    ranges = [(low, section.high)]
    while ranges:
        low, high = ranges.pop()
        rows, whole = _read(source, section, low, high)
        if whole or low >= high:
            if rows:
                yield rows
        elif rows:
            last = rows[-1][0]
            ranges.append((last + 1, high))
            if section.values:  # More rows than these may have the last number.
                rows = [row for row in rows if row[0] != last]
                ranges.append((last, last))
            if rows:
                yield rows
        else:
            middle = (low + high) // 2
            # The lower half is read first: all before the last row that was yielded is done.
            ranges += [(middle + 1, high), (low, middle)]


def _read(source: Any, section: Section, low: int, high: int) -> tuple[list[Row], bool]:
    """Return the first rows of a range, and whether they are all that it has."""
    if low < high:
        rows, failed = _rows(source, section, low, high, limit=CHUNK)
        return rows, not failed and len(rows) < CHUNK
    rows, failed = _rows(source, section, low, high)
    if failed and section.values:
        # Rows of one hour are on many pages. Those behind a broken page are read from the end.
        seen = set(rows)
        behind, _ = _rows(source, section, low, high, order="DESC")
        rows += [row for row in behind if row not in seen]
    return rows, not failed


def _rows(
    source: Any, section: Section, low: int, high: int, *, order: str = "ASC", limit: int = -1
) -> tuple[list[Row], bool]:
    """Return rows of a range, and whether an error ended the reading."""
    # `=` looks up one row id. BETWEEN would go on to the next row, which may be on a broken page.
    among, numbers = ("= ?", (low,)) if low == high else ("BETWEEN ? AND ?", (low, high))
    *same, column = section.key[: len(section.values) + 1]
    sql = (
        f"SELECT {column} / {section.unit}, {section.table.quoted} "
        f'FROM "{section.table.name}" NOT INDEXED '
        f"WHERE {' AND '.join((*(f'{name} = ?' for name in same), f'{column} {among}'))} "
        # By the whole key, or the rows of one hour would not be read from the end.
        f"ORDER BY {', '.join(f'{name} {order}' for name in section.key)} LIMIT {limit}"
    )
    values = (*section.values, *(number * section.unit for number in numbers))
    rows: list[Row] = []
    try:
        for row in source.execute(sql, values):
            rows.append(row)
    except (cysqlite.DatabaseError, UnicodeDecodeError):
        return rows, True
    return rows, False


def _key(source: Any, table: Table) -> dict[str, str]:
    """Return the columns of a table's key with their types, none if the table has row ids."""
    with suppress(cysqlite.DatabaseError):
        listed = source.execute(f'PRAGMA table_list("{table.name}")').fetchall()
        if any(without_row_ids for *_, without_row_ids, _ in listed):
            columns = source.execute(f'PRAGMA table_info("{table.name}")').fetchall()
            key = sorted(
                (place, f'"{name}"', kind) for _, name, kind, *_, place in columns if place
            )
            return {name: kind for _, name, kind in key}
    return {}


def _sections_by_key(source: Any, table: Table, key: Mapping[str, str]) -> list[Section]:
    same = list(takewhile(lambda name: key[name] == "TEXT", key))
    found = _values(source, table, same, ">", "ASC") | _values(source, table, same, "<", "DESC")
    sections = [
        Section(table=table, key=tuple(key), values=values, unit=HOUR_NS)
        # Each with each, so that none is left out that is hidden between two broken pages.
        for values in (sorted(product(*map(set, zip(*found, strict=True)))) if found else ())
    ]
    lows = [_end(source, section, "ASC") for section in sections]
    highs = [_end(source, section, "DESC") for section in sections]
    first = [low for low in lows if low is not None]
    last = [high for high in highs if high is not None]
    if not first and not last:
        return []
    # The end of a section may be broken; all of them are about as long.
    lowest = min(first, default=min(last, default=0) - UNKNOWN_HOURS)
    highest = max(last, default=max(first, default=0) + UNKNOWN_HOURS)
    return [
        replace(
            section,
            low=lowest if low is None else low,
            high=highest if high is None else high,
        )
        for section, low, high in zip(sections, lows, highs, strict=True)
    ]


def _end(source: Any, section: Section, order: str) -> int | None:
    """Return the number of the first row in this order, None if it cannot be read."""
    rows, _ = _rows(source, section, 0, LAST // HOUR_NS, order=order, limit=1)
    return rows[0][0] if rows else None


def _values(
    source: Any, table: Table, names: Sequence[str], beyond: str, order: str
) -> set[tuple[str, ...]]:
    """Return the values of the first columns of a key, up to a broken page."""
    columns, marks = (", ".join(parts) for parts in (names, "?" * len(names)))
    sql = f'SELECT {columns} FROM "{table.name}" '
    ends = f"ORDER BY {', '.join(f'{name} {order}' for name in names)} LIMIT 1"
    found: list[tuple[str, ...]] = []
    with suppress(cysqlite.DatabaseError, UnicodeDecodeError):
        rows = source.execute(sql + ends).fetchall()
        while rows and rows[0] not in found:  # Broken pages may have any order.
            found += rows
            further = f"WHERE ({columns}) {beyond} ({marks}) "
            rows = source.execute(sql + further + ends, rows[0]).fetchall()
    return set(found)


def _count(source: Any, table: Table) -> int | None:
    with suppress(cysqlite.DatabaseError):
        return int(source.execute_scalar(f'SELECT count(*) FROM "{table.name}"'))
    return None


def _extent(source: Any, table: Table) -> tuple[int | None, int]:
    """Return the number of rows, None if unknown, and an id that no row exceeds."""
    # Any index that is not broken has the answer. For the count alone, SQLite would ignore the hint
    # and choose an index itself.
    sql = f'SELECT count(*), max(rowid) FROM "{table.name}"'
    try:
        names = [row[1] for row in source.execute(f'PRAGMA index_list("{table.name}")')]
    except cysqlite.DatabaseError:
        names = []
    for hint in (*(f'INDEXED BY "{name}"' for name in names), "NOT INDEXED"):
        try:
            count, highest = source.execute(f"{sql} {hint}").fetchone()
            return count, highest or 0
        except cysqlite.DatabaseError:  # It is broken too, or an index of only some rows.
            continue
    reached = 0
    while True:
        rows, whole = _read(source, Section(table=table), reached + 1, LAST)
        reached = rows[-1][0] if rows else reached
        if whole or not rows:
            return None, reached + UNKNOWN_END
