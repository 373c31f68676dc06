"""Take back that spans of ours were abandoned, if their ends come after all.

A process that stood still for minutes, on a suspended machine for example, is taken for dead, and
its running spans are marked. In: the spans of a batch, in its transaction. The end of a marked one
replaces it (`storage.store.batch`, `storage.store.usage`), and adds to summaries and rollups as
that of a running span does; so what the mark has added is subtracted.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from storage.database.base import Database
from storage.database.statements import LookUp
from storage.model.span import Span, reports_usage, span_of
from storage.store.facts import add_facts
from storage.store.rollups import additions, difference
from storage.store.span_rows import SPAN_FIELDS
from storage.store.trace_summaries import StoredTrace


def marked_as_abandoned(
    database: Database,
    spans: Iterable[Span],
    stored: Mapping[str, StoredTrace],
    *,
    resumed: Collection[str],
) -> list[Span]:
    """Return the stored form of those of the ended spans that are marked.

    Only `resumed` spans of a trace with errors can be, so hardly any batch needs to look.
    """
    failed = {trace_id for trace_id, trace in stored.items() if trace.error_count}
    if not (failed and resumed):
        return []
    keys = [
        (span.trace_id, span.span_id, span.process)
        for span in spans
        if span.span_id in resumed
        and span.trace_id in failed
        and span.process is not None
        and span.status != "running"
    ]
    # Several times the same, if there are fewer keys than are looked up at a time.
    rows = dict.fromkeys(map(tuple, MARKED.rows(database, keys)))
    return [span_of(dict(zip(SPAN_FIELDS, row, strict=True))) for row in rows]


def subtract(database: Database, marked: Sequence[Span]) -> None:
    """Subtract what these marks have added to summaries and rollups, but for tokens and cost.

    Those are corrected with all others of the trace, see `storage.store.usage`.
    """
    errors = Counter(span.trace_id for span in marked)
    reporting = Counter(span.trace_id for span in marked if reports_usage(span))
    SUBTRACT.rows(
        database, [(trace_id, number, reporting[trace_id]) for trace_id, number in errors.items()]
    )
    nothing_spent = [
        replace(
            span,
            input_tokens=0 if reports_usage(span) else None,
            output_tokens=None,
            cached_tokens=None,
            cost=None,
        )
        for span in marked
    ]
    add_facts(database, difference(additions(nothing_spent), {}))


_COLUMNS = ", ".join(f'spans."{name}"' for name in SPAN_FIELDS)

# The cross join makes SQLite look up each key. Otherwise it may scan all spans.
MARKED = LookUp(
    f"SELECT {_COLUMNS} FROM {{keys}} CROSS JOIN spans WHERE spans.trace_id = column1 "
    "AND spans.span_id = column2 AND spans.process = column3 AND spans.status = 'abandoned'",
    types=("text", "text", "text"),
    at_a_time=250,
)
SUBTRACT = LookUp(
    "UPDATE traces SET error_count = error_count - column2, usage_count = usage_count - column3 "
    "FROM {keys} WHERE traces.trace_id = column1 RETURNING traces.trace_id",
    types=("text", "bigint", "bigint"),
    at_a_time=50,
)
