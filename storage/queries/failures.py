"""Find the traces and spans that failed. See `storage.queries.traces` for `audiences`."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from peewee import Database

from storage.database.models import SpanRow, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.span import FAILED_STATUSES
from storage.queries.filters import conditions
from storage.queries.traces import NOT_SKIPPED, TraceSummary, summaries, visible


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSpan:
    """A span that failed. `error_type` is None if its process died before it could say why."""

    trace_id: str
    name: str
    agent: str | None
    status: str
    started_at: int
    error_type: str | None
    error_message: str | None


def failed_traces(
    database: Database,
    *,
    since: int,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int,
) -> tuple[TraceSummary, ...]:
    """Return the newest traces with an error, even if the user got an answer."""
    query = visible(audiences).where(
        TraceRow.started_at >= since, TraceRow.error_count > 0, NOT_SKIPPED, *conditions(filters)
    )
    return summaries(database, query.order_by(TraceRow.started_at.desc()).limit(limit))


def failed_spans(database: Database, trace_ids: Collection[str]) -> tuple[FailedSpan, ...]:
    """Return the failed spans of these traces, newest first."""
    query = SpanRow.select(*(getattr(SpanRow, item.name) for item in fields(FailedSpan))).where(
        SpanRow.trace_id.in_(list(trace_ids)), SpanRow.status.in_(sorted(FAILED_STATUSES))
    )
    rows = query.order_by(SpanRow.started_at.desc(), SpanRow.span_id).dicts().execute(database)
    return tuple(FailedSpan(**row) for row in rows)
