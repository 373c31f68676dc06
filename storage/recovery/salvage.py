"""Save the readable rows of a damaged database into a new one.

Rows are read in ranges of their ids. A range that cannot be read is halved again and again, so that
only the rows on broken pages are lost. Each transaction also stores how far the work is, so
that another process can continue it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cysqlite
from peewee import Database

from storage.database.driver import Connection
from storage.database.migrations import HISTORY
from storage.database.transactions import transaction
from storage.recovery.merging import Row, Table, merge, recompute_lost_summaries
from storage.upkeep.erasure import apply_all
from storage.upkeep.journal import JournalEntry, last_entry, put_entry

CHUNK = 500
"""Rows per transaction."""

UNKNOWN_END = 4_096
"""How many row ids to try after the last readable row if the number of rows is unknown."""

FIRST = ("subscriptions", "claims", "spans", "traces")
"""Tables to save first: what people miss soonest, and spans before the traces that sum them up."""


@dataclass(slots=True)
class Progress:
    """How far the work is: the id of the last row handled and counts, by table."""

    position: dict[str, int] = field(default_factory=dict)
    saved: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int | None] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    finished: bool = False


def salvage(
    database: Database, damaged: Path, *, progress: Callable[[str, int], object]
) -> Progress:
    """Save the readable rows of `damaged`, from where an earlier attempt stopped."""
    name = f"recovery:{damaged.name}"
    before = last_entry(database, name)
    state = Progress(**before.details) if before else Progress()
    began = before.at if before else time.time_ns()

    def remember() -> None:
        ok = state.finished and set(state.lost.values()) == {0}
        details = {key: getattr(state, key) for key in Progress.__slots__}
        put_entry(database, JournalEntry(name=name, at=began, ok=ok, details=details))

    if damaged.exists():
        source = Connection(str(damaged), timeout=5.0)
        try:
            for table in _tables(database, source):
                if table.name not in state.done:
                    _save(database, source, table, state, remember, progress)
        finally:
            source.close()
    apply_all(database)  # The damaged database may have missed an erasure.
    state.finished = True
    with transaction(database):
        remember()
    return state


def _tables(database: Database, source: Any) -> list[Table]:
    """Return the tables to copy; none if the list of tables itself cannot be read."""
    with suppress(cysqlite.DatabaseError):
        # Lets SQLite use the tables that it read before a broken page of the schema.
        source.execute("PRAGMA writable_schema = ON")
    found = []
    for name in database.get_tables():
        # The full-text index is filled anew: its queue gets every summary that is inserted.
        if name == HISTORY or name.startswith("search_"):
            continue
        here, there = _columns(database.execute_sql, name), _columns(source.execute, name)
        # A column that only numbers the rows is not copied: new rows may have these numbers.
        copied = [column for column, counts in here.items() if column in there and not counts]
        if copied:
            found.append(Table(name, tuple(copied)))
    return sorted(found, key=lambda table: (table.name not in FIRST, table.name))


def _columns(execute: Callable[[str], Any], table: str) -> dict[str, bool]:
    """Return the columns of a table, and for each whether it only numbers the rows."""
    try:
        rows = execute(f'PRAGMA table_info("{table}")').fetchall()
    except cysqlite.DatabaseError:
        return {}
    keys = sum(bool(key) for *_, key in rows)
    return {row[1]: keys == 1 and bool(row[5]) and row[2] == "INTEGER" for row in rows}


def _save(
    database: Database,
    source: Any,
    table: Table,
    state: Progress,
    remember: Callable[[], None],
    progress: Callable[[str, int], object],
) -> None:
    state.saved.setdefault(table.name, 0)
    count, highest = _extent(source, table)
    for rows in _readable(source, table, state.position.get(table.name, 0) + 1, highest):
        with transaction(database):
            merge(database, table, [row[1:] for row in rows])
            # How far the work is belongs to the same transaction: a process that is killed here and
            # continued by another must neither skip rows nor add sums twice.
            state.position[table.name] = rows[-1][0]
            state.saved[table.name] += len(rows)
            remember()
        progress(table.name, state.saved[table.name])
    if table.name == "traces":
        state.saved["traces"] += recompute_lost_summaries(database)
    state.lost[table.name] = None if count is None else max(count - state.saved[table.name], 0)
    state.done.append(table.name)
    with transaction(database):
        remember()


def _readable(source: Any, table: Table, low: int, high: int) -> Iterator[list[Row]]:
    """Yield the readable rows in chunks. The first value of a row is its id.

    A range that cannot be read is halved until the broken rows are alone.
    """
    ranges = [(low, high)]
    while ranges:
        low, high = ranges.pop()
        rows, whole = _read(source, table, low, high)
        if rows:
            yield rows
            low = rows[-1][0] + 1
        if whole and len(rows) < CHUNK:
            continue
        if whole or rows:
            ranges.append((low, high))
        elif low < high:
            middle = (low + high) // 2
            # The lower half is read first, as `Progress.position` says that all before it is done.
            ranges += [(middle + 1, high), (low, middle)]


def _read(source: Any, table: Table, low: int, high: int) -> tuple[list[Row], bool]:
    """Return the first rows of a range, and False if an error ended the reading."""
    # `=` looks up one row. BETWEEN would go on to the next row, which may be on a broken page.
    where, values = ("= ?", (low,)) if low == high else ("BETWEEN ? AND ?", (low, high))
    sql = (
        f'SELECT rowid, {table.quoted} FROM "{table.name}" NOT INDEXED '
        f"WHERE rowid {where} ORDER BY rowid LIMIT {CHUNK}"
    )
    rows: list[Row] = []
    try:
        for row in source.execute(sql, values):
            rows.append(row)
    except (cysqlite.DatabaseError, UnicodeDecodeError):
        return rows, low > high  # An empty range is done, even if looking for it failed.
    return rows, True


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
        rows, whole = _read(source, table, reached + 1, 2**62)
        reached = rows[-1][0] if rows else reached
        if not whole or len(rows) < CHUNK:
            return None, reached + UNKNOWN_END
