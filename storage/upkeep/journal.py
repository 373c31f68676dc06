"""How each kind of upkeep went the last time, for `health` and for whoever comes next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from peewee import Database

from storage.database.models import JournalRow
from storage.database.transactions import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """`name` is `check`, `checkpoint`, `retention` or `recovery:FILE`; `at` is nanoseconds."""

    name: str
    at: int
    ok: bool
    details: Mapping[str, Any] = field(default_factory=dict)


def add_entry(database: Database, done: JournalEntry) -> None:
    """Remember it in place of the last one of its name."""
    with transaction(database):
        put_entry(database, done)


def put_entry(database: Database, done: JournalEntry) -> None:
    """The same, within the caller's transaction."""
    row = {"at": done.at, "ok": int(done.ok), "details": json.dumps(dict(done.details))}
    insert = JournalRow.insert(name=done.name, **row)
    insert.on_conflict(conflict_target=[JournalRow.name], update=row).execute(database)


def last_entry(database: Database, name: str) -> JournalEntry | None:
    """The last one of this name, None where there was none."""
    query = JournalRow.select().where(JournalRow.name == name)
    found = [_value(row) for row in query.dicts().execute(database)]
    return found[0] if found else None


def entries(database: Database, prefix: str) -> tuple[JournalEntry, ...]:
    """Those whose name begins with `prefix`, newest first."""
    query = JournalRow.select().where(JournalRow.name.startswith(prefix))
    rows = query.order_by(JournalRow.at.desc()).dicts().execute(database)
    return tuple(_value(row) for row in rows)


def _value(row: Mapping[str, Any]) -> JournalEntry:
    details = json.loads(row["details"] or "{}")
    return JournalEntry(name=row["name"], at=row["at"], ok=bool(row["ok"]), details=details)
