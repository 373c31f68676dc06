"""Store received spans once, however often they are sent, and count their tokens once.

In: the spans of a batch, in its transaction. Out: those that are new, and those whose usage (tokens
and cost) has to be added to the sums. This is the last step of what `storage.otlp` receives.

An agent's own telemetry reports tokens that our span of the agent reports, too. `Span.within` of
such a span names the *owner* of its usage, which `storage.otlp.correlation` has found. Its own
usage counts only if the owner has ended without reporting any: an agent that was killed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from peewee import Database

from storage.database.models import SpanRow
from storage.database.statements import Statement, compiled
from storage.model.span import WITHIN, Span, span_of

Key = tuple[str, str]
"""A trace id and a span id."""

LOOKED_UP = 250
"""Keys in one statement."""


def unseen(database: Database, spans: Sequence[Span]) -> Sequence[Span]:
    """Return `spans` without received ones that are stored, are ours, or come twice among them."""
    if not any(span.received for span in spans):
        return spans
    keys = [(span.trace_id, span.span_id) for span in spans]
    seen = _stored(database, [key for key, span in zip(keys, spans, strict=True) if span.received])
    seen.update(key for key, span in zip(keys, spans, strict=True) if not span.received)
    fresh: list[Span] = []
    for key, span in zip(keys, spans, strict=True):
        if not (key in seen and span.received):
            seen.add(key)
            fresh.append(span)
    return fresh


def settle(database: Database, spans: Sequence[Span]) -> tuple[Sequence[Span], Sequence[Span]]:
    """Return what counts of just stored spans, and which earlier spans count from now on.

    A span whose usage has another owner is returned without its usage.
    """
    released = [span for ended in _ends_without_usage(spans) for span in _owned_by(database, ended)]
    if released:
        here = {_key(span) for span in spans}
        released = [span for span in released if _key(span) not in here]
    owners = {(span.trace_id, span.within) for span in spans if span.received and span.within}
    owning = {key for key in owners if _owns_usage(database, key)}
    if not owning:
        return spans, released
    counted = [
        _without_usage(span) if span.received and (span.trace_id, span.within) in owning else span
        for span in spans
    ]
    return counted, released


def _without_usage(span: Span) -> Span:
    return replace(span, input_tokens=None, output_tokens=None, cached_tokens=None, cost=None)


def _ends_without_usage(spans: Iterable[Span]) -> Iterator[Key]:
    """Yield the attempts that ended and report no usage."""
    for span in spans:
        ended = span.configured_provider is not None and span.status != "running"
        if ended and not _reports_usage(span.input_tokens, span.output_tokens, span.cost):
            yield _key(span)


def _reports_usage(*figures: int | None) -> bool:
    return any(figure is not None for figure in figures)


def _owns_usage(database: Database, key: Key) -> bool:
    """Return True if the span reports the usage within it, or is running and may still do so."""
    rows = OWNER.fetch(database, key)
    return bool(rows) and (rows[0][0] == "running" or _reports_usage(*rows[0][1:]))


def _owned_by(database: Database, owner: Key) -> Iterator[Span]:
    trace_id, span_id = owner
    mention = f'%"{WITHIN}":"{span_id}"%'
    ids = [found for (found,) in OWNED.fetch(database, (trace_id, mention))]
    if ids:
        query = SpanRow.select().where(SpanRow.trace_id == trace_id, SpanRow.span_id.in_(ids))
        # The pattern also finds texts that only look like the attribute.
        yield from (
            span for span in map(span_of, query.dicts().execute(database)) if span.within == span_id
        )


def _key(span: Span) -> Key:
    return span.trace_id, span.span_id


def _stored(database: Database, keys: Sequence[Key]) -> set[Key]:
    rows = STORED.look_up(database, keys, at_a_time=LOOKED_UP)
    return {(trace_id, span_id) for trace_id, span_id in rows}


def _select_stored(database: Database) -> str:
    pairs = ", ".join([f"({database.param}, {database.param})"] * LOOKED_UP)
    # The cross join makes SQLite look up each key. Otherwise it may scan all spans.
    return (
        f"SELECT spans.trace_id, spans.span_id FROM (VALUES {pairs}) AS sent CROSS JOIN spans "
        "WHERE spans.trace_id = sent.column1 AND spans.span_id = sent.column2"
    )


STORED = Statement(_select_stored)
OWNER = Statement(
    lambda database: compiled(
        SpanRow.select(
            SpanRow.status, SpanRow.input_tokens, SpanRow.output_tokens, SpanRow.cost
        ).where(SpanRow.trace_id == "", SpanRow.span_id == ""),
        database,
    )
)
OWNED = Statement(
    lambda database: compiled(
        SpanRow.select(SpanRow.span_id).where(SpanRow.trace_id == "", SpanRow.attributes ** ""),
        database,
    )
)
