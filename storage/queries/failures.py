"""List the failed and the slow traces of a period. See `storage.queries.traces`."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from peewee import Database

from storage.database.models import SpanRow, TraceRow
from storage.model.span import FAILED
from storage.queries.traces import TraceSummary, summaries, visible


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSpan:
    """`error_type` is None where nobody could say it: the process died, or was stopped."""

    trace_id: str
    name: str
    agent: str | None
    status: str
    started_at: int
    error_type: str | None
    error_message: str | None


def failed_traces(
    database: Database, *, since: int, audiences: Collection[str] | None = None, limit: int
) -> tuple[TraceSummary, ...]:
    """The newest in which something failed, also where somebody was answered all the same."""
    query = visible(audiences).where(
        TraceRow.started_at >= since, TraceRow.error_count > 0, _not_skipped()
    )
    return summaries(database, query.order_by(TraceRow.started_at.desc()).limit(limit))


def failed_spans(database: Database, trace_ids: Collection[str]) -> tuple[FailedSpan, ...]:
    """What failed in these traces, latest first."""
    query = SpanRow.select(*(getattr(SpanRow, item.name) for item in fields(FailedSpan))).where(
        SpanRow.trace_id.in_(list(trace_ids)), SpanRow.status.in_(sorted(FAILED))
    )
    rows = query.order_by(SpanRow.started_at.desc(), SpanRow.span_id).dicts().execute(database)
    return tuple(FailedSpan(**row) for row in rows)


def slowest_traces(
    database: Database, *, since: int, audiences: Collection[str] | None = None, limit: int
) -> tuple[TraceSummary, ...]:
    """Those that took longest, longest first."""
    query = visible(audiences).where(
        TraceRow.started_at >= since, TraceRow.duration_ns.is_null(False), _not_skipped()
    )
    longest = query.order_by(TraceRow.duration_ns.desc(), TraceRow.trace_id)
    return summaries(database, longest.limit(limit))


def _not_skipped() -> object:
    return TraceRow.decision.is_null() | (TraceRow.decision != "skip")
