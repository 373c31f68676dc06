"""Save the readable rows of a damaged database into a new one.

Each transaction also stores how far the work is, so that another process can continue it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cysqlite

from storage.database.base import Database
from storage.database.driver import Connection
from storage.database.migrations import HISTORY
from storage.database.transactions import transaction
from storage.recovery.damaged_table import readable, sections
from storage.recovery.merging import Table, merge, recompute_lost_summaries
from storage.upkeep.erasure import apply_all
from storage.upkeep.journal import JournalEntry, last_entry, put_entry

FIRST = (
    *("subscriptions", "budgets", "issue_states", "alert_rules", "alert_states", "claims"),
    *("spans", "scores", "traces"),
)
"""Tables to save first, in this order: what people miss soonest, and what traces sum up."""


@dataclass(slots=True)
class Progress:
    """How far the work is: the number of the last row handled by section, and counts by table."""

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
    order = {name: place for place, name in enumerate(FIRST)}
    return sorted(found, key=lambda table: (order.get(table.name, len(FIRST)), table.name))


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
    found, count = sections(source, table)
    for section in found:
        done = state.position.get(section.name, section.low - 1)
        for rows in readable(source, section, low=done + 1):
            with transaction(database):
                merge(database, table, [row[1:] for row in rows])
                # How far the work is belongs to the same transaction: a process that is killed here
                # and continued by another must neither skip rows nor add sums twice.
                state.position[section.name] = rows[-1][0]
                state.saved[table.name] += len(rows)
                remember()
            progress(table.name, state.saved[table.name])
    if table.name == "traces":
        state.saved["traces"] += recompute_lost_summaries(database)
    state.lost[table.name] = None if count is None else max(count - state.saved[table.name], 0)
    state.done.append(table.name)
    with transaction(database):
        remember()
