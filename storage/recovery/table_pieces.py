"""Make a piece of a table in one database the same as in another.

The rows of a piece are counted and added up in both. Only if that differs are they read, compared
and copied. So copying everything, going on after an interruption, and following a database that is
written to are the same work, and none of it needs to know what was done before.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from peewee import PeeweeException

from storage.database.base import Database
from storage.database.error_causes import DAMAGED, DISK_FULL, KNOWN, cause_of
from storage.errors import MoveError
from storage.model.text import as_key, storable
from storage.recovery.moved_tables import MovedTable

ROWS = 5_000
"""Rows of a piece, unless more have the same key. A transaction writes them in 0.1 to 0.3 s."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A condition in SQL, and a value for each `?` in it."""

    condition: str = "1 = 1"
    values: tuple[Any, ...] = ()


@dataclass(slots=True)
class Changes:
    """How many rows were written and removed."""

    written: int = 0
    removed: int = 0


def pieces(source: Database, table: MovedTable) -> Iterator[Piece]:
    """Divide a table by what the source has now; together the pieces hold every row."""
    after: Row | None = None
    while True:
        upto = _boundary(source, table, after) if table.by else None
        yield _between(table, after, upto)
        if upto is None:
            return
        after = upto


def of_traces(table: MovedTable, trace_ids: Sequence[str]) -> Piece:
    """Return the piece of a few traces."""
    marks = ", ".join("?" * len(trace_ids))
    return _of(table, f'"trace_id" IN ({marks})', tuple(trace_ids))


def summed(database: Database, table: MovedTable, piece: Piece) -> tuple[int, ...]:
    """Return the number of rows, and a sum over the sizes of texts and the ends of numbers.

    Each column counts with a factor of its own, so that values that change places change the sum.
    """
    kinds = table.kinds
    terms = (
        _term(name, kinds[name], (place * 7_919 + 1) % 8_191)
        for place, name in enumerate(table.watched or table.columns)
    )
    total = " + ".join(filter(None, terms))
    select = f'SELECT count(*), coalesce(sum({total}), 0) FROM "{table.name}"'
    (row,) = fetch(database, f"{select} WHERE {piece.condition}", piece.values)
    return tuple(map(int, row))


def copy(source: Database, target: Database, table: MovedTable, piece: Piece) -> Changes:
    """Copy the rows of a piece that differ, and remove those that the source does not have.

    The caller has begun a transaction in the target.
    """
    texts = _texts(table)
    rows = [_storable(row, texts) for row in _rows(source, table, piece)]
    before, after = _by_key(table, _rows(target, table, piece)), _by_key(table, rows)
    written = [row for key, row in after.items() if before.get(key) != row]
    replaced = [key for key, row in before.items() if after.get(key) != row]
    with explained(target):
        if replaced:
            where = " AND ".join(f'"{name}" = ?' for name in table.key)
            target.execute_many(_for(target, f'DELETE FROM "{table.name}" WHERE {where}'), replaced)
        if written:
            target.execute_many(_for(target, _insert(table)), written)
    gone = sum(key not in after for key in replaced)
    return Changes(written=len(written), removed=gone)


