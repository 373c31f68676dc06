"""Insert many rows into PostgreSQL with COPY, which takes a tenth of one INSERT for each row.

New rows are copied into their table. Others are copied into a temporary one, from which one INSERT
decides about each conflict; it belongs to the transaction, so that nothing is left in the session.
"""

import re
from collections.abc import Container, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from psycopg import Cursor

Row = Sequence[Any]

COPIED = 20
"""From so many rows on, COPY and the temporary table cost less than they save."""

_INSERT = re.compile(
    r'INSERT INTO "(?P<table>\w+)" \((?P<columns>[^)]+)\) VALUES \((?:%s, )*%s\)(?P<rest>.*)', re.S
)
_CONFLICT = re.compile(r" ON CONFLICT \(([^)]+)\)")


class _Insert(NamedTuple):
    """The statements that do for many rows what an INSERT does for one."""

    copy: str
    create: str
    copy_aside: str
    insert: str
    drop: str
    key: tuple[int, ...]
    """The positions of the columns that identify a row; empty if rows never conflict."""


def insert_rows(
    cursor: "Cursor[Any]", sql: str, rows: Sequence[Row], stored: Container[Any] | None
) -> None:
    """Execute a statement for each row, an INSERT of many rows by COPY. The result is the same.

    Rows whose first column is not among `stored` are new, see `Database.execute_many`.
    """
    # Other statements than an INSERT of plain values are executed as they are.
    found = _parse(sql) if len(rows) >= COPIED else None
    if found is None or _repeats(rows, found.key):
        cursor.executemany(sql, rows)
        return
    new, old = _divided(rows, stored) if found.key else (rows, [])
    if new:
        _copy(cursor, found.copy, new)
    if len(old) < COPIED:
        cursor.executemany(sql, old)
        return
    cursor.execute(found.create)
    _copy(cursor, found.copy_aside, old)
    cursor.execute(found.insert)
    cursor.execute(found.drop)


def _divided(
    rows: Sequence[Row], stored: Container[Any] | None
) -> tuple[Sequence[Row], Sequence[Row]]:
    if stored is None:
        return [], rows
    old = [row for row in rows if row[0] in stored]
    return [row for row in rows if row[0] not in stored] if old else rows, old


def _copy(cursor: "Cursor[Any]", sql: str, rows: Sequence[Row]) -> None:
    with cursor.copy(sql) as copy:
        write_row = copy.write_row
        for row in rows:
            write_row(row)


def _repeats(rows: Sequence[Row], key: tuple[int, ...]) -> bool:
    """Return True if a row would change one that comes earlier: one INSERT cannot do both."""
    if not key:
        return False
    return len(set(map(itemgetter(*key), rows))) < len(rows)


@lru_cache(maxsize=64)
def _parse(sql: str) -> _Insert | None:
    found = _INSERT.fullmatch(sql)
    if found is None or "%" in found["rest"]:
        return None
    table, columns, rest = found["table"], found["columns"], found["rest"]
    conflict = _CONFLICT.match(rest)
    names = columns.split(", ")
    key = tuple(map(names.index, conflict[1].split(", "))) if conflict else ()
    return _Insert(
        copy=f'COPY "{table}" ({columns}) FROM STDIN',
        create=f'CREATE TEMPORARY TABLE "incoming" ON COMMIT DROP AS '
        f'SELECT {columns} FROM "{table}" WITH NO DATA',
        copy_aside='COPY "incoming" FROM STDIN',
        # Without ORDER BY, it inserts in the order in which the rows were copied.
        insert=f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM "incoming"{rest}',
        drop='DROP TABLE "incoming"',
        key=key,
    )
