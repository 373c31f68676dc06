"""What one transaction writes: spans, their summaries and rollups, metrics, logs, scores."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from threading import Event
from typing import Any

from peewee import EXCLUDED, SQL, Case, Database, fn

from storage.database import transaction
from storage.models import LogRow, MetricRow, ProcessRow, ScoreRow, SpanRow, TraceRow
from storage.received import settle, unseen
from storage.redaction import redact, redact_value
from storage.rollups import add, additions
from storage.rows import SPAN_FIELDS, as_json, span_rows
from storage.signals import Log, Metric, Score
from storage.span import Span
from storage.statements import Statement, compiled


@dataclass(slots=True)
class Batch:
    """One process's next things to store. Its number makes storing it twice harmless."""

    process: str
    number: int
    spans: list[Span] = field(default_factory=list)
    resumed: set[str] = field(default_factory=set)
    """Ids of spans here that an earlier batch stored as running."""
    metrics: list[Metric] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    marks: list[Event] = field(default_factory=list)
    """Who waits to hear that all before them is stored."""

    def __len__(self) -> int:
        return len(self.spans) + len(self.metrics) + len(self.logs) + len(self.scores)


def store(database: Database, batch: Batch, *, deadline: float = 5.0) -> bool:
    """Store a batch in one transaction; False when it was stored before.

    A database that others write to is waited for `deadline` seconds.
    """
    with transaction(database, deadline=deadline):
        if not _take_number(database, batch):
            return False
        store_spans(database, batch)
        METRICS.execute_many(database, [_row(metric) for metric in batch.metrics])
        LOGS.execute_many(database, [_row(log) for log in batch.logs])
        _store_scores(database, batch.scores)
    return True


def _take_number(database: Database, batch: Batch) -> bool:
    row = LAST_BATCH.fetch(database, (batch.process,))
    if row and row[0][0] >= batch.number:
        return False
    TAKE_NUMBER.execute_many(database, [(batch.process, time.time_ns(), batch.number)])
    return True


def store_spans(database: Database, batch: Batch) -> None:
    """Spans with their summaries and rollups, within the caller's transaction."""
    spans = unseen(database, batch.spans)
    if not spans:
        return
    SPANS.execute_many(database, span_rows(spans))
    counted, released = settle(database, spans)
    TRACES.execute_many(database, _trace_rows(counted, released, resumed=batch.resumed))
    ROOTS.execute_many(database, _root_rows(spans))
    add(database, additions(span for span in (*counted, *released) if span.status != "running"))


def _row(item: Metric | Log) -> tuple[Any, ...]:
    values = ((f.name, getattr(item, f.name)) for f in fields(item))
    return tuple(
        as_json(redact_value(value))
        if name in ("attributes", "labels")
        else redact(value)
        if name == "message"
        else value
        for name, value in values
    )


SUMMED = ("span_count", "error_count", "input_tokens", "output_tokens", "cached_tokens", "cost")
KEPT = (
    *("platform", "audience", "team", "channel", "thread_ts", "message_ts", "user", "agent"),
    *("provider", "model", "decision", "reason", "text", "error_message"),
)
"""What a summary takes from the first span that has it."""

TRACE_FIELDS = ("trace_id", "name", "status", "started_at", "rooted", *SUMMED, *KEPT)


def _trace_rows(
    spans: Sequence[Span], released: Sequence[Span], *, resumed: Collection[str]
) -> list[tuple[Any, ...]]:
    """What to add to the summaries; of `released` spans, which are in them, what they spent."""
    totals: dict[str, dict[str, Any]] = {}
    for span in spans:
        row = totals.get(span.trace_id)
        if row is None:
            row = dict.fromkeys(TRACE_FIELDS)
            row |= {"trace_id": span.trace_id, "name": span.name, "status": "running"}
            row |= {"started_at": span.started_at, "rooted": 0, "span_count": 0, "error_count": 0}
            totals[span.trace_id] = row
        row["started_at"] = min(row["started_at"], span.started_at)
        row["span_count"] += span.span_id not in resumed
        _summarise(row, span)
    for span in released:
        _spend(totals[span.trace_id], span)
    return [tuple(row.values()) for row in totals.values()]