def fetch(database: Database, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Execute a statement with a `?` for each value. Raises `MoveError`."""
    # Within a snapshot, a server uses indexes: it cannot estimate how few rows a piece has.
    with explained(database), database.snapshot():
        return database.fetch(_for(database, sql), tuple(values))


@contextmanager
def explained(database: Database) -> Iterator[None]:
    """Raise errors of this one of the two databases as a `MoveError` that says what to do."""
    try:
        yield
    except PeeweeException as error:
        cause = cause_of(error)
        if cause not in KNOWN:
            raise
        raise MoveError(f"The move stopped: {_advice(database, cause)}") from error


def _advice(database: Database, cause: str) -> str:
    again = "run the same command again. It goes on where it stopped."
    if cause == DAMAGED:
        return (
            f"{database.label} is damaged. Run tracebot health --database {database.label}, which "
            "saves what can be read of it, then move it again."
        )
    if cause == DISK_FULL:
        return f"there is no room left for {database.label}. Make room, and {again}"
    return f"{database.label} cannot be used now ({cause}). When that is fixed, {again}"


def _between(table: MovedTable, after: Row | None, upto: Row | None) -> Piece:
    names, marks = _list(table.by), ", ".join("?" * len(table.by))
    bounds = [(">", after), ("<=", upto)]
    known = [(sign, bound) for sign, bound in bounds if bound is not None]
    conditions = [f"({names}) {sign} ({marks})" for sign, _ in known]
    values = tuple(value for _, bound in known for value in bound)
    return _of(table, " AND ".join(conditions), values)


def _of(table: MovedTable, condition: str, values: tuple[Any, ...]) -> Piece:
    return Piece(" AND ".join(filter(None, [condition, table.only])) or "1 = 1", values)


def _boundary(source: Database, table: MovedTable, after: Row | None) -> Row | None:
    """Return the key of the last row of a full piece, None if what is left is less than that."""
    piece, names = _between(table, after, None), _list(table.by)
    found = fetch(
        source,
        f'SELECT {names} FROM "{table.name}" WHERE {piece.condition} ORDER BY {names} '
        f"LIMIT 1 OFFSET {ROWS - 1}",
        piece.values,
    )
    return tuple(found[0]) if found else None


def _term(name: str, kind: str, factor: int) -> str:
    if kind in ("TEXT", "BLOB"):
        return f'coalesce(CAST(octet_length("{name}") AS BIGINT), -1) * {factor}'
    if kind == "DOUBLE":
        return ""  # Such a value does not change without its time.
    # The last 20 bits, so that the sum over a piece stays far below 2**63.
    return f'(CAST(coalesce("{name}", -1) AS BIGINT) & 1048575) * {factor}'


def _rows(database: Database, table: MovedTable, piece: Piece) -> list[Row]:
    columns = _list(table.columns)
    sql = f'SELECT {columns} FROM "{table.name}" WHERE {piece.condition}'
    found = fetch(database, sql, piece.values)
    blobs = [place for place, kind in enumerate(table.kinds.values()) if kind == "BLOB"]
    return [_with_bytes(row, blobs) for row in found] if blobs else list(map(tuple, found))


def _with_bytes(row: Sequence[Any], blobs: Sequence[int]) -> Row:
    values = list(row)
    for place in blobs:
        values[place] = None if values[place] is None else bytes(values[place])
    return tuple(values)


def _texts(table: MovedTable) -> list[tuple[int, int]]:
    """Return the places of the columns with text, each with its limit in bytes, 0 for none."""
    limits = table.limits
    kinds = enumerate(table.kinds.items())
    return [(place, limits.get(name, 0)) for place, (name, kind) in kinds if kind == "TEXT"]


def _storable(row: Row, texts: Sequence[tuple[int, int]]) -> Row:
    """Return a row as it would be written now: older ones have NULs and names of any length."""
    changed: dict[int, str] = {}
    for place, most in texts:
        text = row[place]
        if text and ("\0" in text or 4 * len(text) > most > 0):
            changed[place] = as_key(storable(text), most=most) if most else storable(text)
    if not changed:
        return row
    return tuple(changed.get(place, value) for place, value in enumerate(row))


def _by_key(table: MovedTable, rows: Sequence[Row]) -> dict[Row, Row]:
    places = [table.columns.index(name) for name in table.key]
    return {tuple(row[place] for place in places): row for row in rows}


def _insert(table: MovedTable) -> str:
    marks = ", ".join("?" * len(table.columns))
    return f'INSERT INTO "{table.name}" ({_list(table.columns)}) VALUES ({marks})'


def _list(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _for(database: Database, sql: str) -> str:
    return sql.replace("?", str(database.param))
