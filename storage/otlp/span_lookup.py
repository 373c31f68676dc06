"""What is stored already, as `storage.otlp.correlation` asks for it."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection

from peewee import Database

from storage.database.models import SpanRow
from storage.database.statements import Statement
from storage.model.span import Span, span_of
from storage.model.trace_context import Ids

REMEMBERED = 1_000
ABSENT_S = 5.0
"""How long a span that was not there is not asked for again."""

LOOKED_UP = 100
"""How many trace ids one statement asks for."""


class StoredRecord:
    """Looks spans up, and remembers the last of them. Not for several threads at once."""

    def __init__(
        self,
        database: Database,
        *,
        flush: Callable[[], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`flush` stores what waits: a span may be asked for as soon as it has begun."""
        self._database = database
        self._flush = flush
        self._now = now
        self._found: OrderedDict[Ids, tuple[Span | None, float]] = OrderedDict()

    def span(self, ids: Ids) -> Span | None:
        span, until = self._found.get(ids, (None, 0.0))
        if span is not None or until > self._now():
            return span
        span = self._select(ids)
        if span is None:
            self._flush()
            span = self._select(ids)
        self._found[ids] = (span, self._now() + ABSENT_S)
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return span

    def ours(self, trace_ids: Collection[str]) -> frozenset[str]:
        asked = list(trace_ids)
        found: set[str] = set()
        for start in range(0, len(asked), LOOKED_UP):
            some = asked[start : start + LOOKED_UP]
            some += some[-1:] * (LOOKED_UP - len(some))
            found.update(trace_id for (trace_id,) in OURS.fetch(self._database, some))
        return frozenset(found)

    def _select(self, ids: Ids) -> Span | None:
        query = SpanRow.select().where(SpanRow.trace_id == ids[0], SpanRow.span_id == ids[1])
        row = query.dicts().execute(self._database)
        return next((span_of(values) for values in row), None)


def _select_ours(database: Database) -> str:
    ids = ", ".join([f"({database.param})"] * LOOKED_UP)
    # The cross join makes SQLite look each id up, rather than all traces through.
    return (
        f"SELECT traces.trace_id FROM (VALUES {ids}) AS sent CROSS JOIN traces "
        "WHERE traces.trace_id = sent.column1 AND traces.platform <> 'otlp'"
    )


OURS = Statement(_select_ours)
