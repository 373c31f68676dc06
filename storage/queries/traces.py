"""Find traces and spans.

`audiences` limits what is found to traces with one of these values in
`storage.model.span.Span.audience`. None finds everything, which only a shell on the database's own
machine may ask for. Times are in nanoseconds since the epoch.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from peewee import SQL, Database, ValuesList, fn

from storage.database.models import NOT_OK, SpanRow, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.search_words import SearchWords
from storage.model.span import Span, span_of
from storage.queries.filters import conditions
from storage.queries.search import COLUMNS, Row, Search, before, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """The summary of one trace, as in a list. `cost` is in micro-dollars."""

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
    """`answer` or `skip` if the bot had to decide, otherwise None."""
    reason: str | None
    text: str | None
    error_message: str | None
    thumbs_up: int = 0
    thumbs_down: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Traces, newest first, and the cursor of the next page, None on the last page."""

    traces: tuple[TraceSummary, ...]
    next: str | None


class BadCursor(ValueError):
    """The cursor does not come from an earlier page."""


def recent_traces(
    database: Database,
    *,
    audiences: Collection[str] | None = None,
    words: str = "",
    filters: Filters = ANY,
    since: int | None = None,
    skipped: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> Page:
    """Return the newest traces that match every filter.

    Messages that the bot skipped are left out unless `skipped` is true. Each of `words` has to be
    in the name, text, agent or error, see `storage.model.search_words`. Without a full-text index
    they are searched in the newest `SEARCHED` traces that match the other filters, and the next
    page searches the traces before those. Raises `BadCursor` and `BadSearch`.
    """
    wanted = conditions(filters) if skipped else [*conditions(filters), NOT_SKIPPED]
    if cursor is not None:
        wanted.append(before(*_parse_cursor(cursor)))
    filtered = filters.has_index
    earliest = since or 0

    def newest(*conditions: Any, since: int = 0, limit: int) -> Any:
        begun = TraceRow.started_at >= max(since, earliest)
        return _newest(audiences, [begun, *wanted, *conditions], limit)

    def newest_seen(*conditions: Any, since: int = 0, limit: int) -> Any:
        if audiences is None or filtered:
            return newest(*conditions, since=since, limit=limit)
        begun = TraceRow.started_at >= max(since, earliest)
        return _newest_of_each(audiences, [begun, *wanted, *conditions], limit)

    if not words.strip():
        return _page(summaries(database, newest_seen(limit=limit + 1)), limit)
    search = Search(
        database=database,
        words=SearchWords(words),
        count=limit + 1,
        newest=newest,
        newest_seen=newest_seen,
    )
    wanted_since = [TraceRow.started_at >= earliest, *wanted]
    if search.can_use_index():
        # Of all people, so that somebody who may see few traces need not wait for long.
        recent = 0 if audiences is None else _started_at(database, wanted_since, after=RECENT)
        return _page(_summaries(search.ask_index(recent=recent)), limit)
    # Of a filter, such as a channel, the cursor must not tell how much others asked there.
    seen = [_is_for(audiences)] if filtered and audiences is not None else []
    last = _started_at(database, [*wanted_since, *seen], after=SEARCHED)
    page = _page(_summaries(search.read(since=last + 1)), limit)
    return page if page.next or not last else Page(page.traces, f"{last + 1}-0")


def traces_by_id(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[TraceSummary, ...]:
    """Return the traces whose id begins with `prefix`."""
    prefix = prefix.lower()
    query = visible(audiences).where(
        TraceRow.trace_id >= prefix,
        TraceRow.trace_id < prefix + "g",  # The first character after every hex digit.
    )
    return summaries(database, query.order_by(TraceRow.trace_id).limit(limit))


def thread_traces(
    database: Database,
    *,
    channel: str,
    thread_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """Return all traces of one thread, oldest first, skipped messages included."""
    query = visible(audiences).where(TraceRow.channel == channel, TraceRow.thread_ts == thread_ts)
    return summaries(database, query.order_by(TraceRow.started_at))


def message_traces(
    database: Database,
    *,
    channel: str,
    message_ts: str,
    audiences: Collection[str] | None = None,
) -> tuple[TraceSummary, ...]:
    """Return the traces of one message, oldest first."""
    query = visible(audiences).where(TraceRow.channel == channel, TraceRow.message_ts == message_ts)
    return summaries(database, query.order_by(TraceRow.started_at))


def running_traces(
    database: Database,
    *,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int = 50,
) -> tuple[TraceSummary, ...]:
    """Return the traces that are running, oldest first."""
    query = visible(audiences).where(TraceRow.status == "running", NOT_OK, *conditions(filters))
    return summaries(database, query.order_by(TraceRow.started_at).limit(limit))


def slowest_traces(
    database: Database,
    *,
    since: int,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int,
) -> tuple[TraceSummary, ...]:
    """Return the traces that took longest, longest first."""
    ended = TraceRow.duration_ns.is_null(False)
    query = visible(audiences).where(
        TraceRow.started_at >= since, ended, NOT_SKIPPED, *conditions(filters)
    )
    longest = query.order_by(TraceRow.duration_ns.desc(), TraceRow.trace_id)
    return summaries(database, longest.limit(limit))


def trace_spans(database: Database, trace_id: str) -> tuple[Span, ...]:
    """Return the spans of one trace by their start. Their parents need not be stored here."""
    query = SpanRow.select().where(SpanRow.trace_id == trace_id)
    rows = query.order_by(SpanRow.started_at, SpanRow.span_id).dicts().execute(database)
    return tuple(span_of(row) for row in rows)


SUMMARY_FIELDS = (*COLUMNS, *sorted({item.name for item in fields(TraceSummary)} - {*COLUMNS}))
RECENT = 500
"""Among how many of the newest traces, of all people, a search for common words looks first."""

SEARCHED = 20_000
"""How many traces a search without an index reads for one page, which takes about 100 ms."""

NOT_SKIPPED = TraceRow.decision.is_null() | (TraceRow.decision != "skip")
NEWEST = (TraceRow.started_at.desc(), TraceRow.trace_id.desc())


def visible(audiences: Collection[str] | None) -> Any:
    query = TraceRow.select(*(getattr(TraceRow, name) for name in SUMMARY_FIELDS))
    return query if audiences is None else query.where(TraceRow.audience.in_(list(audiences)))


def _newest(audiences: Collection[str] | None, wanted: Sequence[Any], limit: int) -> Any:
    """Select by the index of a filter, which contains the audience, or else by that of the time."""
    query = visible(None).where(*wanted)
    if audiences is not None:
        query = query.where(_is_for(audiences))
    return query.order_by(*NEWEST).limit(limit)


def _is_for(audiences: Collection[str]) -> Any:
    # COALESCE keeps SQLite from using the index on audience: it would read all traces of these
    # audiences and sort them.
    return fn.COALESCE(TraceRow.audience, "").in_(list(audiences))


def _newest_of_each(audiences: Collection[str], wanted: Sequence[Any], limit: int) -> Any:
    """Select the newest traces of each audience, and of those the newest.

    Reading by time alone would pass over the traces of others, for long if these audiences have
    few.
    """
    names = ValuesList([(name,) for name in audiences or ("",)], alias="audiences")
    own = TraceRow.select(TraceRow.trace_id).where(
        TraceRow.audience == SQL('"audiences"."column1"'), *wanted
    )
    ids = own.order_by(*NEWEST).limit(limit)
    query = visible(None).join(names, on=TraceRow.trace_id.in_(ids))
    return query.order_by(*NEWEST).limit(limit)


def _started_at(database: Database, wanted: Sequence[Any], *, after: int) -> int:
    """Return when the trace began that comes after the `after` newest, 0 if there is none."""
    query = TraceRow.select(TraceRow.started_at).where(*wanted)
    newest = query.order_by(TraceRow.started_at.desc()).offset(after).limit(1)
    return int(newest.scalar(database) or 0)


def summaries(database: Database, query: Any) -> tuple[TraceSummary, ...]:
    return _summaries(rows_of(database, query))


def _summaries(rows: Iterable[Row]) -> tuple[TraceSummary, ...]:
    return tuple(TraceSummary(**dict(zip(SUMMARY_FIELDS, row, strict=True))) for row in rows)


def _page(found: tuple[TraceSummary, ...], limit: int) -> Page:
    """Return a page of the first `limit` traces, and its cursor if there are more."""
    if len(found) <= limit:
        return Page(found, None)
    last = found[limit - 1]
    return Page(found[:limit], f"{last.started_at}-{last.trace_id}")


def _parse_cursor(cursor: str) -> tuple[int, str]:
    started_at, _, trace_id = cursor.partition("-")
    if not (started_at.isdecimal() and int(started_at) < 2**63 and trace_id):
        raise BadCursor(f"{cursor!r} is not a cursor: use the one from the previous page.")
    return int(started_at), trace_id
