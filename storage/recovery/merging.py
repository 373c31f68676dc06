"""Merge rows of a damaged database into the new one, which may already have newer ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage.database.base import Database
from storage.database.models import TraceRow
from storage.database.transactions import transaction
from storage.queries.traces import trace_spans
from storage.store.batch import store_summaries
from storage.store.histogram import Histogram
from storage.store.thumbs import recounted, scored_traces

TRACES_A_TRANSACTION = 500
"""Not all in one: the bot runs meanwhile, and its writer waits while a transaction is open."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table that both databases have, and the columns that both have: those are copied."""

    name: str
    columns: tuple[str, ...]

    @property
    def quoted(self) -> str:
        return ", ".join(f'"{column}"' for column in self.columns)


def _insert(database: Database, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows. Rows that exist already are newer and stay; invalid ones are left out."""
    marks = ", ".join("?" for _ in table.columns)
    database.connection().executemany(
        f'INSERT OR IGNORE INTO "{table.name}" ({table.quoted}) VALUES ({marks})', rows
    )


def _merge_traces(database: Database, table: Table, rows: Sequence[Row]) -> None:
    """Insert summaries, and recompute those of traces that continued in the new database.

    Thumbs of a trace may have been given before and after. The rollups of both databases have
    counted what their summary has, so the sum is corrected to what the merged scores tell.
    """
    columns = {name: place for place, name in enumerate(table.columns)}
    before = {row[columns["trace_id"]]: row for row in rows}
    thumbs = [name for name in ("thumbs_up", "thumbs_down") if name in columns]
    continued = _thumbs(database, list(before))
    _insert(database, table, rows)
    for trace_id, there in continued.items():
        recompute_summary(database, trace_id)
        for name in thumbs:
            there[name] += before[trace_id][columns[name]]
        TraceRow.update(there).where(TraceRow.trace_id == trace_id).execute(database)
    with recounted(database, scored_traces(database, before)):
        pass


def _thumbs(database: Database, trace_ids: list[str]) -> dict[str, dict[str, int]]:
    """Return the numbers of thumbs in those of the summaries that are stored."""
    columns = (TraceRow.trace_id, TraceRow.thumbs_up, TraceRow.thumbs_down)
    query = TraceRow.select(*columns).where(TraceRow.trace_id.in_(trace_ids))
    return {row.pop("trace_id"): row for row in query.dicts().execute(database)}


def recompute_lost_summaries(database: Database) -> int:
    """Recompute the summaries that could not be read, and return their number."""
    lost = "SELECT DISTINCT trace_id FROM spans WHERE trace_id NOT IN (SELECT trace_id FROM traces)"
    ids = [trace_id for (trace_id,) in database.execute_sql(lost).fetchall()]
    for start in range(0, len(ids), TRACES_A_TRANSACTION):
        with transaction(database):
            for trace_id in ids[start : start + TRACES_A_TRANSACTION]:
                recompute_summary(database, trace_id)
    return len(ids)


def recompute_summary(database: Database, trace_id: str) -> None:
    """Recompute a trace's summary from its spans, within the caller's transaction."""
    spans = trace_spans(database, trace_id)
    here = {span.span_id for span in spans}
    # Not stored, so told from the rest: only spans that other processes sent have no `process`.
    entered = [
        replace(span, entry=span.parent_id not in here, received=span.process is None)
        for span in spans
    ]
    database.execute_sql("DELETE FROM traces WHERE trace_id = ?", (trace_id,))
    store_summaries(database, entered)


def _merge_rollups(database: Database, table: Table, rows: Sequence[Row]) -> None:
    """Add the sums to those of the new database, and merge the latency histograms."""
    keys = ("level", "dimension", "starts_at", "audience", "key")
    where = " AND ".join(f'"{key}" = ?' for key in keys)
    # `team` follows from the audience, and `latency` is a histogram.
    summed = [name for name in table.columns if name not in (*keys, "team", "latency")]
    sets = ", ".join(f'"{name}" = "{name}" + ?' for name in summed)
    for row in rows:
        values = dict(zip(table.columns, row, strict=True))
        key = tuple(values[name] for name in keys)
        found = database.execute_sql(f"SELECT latency FROM rollups WHERE {where}", key).fetchall()
        if not found:
            _insert(database, table, [row])
            continue
        blobs = [blob for blob in (found[0][0], values["latency"]) if blob]
        merged = Histogram(blobs).to_bytes() if blobs else None
        database.execute_sql(
            f"UPDATE rollups SET {sets}, latency = ? WHERE {where}",
            (*(values[name] for name in summed), merged, *key),
        )


def _merge_processes(database: Database, table: Table, rows: Sequence[Row]) -> None:
    """Keep the higher batch number of each writer, so that no batch is stored twice."""
    marks = ", ".join("?" for _ in table.columns)
    database.connection().executemany(
        f"INSERT INTO processes ({table.quoted}) VALUES ({marks}) ON CONFLICT (process) "
        "DO UPDATE SET last_batch = max(last_batch, excluded.last_batch)",
        rows,
    )


MERGE: dict[str, Callable[[Database, Table, Sequence[Row]], None]] = {
    "traces": _merge_traces,
    "rollups": _merge_rollups,
    "processes": _merge_processes,
}


def merge(database: Database, table: Table, rows: Sequence[Row]) -> None:
    """Add rows with the columns of `table` to the database, within the caller's transaction."""
    MERGE.get(table.name, _insert)(database, table, rows)
