"""Store a batch in one transaction: spans, their summaries and facts, metrics, logs, scores."""

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from peewee import EXCLUDED, SQL, OperationalError

from storage.database.base import Database
from storage.database.error_causes import LOCKED, cause_of
from storage.database.models import LogRow, MetricRow, ProcessRow, ScoreRow, SpanRow
from storage.database.statements import Statement, compiled, insert
from storage.database.transactions import transaction
from storage.model.batch import Batch, together
from storage.model.records import Log, Metric, Score
from storage.model.redaction import redact, redact_name, redact_value
from storage.model.span import Span
from storage.model.text import as_key
from storage.store import issues
from storage.store.deduplication import key_of, unseen
from storage.store.facts import add_facts
from storage.store.private_channels import keep_private
from storage.store.replaced import replaced_by, subtract
from storage.store.rollups import additions
from storage.store.search_index import purge
from storage.store.shared_erasures import newest
from storage.store.span_rows import SPAN_FIELDS, as_json, span_rows
from storage.store.thumbs import count_in_summaries, rated_traces, recounted
from storage.store.trace_summaries import stored_traces, summarise
from storage.store.usage import MAX_SPANS, count_usage, own_usage

if TYPE_CHECKING:
    from storage.model.erasure import Reach


def store(database: Database, *batches: Batch, deadline: float = 5.0) -> bool:
    """Store consecutive batches of one writer in one transaction. False if all were stored already.

    Waits for other writers for at most `deadline` seconds.
    """
    batch = together(batches)
    # Before the transaction, because other writers wait for as long as it is open.
    rows = span_rows(batch.spans)
    with transaction(database, deadline=deadline, of=batch.trace_ids):
        new = _take_numbers(database, batches)
        if not new:
            return False
        if len(new) < len(batches):
            batch = together(new)
            rows = span_rows(batch.spans)
        if erased := _screen(database, batch):
            rows = span_rows(batch.spans)
        _store_spans(database, batch, rows)
        METRICS.execute_many(database, [_row(redacted_metric(metric)) for metric in batch.metrics])
        LOGS.execute_many(database, [_row(redacted_log(log)) for log in batch.logs])
        _store_scores(database, batch.scores)
    if erased:
        _clean_up(database, erased)
    return True


def _screen(database: Database, batch: Batch) -> "dict[str, Reach]":
    """Erase from the batch what somebody asked to forget; see `erasing.screen`.

    Few databases know of any erasure, so commands that record need not wait for its imports.
    """
    if not newest(database):
        return {}
    from storage.store.erasing import screen

    return screen(database, batch)


def _clean_up(database: Database, erased: "dict[str, Reach]") -> None:
    """Remove what erased traces have left beside the tables."""
    from storage.store.erasing import remove_files, without_files

    # First, as an error ends this for good: the batch is stored, and is not stored again.
    remove_files(database.path, without_files(database, erased))
    try:
        purge(database)
    except OperationalError as error:
        if cause_of(error) != LOCKED:  # Else retention does it within a day.
            raise


def _take_numbers(database: Database, batches: Sequence[Batch]) -> Sequence[Batch]:
    """Note that these batches are stored, and return those that are not stored yet."""
    last = batches[-1]
    row = LAST_BATCH.fetch(database, (last.process,))
    new = [each for each in batches if not row or each.number > row[0][0]]
    if new:
        TAKE_NUMBER.execute_many(database, [(last.process, time.time_ns(), last.number)])
    return new


def store_spans(database: Database, batch: Batch) -> None:
    """Store spans with their summaries and facts, in the caller's transaction."""
    _store_spans(database, batch, span_rows(batch.spans))


def _store_spans(database: Database, batch: Batch, rows: Sequence[tuple[Any, ...]]) -> None:
    spans, resumed = unseen(database, batch.spans)
    if not spans:
        return
    if batch.resumed:
        ours = (span for span in spans if span.span_id in batch.resumed and not span.received)
        resumed = resumed.union(map(key_of, ours))
    if len(spans) < len(rows):
        of_span = dict(zip(map(id, batch.spans), rows, strict=True))
        rows = [of_span[id(span)] for span in spans]
    if late := keep_private(database, spans):
        rows = list(rows)
        for position in late:
            rows[position] = span_rows([spans[position]])[0]
    stored = stored_traces(database, spans)
    reporting = {
        trace_id: trace.usage_count
        for trace_id, trace in stored.items()
        if trace.span_count <= MAX_SPANS
    }
    with_agent = None
    by_entry: set[str] = set()
    if spans is not batch.spans:  # Some were received.
        with_agent = {each for each, trace in stored.items() if trace.agent is not None}
        by_entry = {each for each, trace in stored.items() if trace.counted}
    replaced = replaced_by(database, spans, stored, resumed=resumed)
    usage = count_usage(
        database,
        spans,
        reporting,
        resumed=resumed,
        replaced={span.trace_id for span in replaced},
        with_agent=with_agent,
    )
    with (
        recounted(database, rated_traces(database, spans)),
        issues.recounted(database, issues.failing(spans, stored), known=stored),
    ):
        SPANS.execute_many(database, rows, stored=stored)
        taken = {key_of(span) for span in replaced if span.process is None}
        summarise(database, usage, stored, resumed=resumed, taken=taken)
    if replaced:
        subtract(database, replaced)
    ended = (span for span in usage.spans if span.status != "running")
    add_facts(database, additions(ended, usage.corrected, agents=usage.agents, by_entry=by_entry))


