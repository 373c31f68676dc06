"""Count thumbs in the rollups: how many people rate the answer of a trace good, how many bad.

The summary of a trace has the numbers, and the rollups always hold what `counted` returns for them:
whatever stores scores, or spans on which their place depends, corrects both by the difference, in
its own transaction. So it does not matter whether a trace or its scores are stored first.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from storage.database.base import Database
from storage.database.models import RATED_DOWN, RATED_UP, SpanRow, TraceRow
from storage.database.statements import LookUp
from storage.model.span import Span, reports_usage, span_of
from storage.store.facts import add_facts
from storage.store.grains import HOUR_NS
from storage.store.rollups import CALL, CONTEXT, Addition, Key, difference
from storage.store.scores import scores_of


def rated_traces(database: Database, spans: Iterable[Span]) -> list[str]:
    """Return those of the spans' traces that have scores which these spans may give a place."""
    ids = {each.trace_id: None for each in spans if each.parent_id is None or _is_call(each)}
    return scored_traces(database, ids)


def scored_traces(database: Database, trace_ids: Iterable[str]) -> list[str]:
    """Return those of these traces that have scores."""
    keys = [(trace_id,) for trace_id in trace_ids]
    found = SCORED.rows(database, keys)
    return list({trace_id: None for (trace_id,) in found})


@contextmanager
def recounted(database: Database, trace_ids: Collection[str]) -> Iterator[None]:
    """Count the thumbs of these traces anew after the block, which stores spans or scores.

    The caller has begun a transaction.
    """
    before = counted(database, trace_ids)
    yield
    count_in_summaries(database, trace_ids)
    add_facts(database, difference(before, counted(database, trace_ids)))


def count_in_summaries(database: Database, trace_ids: Collection[str]) -> None:
    """Set the numbers of thumbs in the summaries of these traces. Changes no rollups."""
    thumbs = Counter((score.trace_id, score.thumb) for score in scores_of(database, trace_ids))
    for trace_id in trace_ids:
        TraceRow.update(
            thumbs_up=thumbs[trace_id, "up"], thumbs_down=thumbs[trace_id, "down"]
        ).where(TraceRow.trace_id == trace_id).execute(database)


def counted(database: Database, trace_ids: Collection[str]) -> dict[Key, Addition]:
    """Return what the thumbs in the summaries of these traces add to the rollups, by hour.

    They count where the trace counts, through its root, and for the provider and model of the call
    that gave its answer.
    """
    thumbs = _thumbs(database, trace_ids)
    hours: defaultdict[Key, Addition] = defaultdict(Addition)
    for trace_id, spans in _spans(database, list(thumbs)).items():
        for span, dimension, key in _places(spans):
            hour = span.started_at - span.started_at % HOUR_NS
            hours["hour", hour, dimension, key, span.audience or ""].add(thumbs[trace_id])
    return hours


def _thumbs(database: Database, trace_ids: Collection[str]) -> dict[str, Addition]:
    if not trace_ids:
        return {}
    columns = (TraceRow.trace_id, TraceRow.thumbs_up, TraceRow.thumbs_down)
    query = TraceRow.select(*columns).where(
        TraceRow.trace_id.in_(list(trace_ids)), RATED_UP | RATED_DOWN
    )
    return {
        trace_id: Addition(thumbs_up=up, thumbs_down=down)
        for trace_id, up, down in query.tuples().execute(database)
    }


def _spans(database: Database, trace_ids: Collection[str]) -> dict[str, list[Span]]:
    """Return the roots and calls of these traces."""
    if not trace_ids:
        return {}
    calls = SpanRow.provider.is_null(False) | SpanRow.model.is_null(False)
    query = SpanRow.select().where(
        SpanRow.trace_id.in_(list(trace_ids)), SpanRow.parent_id.is_null() | calls
    )
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for span in map(span_of, query.dicts().execute(database)):
        spans[span.trace_id].append(span)
    return spans


def _places(spans: Sequence[Span]) -> Iterator[tuple[Span, str, str]]:
    """Yield the dimensions and keys that the thumbs of a trace count for, each with its span."""
    roots = [span for span in spans if span.parent_id is None]
    # Ours, if others have sent one, too.
    root = min(roots, key=lambda span: (span.process is None, _start(span)), default=None)
    if root is None or root.decision == "skip":
        return
    yield root, "all", ""
    yield from _keys(root, CONTEXT)
    calls = [span for span in spans if _is_call(span) and span.ended_at is not None]
    if calls:
        yield from _keys(max(calls, key=_answers), CALL)


def _keys(span: Span, dimensions: Iterable[str]) -> Iterator[tuple[Span, str, str]]:
    for dimension in dimensions:
        if (key := getattr(span, dimension)) is not None:
            yield span, dimension, key


def _start(span: Span) -> tuple[int, str]:
    return span.started_at, span.span_id


def _is_call(span: Span) -> bool:
    return span.configured_provider is not None or reports_usage(span)


def _answers(span: Span) -> tuple[bool, bool, int, str]:
    """Sort the call that gave the answer last: one of our agents, the last one without an error."""
    ours = span.configured_provider is not None
    return ours, span.status == "ok", span.ended_at or 0, span.span_id


SCORED = LookUp("SELECT trace_id FROM scores WHERE trace_id {is_one}", at_a_time=50)
