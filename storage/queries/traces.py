"""Find traces and spans.

`audiences` limits what is found to traces with one of these values in
`storage.model.span.Span.audience`. None finds everything, which only a shell on the database's own
machine may ask for. Times are in nanoseconds since the epoch.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import or_
from typing import Any

from peewee import SQL, ValuesList, fn

from storage.database.base import Database
from storage.database.models import NOT_OK, SpanRow, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.search_words import SearchWords
from storage.model.span import Span, span_of
from storage.model.trace_context import short_id
from storage.queries.cursors import NEWER, Cursor, beyond, nearest_first, parse_cursor
from storage.queries.filters import conditions
from storage.queries.search import COLUMNS, Row, Search, rows_of
from storage.store.grains import HOUR_NS

LONGEST_TURN_NS = 2 * HOUR_NS
"""How long before a period the turns begin that are looked for in it. The index knows when a turn
began, and not when it ended or failed."""

AT_ONCE = 100
"""So many ids are looked up by one query: Peewee nests the conditions of an *or*."""


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
    """Traces, newest first, and the cursors of the pages with older and with newer ones.

    They are None on the last and on the first page.
    """

    traces: tuple[TraceSummary, ...]
    next: str | None
    previous: str | None = None


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
    page searches the traces before those. `cursor` is the `next` or the `previous` of another page.
    Raises `BadCursor` and `BadSearch`.
    """
    place = None if cursor is None else parse_cursor(cursor)
    listing = _Listing(
        database=database,
        audiences=audiences,
        filters=filters,
        earliest=since or 0,
        skipped=skipped,
        place=place,
    )
    page = listing.search(words, limit) if words.strip() else listing.page(limit)
    if place is not None and place.newer and len(page.traces) < limit:
        # This is the beginning of the list: show a full page of it, with what came since.
        listing = replace(listing, place=None)
        page = listing.search(words, limit) if words.strip() else listing.page(limit)
    return page


def traces_by_id(
    database: Database, prefix: str, *, audiences: Collection[str] | None = None, limit: int = 5
) -> tuple[TraceSummary, ...]:
    """Return the traces whose id begins with `prefix`."""
    prefix = prefix.lower()
    query = visible(audiences).where(_begins_with(prefix))
    return summaries(database, query.order_by(TraceRow.trace_id).limit(limit))


def short_ids(database: Database, trace_ids: Collection[str]) -> dict[str, str]:
    """Return for each id its first digits, or the whole ids if they are not unique.

    Ids of other programs may begin with the same digits, such as zeros.
    """
    ids = set(trace_ids)
    short = {each: short_id(each) for each in ids}
    prefixes = sorted(set(short.values()))
    is_unique = len(prefixes) == len(ids) and all(
        _beginning_with(database, prefixes[at : at + AT_ONCE]) <= ids
        for at in range(0, len(prefixes), AT_ONCE)
    )
    return short if is_unique else {each: each for each in ids}


def _beginning_with(database: Database, prefixes: Sequence[str]) -> set[str]:
    """Return the ids that begin so, at most one more than there are prefixes."""
    one_of = reduce(or_, [_begins_with(each) for each in prefixes])
    query = TraceRow.select(TraceRow.trace_id).where(one_of)
    return {row[0] for row in rows_of(database, query.limit(len(prefixes) + 1))}


def _begins_with(prefix: str) -> Any:
    # "g" is the first character after every hex digit.
    return (TraceRow.trace_id >= prefix) & (TraceRow.trace_id < f"{prefix}g")


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
    """Return the traces that are running, oldest first; without answers to commands."""
    query = visible(audiences).where(
        TraceRow.status == "running", NOT_OK, NOT_SKIPPED, *conditions(filters)
    )
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


