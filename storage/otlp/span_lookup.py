"""Look up stored spans for `storage.otlp.correlation`, and remember the answers.

In: ids that senders name. Out: the stored spans, or which traces are local. Next, once the writer
stores the batch: `storage.store.deduplication`.
"""

import time
from collections.abc import Callable, Collection

from cachetools import TTLCache

from storage.database.base import Database
from storage.database.models import SpanRow
from storage.database.statements import LookUp
from storage.model.span import Span, span_of
from storage.model.trace_context import Ids

REMEMBERED = 1_000
"""Spans remembered, and as many ids that were not found."""

FOUND_S = 60.0
"""How long a span is remembered. It may end, or be removed by retention."""

ABSENT_S = 1.0
"""How long an id that was not found is not looked up again."""

FLUSH_S = 0.25
"""How often what is queued is stored because an id was not found."""


class SpanLookup:
    """Look spans up and remember the latest. For one thread at a time."""

    def __init__(
        self,
        database: Database,
        *,
        flush: Callable[[], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `flush`, which stores what is queued: a span may be named as soon as it starts."""
        self._database = database
        self._flush = flush
        self._found: TTLCache[Ids, Span] = TTLCache(REMEMBERED, ttl=FOUND_S, timer=now)
        self._absent: TTLCache[Ids, bool] = TTLCache(REMEMBERED, ttl=ABSENT_S, timer=now)
        self._now = now
        self._flushed_at = float("-inf")

    def span(self, ids: Ids) -> Span | None:
        """Return the stored span with these ids, or None."""
        span: Span | None = self._found.get(ids)
        if span is not None or ids in self._absent:
            return span
        span = self._select(ids)
        if span is None and self._now() >= self._flushed_at + FLUSH_S:
            # Not for each of many ids that somebody has made up.
            self._flush()
            self._flushed_at = self._now()
            span = self._select(ids)
        if span is None:
            self._absent[ids] = True
        else:
            self._found[ids] = span
        return span

    def local_traces(self, trace_ids: Collection[str]) -> frozenset[str]:
        """Return those of `trace_ids` that were recorded here rather than received."""
        keys = [(trace_id,) for trace_id in trace_ids]
        rows = LOCAL.rows(self._database, keys)
        return frozenset(trace_id for (trace_id,) in rows)

    def _select(self, ids: Ids) -> Span | None:
        query = SpanRow.select().where(SpanRow.trace_id == ids[0], SpanRow.span_id == ids[1])
        row = query.dicts().execute(self._database)
        return next((span_of(values) for values in row), None)


# The cross join makes SQLite look up each id. Otherwise it may scan all traces.
LOCAL = LookUp(
    "SELECT traces.trace_id FROM {keys} CROSS JOIN traces "
    "WHERE traces.trace_id = column1 AND traces.platform <> 'otlp'",
    at_a_time=100,
)
