"""Take back what has counted for stored spans that their true form replaces.

In: the spans of a batch, in its transaction. Two forms of a span of ours are replaced when that
comes (`storage.store.batch`, `storage.store.usage`):

- The mark of `storage.writer.abandoned`. A process that stood still for minutes, on a suspended
  machine for example, is taken for dead, and its running spans are marked. Their ends come after
  all.
- What others sent under its id. A program may export to `tracebot collect` the spans that it
  records here as well, and ours may wait in the spool.

The true form adds to summaries and rollups as if nothing had been there, so what the other has
added is subtracted. The latencies of rollups keep it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from storage.database.base import Database
from storage.database.statements import LookUp
from storage.model.span import Span, reports_usage, span_of
from storage.store.deduplication import Key, key_of
from storage.store.facts import add_facts
from storage.store.rollups import additions, difference
from storage.store.span_rows import SPAN_FIELDS
from storage.store.trace_summaries import StoredTrace


def replaced_by(
    database: Database,
    spans: Iterable[Span],
    stored: Mapping[str, StoredTrace],
    *,
    resumed: Collection[Key],
) -> list[Span]:
    """Return the stored forms that some of the spans replace.

    Only `resumed` spans of a trace with errors can have been marked. Others can have been sent only
    before the first form of ours, which is a start or is not resumed.
    """
    keys = [
        (span.trace_id, span.span_id, span.process)
        for span in spans
        if span.process is not None
        and (trace := stored.get(span.trace_id)) is not None
        and (trace.error_count or span.status == "running" or key_of(span) not in resumed)
    ]
    # Several times the same, if there are fewer keys than are looked up at a time.
    rows = dict.fromkeys(map(tuple, REPLACED.rows(database, keys)))
    return [span_of(dict(zip(SPAN_FIELDS, row, strict=True))) for row in rows]


def subtract(database: Database, replaced: Sequence[Span]) -> None:
    """Subtract what these have added to summaries and rollups, but for tokens and cost.

    Those are corrected with all others of the trace, see `storage.store.usage`.
    """
    ended = [span for span in replaced if span.status != "running"]
    errors = Counter(span.trace_id for span in ended if span.failed)
    reporting = Counter(span.trace_id for span in ended if reports_usage(span))
    SUBTRACT.rows(
        database, [(each, errors[each], reporting[each]) for each in {**errors, **reporting}]
    )
    nothing_spent = [
        replace(
            span,
            input_tokens=0 if reports_usage(span) else None,
            output_tokens=None,
            cached_tokens=None,
            cost=None,
        )
        for span in ended
    ]
    add_facts(database, difference(additions(nothing_spent), {}))


_COLUMNS = ", ".join(f'spans."{name}"' for name in SPAN_FIELDS)

# The cross join makes SQLite look up each key. Otherwise it may scan all spans.
REPLACED = LookUp(
    f"SELECT {_COLUMNS} FROM {{keys}} CROSS JOIN {{spans}} WHERE spans.trace_id = column1 "
    "AND spans.span_id = column2 AND (spans.process IS NULL "
    "OR (spans.process = column3 AND spans.status = 'abandoned'))",
    types=("text", "text", "text"),
    at_a_time=50,  # Most batches have a few.
)
SUBTRACT = LookUp(
    "UPDATE traces SET error_count = error_count - column2, usage_count = usage_count - column3 "
    "FROM {keys} WHERE traces.trace_id = column1 RETURNING traces.trace_id",
    types=("text", "bigint", "bigint"),
    at_a_time=50,
)
