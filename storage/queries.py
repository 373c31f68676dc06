"""Every SELECT that people's questions need. Filters are keyword-only; answers are frozen values.

`audiences` is who asks, as `storage.span.Span.audience` names it: the ids whose traces may be
seen. None asks for all there is, which only a shell on the database's own machine may.
Times are nanoseconds since the epoch.
"""

from collections.abc import Collection
from dataclasses import dataclass

from peewee import Database

from storage.span import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """One row of a list: what one turn, command or call came to. `cost` is in micro-dollars."""

    trace_id: str
    name: str
    status: str
    platform: str | None
    audience: str | None
    team: str | None
    channel: str | None
    thread_ts: str | None
    message_ts: str | None
    user: str | None
    agent: str | None
    provider: str | None
    model: str | None
    started_at: int
    ended_at: int | None
    duration_ns: int | None
    span_count: int
    error_count: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost: int | None
    decision: str | None
    """`answer` or `skip` where the bot had to decide, else None."""
    reason: str | None
    text: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Traces, newest first, and the cursor of the next page, None at the end."""

    traces: tuple[TraceSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One line of statistics. Percentiles are nanoseconds, None where nothing ended."""

    key: str
    traces: int
    errors: int
    p50_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int | None


@dataclass(frozen=True, slots=True)
class Statistics:
    since: int
    until: int
    total: Group
    groups: tuple[Group, ...]


class BadCursor(ValueError):
    """The cursor is not one that an earlier page gave."""


def recent_traces(
    database: Database,
    *,
    audiences: Collection[str] | None = None,
    words: str = "",
    agent: str | None = None,
    status: str | None = None,
    channel: str | None = None,
    user: str | None = None,
    platform: str | None = None,
    since: int | None = None,
    skipped: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page:
    """The newest traces that fit every filter; `skipped` also lists turns that were only skipped.

    Raises `BadCursor`."""
    raise NotImplementedError


def traces_by_id(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[TraceSummary, ...]:
    """The traces whose id begins with `prefix`; more than one when the prefix is too short."""
    raise NotImplementedError


def thread_traces(
    database: Database,
    *,
    channel: str,
    thread_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """All turns of one thread, oldest first, skipped ones included."""
    raise NotImplementedError


def message_traces(
    database: Database,
    *,
    channel: str,
    message_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """The traces of one message, oldest first."""
    raise NotImplementedError


def running_traces(
    database: Database, *, audiences: Collection[str] | None = None, limit: int = 50
) -> tuple[TraceSummary, ...]:
    """What runs now, longest first."""
    raise NotImplementedError


def trace_spans(database: Database, trace_id: str) -> tuple[Span, ...]:
    """The spans of one trace, by start. Parents that are not stored are still named."""
    raise NotImplementedError


def statistics(
    database: Database,
    *,
    since: int,
    until: int,
    by: str | None = None,
    audiences: Collection[str] | None = None,
) -> Statistics:
    """Counts, percentiles (within 1%), tokens and cost from the rollups.

    `by` is a dimension of `storage.models.RollupRow`, or `hour`; groups come most traces first
    (hours in their order), keys as stored: an hour is its start in nanoseconds."""
    raise NotImplementedError


def private_audiences(database: Database, *, team: str) -> frozenset[str]:
    """The private channels and group DMs of a team that have traces (ids that begin with C or G)."""
    raise NotImplementedError