def store_summaries(database: Database, spans: Sequence[Span]) -> None:
    """Store summaries for traces without one, from all their spans, in the caller's transaction."""
    summarise(database, own_usage(spans), {}, resumed=())
    count_in_summaries(database, list({span.trace_id for span in spans}))


def redacted_metric(metric: Metric) -> Metric:
    return replace(metric, name=redact_name(metric.name), labels=redact_value(metric.labels))


def redacted_log(log: Log) -> Log:
    return replace(
        log,
        level=redact_name(log.level),
        message=redact(log.message),
        attributes=redact_value(log.attributes),
    )


def redacted_score(score: Score) -> Score:
    return replace(
        score,
        trace_id=as_key(score.trace_id),
        name=redact_name(score.name),
        user=redact_name(score.user),
        label=None if score.label is None else redact(score.label),
        source=redact_name(score.source),
        text=None if score.text is None else redact(score.text),
    )


def _row(item: Metric | Log) -> tuple[Any, ...]:
    """Return the values of the columns, in the order of the item's fields."""
    values = ((f.name, getattr(item, f.name)) for f in fields(item))
    return tuple(
        as_json(value) if name in ("attributes", "labels") else value for name, value in values
    )


def _store_scores(database: Database, scores: Sequence[Score]) -> None:
    rows = [_score_values(redacted_score(score)) for score in scores]
    with recounted(database, list({score.trace_id: None for score in scores})):
        SCORES.execute_many(database, rows)


def _upsert_span(database: Database) -> str:
    key = ("trace_id", "span_id")
    upsert = insert(SpanRow, SPAN_FIELDS).on_conflict(
        conflict_target=[SpanRow.trace_id, SpanRow.span_id],
        update={name: getattr(EXCLUDED, name) for name in SPAN_FIELDS if name not in key},
        # A row of an ended span stays: one that comes again, or late, changes nothing. Only our own
        # span replaces what others sent under its id before it was stored: those have no process.
        # And its end replaces the mark of `storage.writer.abandoned`.
        where=SQL(
            "spans.status = 'running' OR (spans.process IS NULL AND excluded.process IS NOT NULL) "
            "OR (spans.status = 'abandoned' AND spans.process = excluded.process "
            "AND excluded.status <> 'running')"
        ),
    )
    return compiled(upsert, database)


def _upsert_score(database: Database) -> str:
    key = ("trace_id", "name", "user", "source")
    newer = {name: getattr(EXCLUDED, name) for name in SCORE_FIELDS if name not in key}
    # Who says the same again, without a reason, has not taken the reason back.
    newer["text"] = SQL(
        "CASE WHEN excluded.text IS NULL AND excluded.value = scores.value "
        "THEN scores.text ELSE excluded.text END"
    )
    upsert = insert(ScoreRow, SCORE_FIELDS).on_conflict(
        conflict_target=[getattr(ScoreRow, name) for name in key],
        update=newer,
        where=SQL("excluded.recorded_at >= scores.recorded_at"),
    )
    return compiled(upsert, database)


def _upsert_process(database: Database) -> str:
    upsert = insert(ProcessRow, ("process", "started_at", "last_batch")).on_conflict(
        conflict_target=[ProcessRow.process], update={"last_batch": EXCLUDED.last_batch}
    )
    return compiled(upsert, database)


SCORE_FIELDS = tuple(field.name for field in fields(Score))
_score_values = attrgetter(*SCORE_FIELDS)

SPANS = Statement(_upsert_span)
METRICS = Statement(
    lambda database: compiled(insert(MetricRow, [f.name for f in fields(Metric)]), database)
)
LOGS = Statement(lambda database: compiled(insert(LogRow, [f.name for f in fields(Log)]), database))
SCORES = Statement(_upsert_score)
LAST_BATCH = Statement(
    lambda database: compiled(
        ProcessRow.select(ProcessRow.last_batch).where(ProcessRow.process == ""), database
    )
)
TAKE_NUMBER = Statement(_upsert_process)
