"""The journal of upkeep: how each kind of it went the last time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.database.base import Database
from storage.database.models import JournalRow
from storage.database.transactions import transaction

CONNECTION = "slack:"
"""Begins the names of entries that say whether a bot is connected to Slack."""

MOVE = "move"
"""The name of the entry in a database to which another one is moved; `ok` once it is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """The result of one kind of upkeep.

    `name` is `backup`, `check`, `checkpoint`, `retention`, `issues`, `move`, `recovery:FILE` or
    `slack:TEAM`; `at` is in nanoseconds since the epoch.
    """

    name: str
    at: int
    ok: bool
    details: Mapping[str, Any] = field(default_factory=dict)


def add_entry(database: Database, entry: JournalEntry) -> None:
    """Store an entry. It replaces the one of the same name."""
    with transaction(database, of=()):
        put_entry(database, entry)


def put_entry(database: Database, entry: JournalEntry) -> None:
    """Store an entry within the caller's transaction."""
    row = {"at": entry.at, "ok": int(entry.ok), "details": json.dumps(dict(entry.details))}
    insert = JournalRow.insert(name=entry.name, **row)
    insert.on_conflict(conflict_target=[JournalRow.name], update=row).execute(database)


def last_entry(database: Database, name: str) -> JournalEntry | None:
    """Return the entry of this name, None if there is none."""
    query = JournalRow.select().where(JournalRow.name == name)
    found = [_entry(row) for row in query.dicts().execute(database)]
    return found[0] if found else None


def entries(database: Database, prefix: str) -> tuple[JournalEntry, ...]:
    """Return the entries whose name begins with `prefix`, newest first."""
    query = JournalRow.select().where(JournalRow.name.startswith(prefix))
    rows = query.order_by(JournalRow.at.desc()).dicts().execute(database)
    return tuple(_entry(row) for row in rows)


def _entry(row: Mapping[str, Any]) -> JournalEntry:
    details = json.loads(row["details"] or "{}")
    return JournalEntry(name=row["name"], at=row["at"], ok=bool(row["ok"]), details=details)
