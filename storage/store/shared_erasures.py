"""Erasures that all machines with a database on a server know of: a table beside their logs.

Each machine has a log of the erasures that it was asked for (`storage.store.erasure_log`). With a
file, that is the only machine. On a server, an erasure is also put into a table before it is
applied, so that the others do not store what they recorded of it meanwhile. The row is marked once
it is applied: if its machine died first, any other does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from peewee import fn

from storage.database.base import Database
from storage.database.models import ErasureRow
from storage.database.transactions import transaction
from storage.store.erasure_log import as_line, erasure_log, erasures_since, last_change, parsed

if TYPE_CHECKING:  # Commands that record need not wait for it: hardly anything is erased.
    from storage.model.erasure import Erasure

LATER_NS = 120 * 1_000_000_000
"""After this time, another machine applies an erasure that its own has not."""


def newest(database: Database) -> int:
    """Return when the last erasure was asked for, 0 if there was none. Cheap for each batch."""
    own = last_change(erasure_log(database.path))
    if not database.on_server:
        return own
    return max(own, ErasureRow.select(fn.MAX(ErasureRow.at)).scalar(database) or 0)


def known_since(database: Database, at: int) -> tuple[Erasure, ...]:
    """Return the erasures from `at` on that any machine was asked for."""
    own = erasures_since(erasure_log(database.path), at)
    if not database.on_server:
        return own
    shared = _parsed(ErasureRow.at >= at, database)
    return tuple(dict.fromkeys((*shared, *own)))


def share(database: Database, erasure: Erasure) -> None:
    """Tell other machines, in the caller's transaction, before it is applied."""
    if database.on_server:
        row = ErasureRow.insert(at=erasure.at, line=as_line(erasure), done=0)
        row.on_conflict_ignore().execute(database)


def mark_applied(database: Database, erasure: Erasure) -> None:
    """Note that nobody else has to apply it."""
    if database.on_server:
        same = (ErasureRow.at == erasure.at, ErasureRow.line == as_line(erasure))
        with transaction(database):
            ErasureRow.update(done=1).where(*same).execute(database)


def left_by_others(database: Database, *, now: int) -> Sequence[Erasure]:
    """Return what another machine was asked for, and has not applied for some time."""
    if not database.on_server:
        return ()
    return _parsed((ErasureRow.done == 0) & (ErasureRow.at < now - LATER_NS), database)


def _parsed(condition: object, database: Database) -> tuple[Erasure, ...]:
    query = ErasureRow.select(ErasureRow.line).where(condition).order_by(ErasureRow.at)
    return parsed(line.encode() for (line,) in query.tuples().execute(database))