def visible(audiences: Collection[str] | None) -> Any:
    query = TraceRow.select(*(getattr(TraceRow, name) for name in SUMMARY_FIELDS))
    return query if audiences is None else query.where(TraceRow.audience.in_(list(audiences)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """The traces that match all filters, from a place on; None is the newest trace."""

    database: Database
    audiences: Collection[str] | None
    filters: Filters
    earliest: int
    skipped: bool
    place: Cursor | None

    @property
    def newer(self) -> bool:
        return self.place is not None and self.place.newer

    def page(self, limit: int) -> Page:
        return self._page(summaries(self.database, self._seen(limit=limit + 1)), limit)

    def search(self, words: str, limit: int) -> Page:
        """Return the page of those that contain all *words*. Raises `BadSearch`."""
        search = Search(
            database=self.database,
            words=SearchWords(words),
            count=limit + 1,
            newest=self._nearest,
            newest_seen=self._seen,
            newer=self.newer,
        )
        if search.can_use_index():
            # Of all people, so that somebody who may see few traces need not wait for long.
            can_be_slow = self.audiences is not None and not self.newer
            recent = self._started_at(self._wanted(), after=RECENT) if can_be_slow else 0
            return self._page(_summaries(search.ask_index(recent=recent)), limit)
        if self.newer:  # They were read on the way to this place.
            return self._page(_summaries(search.read(since=0)), limit)
        return self._read(search, limit)

    def _read(self, search: Search, limit: int) -> Page:
        # Of a filter, such as a channel, the cursor must not tell how much others asked there.
        is_seen = self.filters.has_index and self.audiences is not None
        seen = [_is_for(self.audiences or ())] if is_seen else []
        last = self._started_at([*self._wanted(), *seen], after=SEARCHED)
        page = self._page(_summaries(search.read(since=last + 1)), limit)
        return page if page.next or not last else replace(page, next=f"{last + 1}-0")

    def _wanted(self, since: int = 0) -> list[Any]:
        # SQLite looks at one earliest start only, so it is the place of newer ones.
        newest = self.place.started_at if self.place is not None and self.place.newer else 0
        begun = TraceRow.started_at >= max(since, self.earliest, newest)
        skipped = [] if self.skipped else [NOT_SKIPPED]
        place = [] if self.place is None else [beyond(self.place)]
        return [begun, *conditions(self.filters), *skipped, *place]

    def _nearest(self, *conditions: Any, since: int = 0, limit: int) -> Any:
        """Select by the index of a filter, which has the audience, or else by that of the time."""
        query = visible(None).where(*self._wanted(since), *conditions)
        if self.audiences is not None:
            query = query.where(_is_for(self.audiences))
        return query.order_by(*nearest_first(newer=self.newer)).limit(limit)

    def _seen(self, *conditions: Any, since: int = 0, limit: int) -> Any:
        """Select the nearest traces of each audience, and of those the nearest.

        Reading by time alone would pass over the traces of others, for long if these audiences have
        few.
        """
        if self.audiences is None or self.filters.has_index:
            return self._nearest(*conditions, since=since, limit=limit)
        names = ValuesList([(name,) for name in self.audiences or ("",)], alias="audiences")
        own = TraceRow.select(TraceRow.trace_id).where(
            TraceRow.audience == SQL('"audiences"."column1"'), *self._wanted(since), *conditions
        )
        order = nearest_first(newer=self.newer)
        query = visible(None).join(
            names, on=TraceRow.trace_id.in_(own.order_by(*order).limit(limit))
        )
        return query.order_by(*order).limit(limit)

    def _started_at(self, wanted: Sequence[Any], *, after: int) -> int:
        """Return when the trace began that comes after the `after` newest, 0 if there is none."""
        query = TraceRow.select(TraceRow.started_at).where(*wanted)
        newest = query.order_by(TraceRow.started_at.desc()).offset(after).limit(1)
        return int(newest.scalar(self.database) or 0)

    def _page(self, found: tuple[TraceSummary, ...], limit: int) -> Page:
        """Make a page of the first `limit` of the traces, which are the nearest first."""
        traces = found[:limit]
        if self.newer:
            traces = traces[::-1]
        if not traces:
            return Page((), None, None if self.place is None else f"{NEWER}{self.place}")
        is_more = len(found) > limit
        older = str(_place_of(traces[-1])) if is_more or self.newer else None
        newer = str(_place_of(traces[0], newer=True)) if is_more or not self.newer else None
        return Page(traces, older, newer if self.place is not None else None)


def _place_of(trace: TraceSummary, *, newer: bool = False) -> Cursor:
    return Cursor(trace.started_at, trace.trace_id, newer=newer)


def _is_for(audiences: Collection[str]) -> Any:
    # COALESCE keeps SQLite from using the index on audience: it would read all traces of these
    # audiences and sort them.
    return fn.COALESCE(TraceRow.audience, "").in_(list(audiences))


def summaries(database: Database, query: Any) -> tuple[TraceSummary, ...]:
    return _summaries(rows_of(database, query))


def _summaries(rows: Iterable[Row]) -> tuple[TraceSummary, ...]:
    return tuple(TraceSummary(**dict(zip(SUMMARY_FIELDS, row, strict=True))) for row in rows)
