"""Add rollups up in SQL, which takes half as long as reading all of them."""

from collections.abc import Sequence
from typing import Any

from storage.database.base import Database
from storage.store.histogram import LISTED
from storage.store.rollups import SUMS

Row = Sequence[Any]
"""A dimension, a key, the sums in the order of `SUMS`, and a list of encoded histograms."""


def added_up(database: Database, rows: str, values: Sequence[Any]) -> list[Row]:
    """Return one row for each dimension and key of a query.

    The query, with its `values`, has the columns `dimension`, `key`, `SUMS` and `latency`.
    Latencies that are stored as they are become one histogram; the others stay apart.
    """
    # SQLite's SUM fails beyond 2**63. TOTAL never does, and is exact up to 2**53. So is a SUM of
    # floats on the server, which takes less time than one of integers.
    total, as_bytes, as_text = "TOTAL({})", "CAST({} AS BLOB)", "hex(latency)"
    if database.on_server:
        total, as_bytes, as_text = "SUM({}::float8)", "{}", "encode(latency, 'hex')"
    is_listed = f"substr(latency, 1, 1) = {database.param}"
    columns = [
        *(total.format(name) for name in SUMS),
        as_bytes.format(f"string_agg(substr(latency, 2), '') FILTER (WHERE {is_listed})"),
        f"string_agg({as_text}, ',') FILTER (WHERE NOT {is_listed})",
    ]
    # By key first, which tells more rows apart than the dimension does: SQL sorts them.
    sql = (
        f"SELECT dimension, key, {', '.join(columns)} FROM ({rows}) AS part GROUP BY key, dimension"
    )
    found = database.fetch(sql, [LISTED, LISTED, *values])
    return [
        (dimension, key, *map(int, sums), _histograms(listed, others))
        for dimension, key, *sums, listed, others in found
    ]


def _histograms(listed: bytes | memoryview | None, others: str | None) -> list[bytes]:
    blobs = [bytes.fromhex(blob) for blob in (others or "").split(",") if blob]
    return [LISTED + bytes(listed), *blobs] if listed else blobs
