"""List the newest traces, page by page, and the spans of one.

`audiences` limits what is found to traces with one of these values in
`storage.model.span.Span.audience`. None finds everything, which only a shell on the database's own
machine may ask for. Times are in nanoseconds since the epoch.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from peewee import SQL, ValuesList, fn

from storage.database.base import Database
from storage.database.models import SpanRow, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.search_words import SearchWords
from storage.model.span import Span, span_of
from storage.queries.cursors import NEWER, Cursor, beyond, nearest_first, parse_cursor
from storage.queries.filters import conditions, for_each_agent
from storage.queries.search import COLUMNS, Row, Search, rows_of
from storage.store.grains import HOUR_NS

LONGEST_TURN_NS = 2 * HOUR_NS
"""How long before a period the turns begin that are looked for in it. The index knows when a turn
began, and not when it ended or failed."""


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
    page = listing.page(words.strip(), limit)
    if place is not None and place.newer and len(page.traces) < limit:
        # This is the beginning of the list: show a full page of it, with what came since.
        listing = replace(listing, place=None)
        page = listing.page(words.strip(), limit)
    return page


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

    def page(self, words: str, limit: int) -> Page:
        """Return the page of those that contain all *words*, if there are any. Raises `BadSearch`.

        The traces of each agent that is meant are read by itself, and then merged.
        """
        meant = for_each_agent(self.database, self.filters, audiences=self.audiences)
        found = [replace(self, filters=each).find(words, limit + 1) for each in meant]
        last = max(last for _, last in found)
        rows = [row for some, _ in found for row in some if row[1] > last or not last]
        rows.sort(key=lambda row: (row[1], row[0]), reverse=not self.newer)
        page = self._page(_summaries(rows[: limit + 1]), limit)
        return page if page.next or not last else replace(page, next=f"{last + 1}-0")

    def find(self, words: str, count: int) -> tuple[list[Row], int]:
        """Return the nearest, and the start of those that were not read; 0 if there are none.

        The agent of the filters is of exactly that name.
        """
        if not words:
            return rows_of(self.database, self._listed(count)), 0
        search = Search(
            database=self.database,
            words=SearchWords(words),
            count=count,
            newest=self._nearest,
            newest_seen=self._seen,
            newer=self.newer,
        )
        if search.can_use_index():
            # Of all people, so that somebody who may see few traces need not wait for long.
            can_be_slow = self.audiences is not None and not self.newer
            recent = self._started_at(self._wanted(), after=RECENT) if can_be_slow else 0
            return search.ask_index(recent=recent), 0
        if self.newer:  # They were read on the way to this place.
            return search.read(since=0), 0
        # Of a filter, such as a channel, the cursor must not tell how much others asked there.
        is_seen = self.filters.has_index and self.audiences is not None
        seen = [_is_for(self.audiences or ())] if is_seen else []
        last = self._started_at([*self._wanted(), *seen], after=SEARCHED)
        return search.read(since=last + 1), last

    def _wanted(self, since: int = 0) -> list[Any]:
        # SQLite looks at one earliest start only, so it is the place of newer ones.
        newest = self.place.started_at if self.place is not None and self.place.newer else 0
        begun = TraceRow.started_at >= max(since, self.earliest, newest)
        skipped = [] if self.skipped else [NOT_SKIPPED]
        place = [] if self.place is None else [beyond(self.place)]
        return [begun, *conditions(self.database, self.filters), *skipped, *place]

    def _listed(self, limit: int) -> Any:
        if self.audiences is not None or self.filters.has_index or self.filters == ANY:
            return self._seen(limit=limit)
        # Their ids first: PostgreSQL has what is compared in the index that has the ids, too, and
        # reads no trace that is left out.
        order = nearest_first(newer=self.newer)
        ids = TraceRow.select(TraceRow.trace_id).where(*self._wanted()).order_by(*order)
        return visible(None).where(TraceRow.trace_id.in_(ids.limit(limit))).order_by(*order)

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
