"""What other processes send: stored once, however often it comes, and its tokens counted once.

An agent's own telemetry tells of tokens that our span of the agent tells of, too. Such a span
names the one that speaks for it, `Span.within`, and adds up only when that one has
ended and says nothing of tokens or cost: an agent that was killed.
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
"""How many keys one statement asks for."""


def unseen(database: Database, spans: Sequence[Span]) -> Sequence[Span]:
    """Without those received spans that are stored already, or come twice in `spans`."""
    if not any(span.received for span in spans):
        return spans
    keys = [(span.trace_id, span.span_id) for span in spans]
    seen = _stored(database, [key for key, span in zip(keys, spans, strict=True) if span.received])
    fresh: list[Span] = []
    for key, span in zip(keys, spans, strict=True):
        if not (key in seen and span.received):
            seen.add(key)
            fresh.append(span)
    return fresh


def settle(database: Database, spans: Sequence[Span]) -> tuple[Sequence[Span], Sequence[Span]]:
    """What of just stored spans adds up, and which earlier ones add up from now on.

    A span that another speaks for is there without its tokens and cost.
    """
    released = [span for ended in _silent_ends(spans) for span in _under(database, ended)]
    if released:
        here = {_key(span) for span in spans}
        released = [span for span in released if _key(span) not in here]
    speakers = {(span.trace_id, span.within) for span in spans if span.received and span.within}
    speaking = {key for key in speakers if _speaks(database, key)}
    if not speaking:
        return spans, released
    counted = [
        _silenced(span) if span.received and (span.trace_id, span.within) in speaking else span
        for span in spans
    ]
    return counted, released


def _silenced(span: Span) -> Span:
    return replace(span, input_tokens=None, output_tokens=None, cached_tokens=None, cost=None)


def _silent_ends(spans: Iterable[Span]) -> Iterator[Key]:
    """Attempts that ended and say nothing of what they spent."""
    for span in spans:
        ended = span.configured_provider is not None and span.status != "running"
        if ended and not _tells(span.input_tokens, span.output_tokens, span.cost):
            yield _key(span)


def _tells(*figures: int | None) -> bool:
    return any(figure is not None for figure in figures)


def _speaks(database: Database, key: Key) -> bool:
    """Whether it tells what was spent within it, or may yet."""
    rows = SPEAKER.fetch(database, key)
    return bool(rows) and (rows[0][0] == "running" or _tells(*rows[0][1:]))


def _under(database: Database, speaker: Key) -> Iterator[Span]:
    trace_id, span_id = speaker
    mention = f'%"{WITHIN}":"{span_id}"%'
    ids = [found for (found,) in WITHIN_IT.fetch(database, (trace_id, mention))]
    if ids:
        query = SpanRow.select().where(SpanRow.trace_id == trace_id, SpanRow.span_id.in_(ids))
        for row in query.dicts().execute(database):
            yield span_of(row)


def _key(span: Span) -> Key:
    return span.trace_id, span.span_id


def _stored(database: Database, keys: Sequence[Key]) -> set[Key]:
    rows = STORED.look_up(database, keys, at_a_time=LOOKED_UP)
    return {(trace_id, span_id) for trace_id, span_id in rows}


def _select_stored(database: Database) -> str:
    pairs = ", ".join([f"({database.param}, {database.param})"] * LOOKED_UP)
    # The cross join makes SQLite look each key up, rather than all spans through.
    return (
        f"SELECT spans.trace_id, spans.span_id FROM (VALUES {pairs}) AS sent CROSS JOIN spans "
        "WHERE spans.trace_id = sent.column1 AND spans.span_id = sent.column2"
    )


STORED = Statement(_select_stored)
SPEAKER = Statement(
    lambda database: compiled(
        SpanRow.select(
            SpanRow.status, SpanRow.input_tokens, SpanRow.output_tokens, SpanRow.cost
        ).where(SpanRow.trace_id == "", SpanRow.span_id == ""),
        database,
    )
)
WITHIN_IT = Statement(
    lambda database: compiled(
        SpanRow.select(SpanRow.span_id).where(SpanRow.trace_id == "", SpanRow.attributes ** ""),
        database,
    )
)
