"""Erase the text of a few traces from the tables."""

from collections.abc import Iterable, Mapping

from storage.database.base import Database
from storage.database.models import (
    AgentSessionRow,
    LogRow,
    MetricRow,
    ScoreRow,
    SpanRow,
    TraceRow,
    UnfinishedReplyRow,
)
from storage.model.erasure import Reach, is_question, strip
from storage.model.span import span_of
from storage.store.issues import recounted
from storage.store.span_rows import JSON_FIELDS, as_json

ERASED_MESSAGE = "(erased)"
"""Stands for the message of a log line, which cannot be empty."""

TEXTS = ("name", "text", "error_type", "error_message")


def erase_rows(database: Database, reaches: Mapping[str, Reach]) -> int:
    """Erase from a few traces, in the caller's transaction; return how many spans held text."""
    with recounted(database, reaches):
        return _erase_rows(database, reaches)


def _erase_rows(database: Database, reaches: Mapping[str, Reach]) -> int:
    ids, changed = list(reaches), 0
    questions: dict[str, str | None] = {}
    errors: dict[str, str | None] = {}
    query = SpanRow.select().where(SpanRow.trace_id.in_(ids))
    for row in list(query.dicts().execute(database)):
        span = span_of(row)
        if strip(span, reaches[span.trace_id]):
            changed += 1
            values = {
                **{name: getattr(span, name) for name in TEXTS},
                **{name: as_json(getattr(span, name)) for name in JSON_FIELDS},
            }
            own = (SpanRow.trace_id == span.trace_id, SpanRow.span_id == span.span_id)
            SpanRow.update(values).where(*own).execute(database)
        errors[span.trace_id] = errors.get(span.trace_id) or span.error_message
        if is_question(span):
            questions[span.trace_id] = span.text
    for trace_id in ids:
        values = {"text": questions.get(trace_id), "error_message": errors.get(trace_id)}
        TraceRow.update(values).where(TraceRow.trace_id == trace_id).execute(database)
    _erase_beside(database, ids, [each for each in ids if reaches[each] is Reach.ALL])
    return changed


def _erase_beside(database: Database, ids: Iterable[str], own: Iterable[str]) -> None:
    LogRow.update(message=ERASED_MESSAGE, attributes=None).where(
        LogRow.trace_id.in_(list(ids))
    ).execute(database)
    MetricRow.update(labels=None).where(
        MetricRow.trace_id.in_(list(ids)), MetricRow.labels.is_null(False)
    ).execute(database)
    # A reason may quote the answer, and the answer what is erased.
    ScoreRow.update(text=None).where(ScoreRow.trace_id.in_(list(ids))).execute(database)
    ScoreRow.update(label=None).where(ScoreRow.trace_id.in_(list(own))).execute(database)
    # Answers that Slack has not taken yet: their reply then ends with a note only. A row without
    # any message stays as it is, because nothing is to be posted for it.
    UnfinishedReplyRow.update(ending=None).where(
        UnfinishedReplyRow.trace_id.in_(list(ids)), UnfinishedReplyRow.ending != "[]"
    ).execute(database)
    # An agent must not go on with what it was told. The row stays, to say why it begins anew.
    AgentSessionRow.update(session_id=None).where(AgentSessionRow.trace_id.in_(list(ids))).execute(
        database
    )
