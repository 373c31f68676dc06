"""Find the traces and spans that failed.

See `storage.queries.traces` for `audiences`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from storage.database.base import Database
from storage.database.models import SpanRow, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.fingerprint import fingerprint
from storage.model.span import FAILED_STATUSES
from storage.queries.cursors import NEWEST_FIRST
from storage.queries.filters import all_conditions
from storage.queries.traces import (
    NOT_SKIPPED,
    TraceSummary,
    summaries,
    visible,
)

LOOKED_UP = 500
"""Traces whose failed spans one query reads."""

LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSpan:
    """A span that failed. `error_type` is None if its process died before it could say why."""

    trace_id: str
    name: str
    team: str | None
    agent: str | None
    status: str
    started_at: int
    error_type: str | None
    error_message: str | None

    @property
    def issue(self) -> str:
        """The fingerprint of its issue."""
        error_type = self.error_type or self.status
        return fingerprint(
            team=self.team, error_type=error_type, agent=self.agent, message=self.error_message
        )


def failed_traces(
    database: Database,
    *,
    since: int,
    until: int | None = None,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int,
) -> tuple[TraceSummary, ...]:
    """Return the newest traces with an error, even if the user got an answer."""
    query = visible(audiences).where(
        TraceRow.started_at >= since,
        TraceRow.started_at < (until or LATEST),
        TraceRow.error_count > 0,
        NOT_SKIPPED,
        *all_conditions(database, filters, audiences=audiences),
    )
    return summaries(database, query.order_by(*NEWEST_FIRST).limit(limit))


def failed_spans(
    database: Database, trace_ids: Collection[str], *conditions: Any
) -> tuple[FailedSpan, ...]:
    """Return the failed spans of these traces, newest first, that meet further *conditions*."""
    query = SpanRow.select(*(getattr(SpanRow, item.name) for item in fields(FailedSpan))).where(
        SpanRow.trace_id.in_(list(trace_ids)),
        SpanRow.status.in_(sorted(FAILED_STATUSES)),
        *conditions,
    )
    newest_first = SpanRow.started_at.desc(), SpanRow.trace_id.desc(), SpanRow.span_id
    rows = query.order_by(*newest_first).dicts().execute(database)
    return tuple(FailedSpan(**row) for row in rows)


def last_failed_calls(database: Database) -> Mapping[str, FailedSpan]:
    """Return the newest failed call of each agent, by the agent's name.

    A call has failed if none of the agent's providers answered, whatever other agents did that were
    asked beside it. It is looked for in the newest `LOOKED_UP` traces that failed in each way.
    """
    calls: list[FailedSpan] = []
    for status in FAILED_STATUSES:
        failed = Filters(status=status)
        traces = failed_traces(database, since=0, filters=failed, limit=LOOKED_UP)
        # Others may use our names.
        ours = (SpanRow.process.is_null(False), SpanRow.scope.is_null())
        spans = failed_spans(database, [trace.trace_id for trace in traces], *ours)
        calls += (span for span in spans if span.name == f"invoke_agent {span.agent}")
    calls.sort(key=attrgetter("started_at"))
    return {call.agent: call for call in calls if call.agent}