def _summarise(row: dict[str, Any], span: Span) -> None:
    for name in KEPT:
        if row[name] is None:
            row[name] = getattr(span, name)
    if span.status == "running":
        return
    row["error_count"] += span.failed
    _spend(row, span)


def _spend(row: dict[str, Any], span: Span) -> None:
    for name in SUMMED[2:]:
        if (value := getattr(span, name)) is not None:
            row[name] = (row[name] or 0) + value


ROOT_FIELDS = ("rooted", "name", "status", "started_at", "ended_at", "duration_ns")
"""In the order of the model, which is that of the statement Peewee compiles."""


def _root_rows(spans: Iterable[Span]) -> list[tuple[Any, ...]]:
    """A summary speaks of its trace's root; until that is here, of what another process called."""
    rows = []
    for span in spans:
        rooted = int(span.parent_id is None)
        if rooted or span.entry:
            times = (span.started_at, span.ended_at, span.duration_ns)
            rows.append((rooted, span.name, span.status, *times, span.trace_id, rooted))
    return rows


def _store_scores(database: Database, scores: Sequence[Score]) -> None:
    for score in scores:
        key = (score.trace_id, score.name, score.user)
        DROP_SCORE.execute_many(database, [key])
        if score.value is not None:
            SCORES.execute_many(database, [(*key, score.value, score.label, score.recorded_at)])


def _insert(model: Any, names: Sequence[str]) -> Any:
    return model.insert_many([("",) * len(names)], fields=[getattr(model, name) for name in names])


def _upsert_span(database: Database) -> str:
    key = ("trace_id", "span_id")
    insert = _insert(SpanRow, SPAN_FIELDS).on_conflict(
        conflict_target=[SpanRow.trace_id, SpanRow.span_id],
        update={name: getattr(EXCLUDED, name) for name in SPAN_FIELDS if name not in key},
        # What has ended stays: a row that comes again, or late, changes nothing.
        where=SQL('"spans"."status" = \'running\''),
    )
    return compiled(insert, database)


def _upsert_trace(database: Database) -> str:
    def summed(name: str) -> Any:
        old, new = getattr(TraceRow, name), getattr(EXCLUDED, name)
        return fn.COALESCE(old + new, old, new)

    def kept(name: str) -> Any:
        return fn.COALESCE(getattr(TraceRow, name), getattr(EXCLUDED, name))

    earlier = Case(
        None,
        [(EXCLUDED.started_at < TraceRow.started_at, EXCLUDED.started_at)],
        TraceRow.started_at,
    )
    insert = _insert(TraceRow, TRACE_FIELDS).on_conflict(
        conflict_target=[TraceRow.trace_id],
        update={
            "started_at": earlier,
            **{name: summed(name) for name in SUMMED},
            **{name: kept(name) for name in KEPT},
        },
    )
    return compiled(insert, database)


def _update_root(database: Database) -> str:
    update = TraceRow.update({getattr(TraceRow, name): "" for name in ROOT_FIELDS}).where(
        TraceRow.trace_id == "", TraceRow.rooted <= 0
    )
    return compiled(update, database)


def _upsert_process(database: Database) -> str:
    insert = _insert(ProcessRow, ("process", "started_at", "last_batch")).on_conflict(
        conflict_target=[ProcessRow.process], update={"last_batch": EXCLUDED.last_batch}
    )
    return compiled(insert, database)


SPANS = Statement(_upsert_span)
TRACES = Statement(_upsert_trace)
ROOTS = Statement(_update_root)
METRICS = Statement(
    lambda database: compiled(_insert(MetricRow, [f.name for f in fields(Metric)]), database)
)
LOGS = Statement(
    lambda database: compiled(_insert(LogRow, [f.name for f in fields(Log)]), database)
)
SCORES = Statement(
    lambda database: compiled(
        _insert(ScoreRow, ("trace_id", "name", "user", "value", "label", "recorded_at")), database
    )
)
DROP_SCORE = Statement(
    lambda database: compiled(
        ScoreRow.delete().where(ScoreRow.trace_id == "", ScoreRow.name == "", ScoreRow.user == ""),
        database,
    )
)
LAST_BATCH = Statement(
    lambda database: compiled(
        ProcessRow.select(ProcessRow.last_batch).where(ProcessRow.process == ""), database
    )
)
TAKE_NUMBER = Statement(_upsert_process)
