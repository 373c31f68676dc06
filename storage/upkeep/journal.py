"""How each kind of upkeep went the last time, for `health` and for whoever comes next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from peewee import Database

from storage.database.models import MaintenanceRow
from storage.database.transactions import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """`name` is `check`, `checkpoint`, `retention` or `recovery:FILE`; `at` is nanoseconds."""

    name: str
    at: int
    ok: bool
    details: Mapping[str, Any] = field(default_factory=dict)


def note(database: Database, done: Maintenance) -> None:
    """Remember it in place of the last one of its name."""
    with transaction(database):
        put(database, done)


def put(database: Database, done: Maintenance) -> None:
    """The same, within the caller's transaction."""
    row = {"at": done.at, "ok": int(done.ok), "details": json.dumps(dict(done.details))}
    insert = MaintenanceRow.insert(name=done.name, **row)
    insert.on_conflict(conflict_target=[MaintenanceRow.name], update=row).execute(database)


def last(database: Database, name: str) -> Maintenance | None:
    """The last one of this name, None where there was none."""
    query = MaintenanceRow.select().where(MaintenanceRow.name == name)
    found = [_value(row) for row in query.dicts().execute(database)]
    return found[0] if found else None


def all_of(database: Database, prefix: str) -> tuple[Maintenance, ...]:
    """Those whose name begins with `prefix`, newest first."""
    query = MaintenanceRow.select().where(MaintenanceRow.name.startswith(prefix))
    rows = query.order_by(MaintenanceRow.at.desc()).dicts().execute(database)
    return tuple(_value(row) for row in rows)


def _value(row: Mapping[str, Any]) -> Maintenance:
    details = json.loads(row["details"] or "{}")
    return Maintenance(name=row["name"], at=row["at"], ok=bool(row["ok"]), details=details)
