"""Keep one summary row for each trace, updated in the transaction that stores its spans.

A summary of ours is made of our own spans: what other processes send adds figures to it and names
models, and changes nothing else. Otherwise an agent could move, hide or age the trace of its turn.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, is_not
from typing import Any

from peewee import EXCLUDED, SQL, Case, fn

from storage.database.base import Database
from storage.database.models import TraceRow
from storage.database.statements import LookUp, Statement, compiled, insert
from storage.model.span import Span
from storage.store.counting import FIGURES, Figures
from storage.store.deduplication import Key, key_of
from storage.store.sums import bounded, bounded_sum
from storage.store.usage import Usage

SUMMED = ("span_count", "error_count", "usage_count", *FIGURES)
KEPT = (
    *("platform", "audience", "team", "channel", "thread_ts", "message_ts", "user", "agent"),
    *("provider", "model", "decision", "reason", "text", "error_message"),
)
"""Fields that a summary takes from the first span that has them."""

ROOT_FIELDS = ("rooted", "name", "status", "started_at", "ended_at", "duration_ns")
"""Fields that it takes from the root, in the order of the model, as Peewee's UPDATE has them."""

TRACE_FIELDS = ("trace_id", *ROOT_FIELDS, *SUMMED, *KEPT)

ENTRY, THEIR_ROOT, OUR_ROOT = 0, 1, 2
"""Values of `rooted`: how sure it is that a summary has the right root. The higher one stays."""

COUNTED = -2
"""Stored of a trace that its entry span has been counted for, until the root has ended."""

NO_ROOT = -1
"""Stands for them in what is added to a stored summary whose root stays."""

RECEIVED = "otlp"
"""The platform of a trace that has no span of ours."""

LATEST = 2**63 - 1
"""A start that is earlier than no other."""

_received = attrgetter("received")
_kept = attrgetter(*KEPT)
_figures = attrgetter(*FIGURES)
_is_known: Callable[[Any], bool] = partial(is_not, None)


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """Hold the facts of a stored summary on which the storing of more spans depends."""

    platform: str | None
    rooted: int
    counted: bool
    span_count: int
    usage_count: int
    error_count: int
    agent: str | None


def stored_traces(database: Database, spans: Iterable[Span]) -> dict[str, StoredTrace]:
    """Return those of the spans' traces that have a summary, by id."""
    keys = [(trace_id,) for trace_id in {span.trace_id: None for span in spans}]
    rows = STORED.rows(database, keys)
    # Of a trace that an older tracebot stored, the number is unknown: perhaps there are several.
    return {
        trace_id: StoredTrace(
            platform,
            THEIR_ROOT if rooted == COUNTED else rooted,
            rooted == COUNTED,
            spans,
            2 if usage is None else usage,
            errors,
            agent,
        )
        for trace_id, platform, rooted, spans, usage, errors, agent in rows
    }


def summarise(
    database: Database,
    usage: Usage,
    stored: Mapping[str, StoredTrace],
    *,
    resumed: Collection[Key],
    taken: Collection[Key] = (),
) -> None:
    """Add just stored spans, with their own figures, to the summaries, and correct these.

    `stored` are the summaries as they were before. `resumed` are the keys of spans that were
    stored earlier as running, `taken` of those that others had sent before ours came.
    """
    spans = usage.spans
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    corrections: dict[str, list[Figures]] = {}
    for before, after in usage.corrected:
        corrections.setdefault(before.trace_id, []).append(_difference(before, after))
    rows = [
        (
            *(trace_id, *_identity(members, stored, trace_id)),
            _new_spans(members, resumed, taken),
            *_sums(members, corrections.get(trace_id, ()), usage.reporting.get(trace_id, 0)),
            *map(_first, zip(*_kept_of(members), strict=True)),
        )
        for trace_id, members in traces.items()
    ]
    UPSERT.execute_many(database, rows, stored=stored)
    # The text of a question may become better known while its turn runs: names in place of ids.
    texts = {
        span.trace_id: span.text
        for span in spans
        if span.text and span.status != "running" and _rooted(span) == OUR_ROOT
    }
    TEXTS.rows(database, [pair for pair in texts.items() if pair[0] in stored])
    AGENTS.rows(database, [*_agents_of_roots(traces, stored)])


def _agents_of_roots(
    traces: Mapping[str, Sequence[Span]], stored: Mapping[str, StoredTrace]
) -> Iterator[tuple[str, str]]:
    """Yield the agents of received roots, by trace, where another one's may have been kept.

    Exporters send children first: of several agents, the first to come is not the one that was
    called first. Our own roots are stored when they start.
    """
    for trace_id, members in traces.items():
        trace = stored.get(trace_id)
        if not members[0].received or (trace is None and len(members) == 1):
            continue
        root = _root(members, ENTRY if trace is None else trace.rooted)
        if root is not None and root.received and root.agent is not None:
            yield trace_id, root.agent


def _new_spans(members: Sequence[Span], resumed: Collection[Key], taken: Collection[Key]) -> int:
    if not (resumed or taken):
        return len(members)
    # A span that started and ended within this batch is among the resumed ones, too.
    return sum(
        (key not in resumed or span.status == "running") and key not in taken
        for key, span in zip(map(key_of, members), members, strict=True)
    )


def _kept_of(members: Sequence[Span]) -> Iterable[tuple[Any, ...]]:
    """Return the values to keep of each span, our own spans first."""
    if not any(map(_received, members)):
        return map(_kept, members)
    return [
        # Without the last one, the error message, within a trace of ours: ours may be yet to come.
        (*_kept(span)[:-1], None) if span.received and span.platform != RECEIVED else _kept(span)
        for span in sorted(members, key=_received)
    ]


def _identity(
    members: Sequence[Span], stored: Mapping[str, StoredTrace], trace_id: str
) -> tuple[Any, ...]:
    """Return the root fields, from our own spans if there are any."""
    ours = [span for span in members if not span.received]
    trace = stored.get(trace_id)
    if trace is None:
        root = _root(ours or members)
        return _unknown(ours or members, ENTRY) if root is None else _of_root(root)
    if (root := _root(members, trace.rooted)) is not None:
        fields = _of_root(root)
        # A root that is sent while it runs is sent again, and must not count then either.
        counted = trace.counted and root.received and root.status == "running"
        return (COUNTED, *fields[1:]) if counted else fields
    if ours or trace.platform == RECEIVED:
        return _unknown(ours or members, NO_ROOT)
    return (*_unknown(members, NO_ROOT)[:3], LATEST, None, None)


def _may_be_root(span: Span) -> bool:
    """Return True for a root, and for an entry span, which stands for it until it arrives."""
    return span.parent_id is None or span.entry


def _rooted(span: Span) -> int:
    if span.parent_id is not None:
        return ENTRY
    return THEIR_ROOT if span.received else OUR_ROOT


def _of_root(span: Span) -> tuple[Any, ...]:
    times = (span.started_at, span.ended_at, span.duration_ns)
    return (_rooted(span), span.name, span.status, *times)


def _root(members: Sequence[Span], rooted: int = ENTRY) -> Span | None:
    """Return the span that takes the place of a root, which is as sure as `rooted`; None if none.

    Of several that are equally sure it is the last.
    """
    root: Span | None = None
    for span in members:
        if _may_be_root(span) and _rooted(span) >= rooted:
            root, rooted = span, _rooted(span)
    return root


def _unknown(members: Sequence[Span], rooted: int) -> tuple[Any, ...]:
    start = min(span.started_at for span in members)
    return (rooted, members[0].name, "running", start, None, None)


def _sums(
    members: Sequence[Span], corrections: Sequence[Figures], reporting: int
) -> tuple[int | None, ...]:
    """Return errors, spans with usage, tokens and cost, None if no span reports them."""
    ended = [span for span in members if span.status != "running"]
    columns = zip(*map(_figures, ended), *corrections, strict=True)
    figures = [_sum(column) for column in columns] or [None] * len(FIGURES)
    return (sum(span.failed for span in ended), reporting, *figures)


def _difference(before: Span, after: Span) -> Figures:
    """Return what a correction adds to each figure, None where nothing counted."""
    one, other = _figures(before), _figures(after)
    differences = [
        None if old is None else (new or 0) - old for old, new in zip(one, other, strict=True)
    ]
    return (differences[0], differences[1], differences[2], differences[3])


def _sum(column: tuple[int | None, ...]) -> int | None:
    if column.count(None) == len(column):
        return None
    return bounded((sum(value for value in column if value is not None),))[0]


def _first(column: tuple[Any, ...]) -> Any:
    if column[0] is not None or column.count(None) == len(column):
        return column[0]
    return next(filter(_is_known, column))


def _upsert(database: Database) -> str:
    def summed(name: str) -> Any:
        old, new = getattr(TraceRow, name), getattr(EXCLUDED, name)
        return fn.COALESCE(bounded_sum(TraceRow, name), old, new)

    # True if others sent spans with the trace's id before our own first one was stored.
    adopted = SQL(f"traces.platform = '{RECEIVED}' AND excluded.platform <> '{RECEIVED}'")

    def kept(name: str) -> Any:
        old, new = getattr(TraceRow, name), getattr(EXCLUDED, name)
        return Case(None, [(adopted, fn.COALESCE(new, old))], fn.COALESCE(old, new))

    has_root = SQL(f"excluded.rooted <> {NO_ROOT}")

    def of_root(name: str) -> Any:
        return Case(None, [(has_root, getattr(EXCLUDED, name))], getattr(TraceRow, name))

    earlier = Case(
        None,
        [
            (has_root, EXCLUDED.started_at),
            (adopted, EXCLUDED.started_at),
            # Once the root is stored, it alone says when the trace began.
            (
                SQL("traces.rooted = 0 AND excluded.started_at < traces.started_at"),
                EXCLUDED.started_at,
            ),
        ],
        TraceRow.started_at,
    )
    upsert = insert(TraceRow, TRACE_FIELDS).on_conflict(
        conflict_target=[TraceRow.trace_id],
        update={
            # All in one statement: on a server, each UPDATE of a row writes to all of its indexes.
            **{name: of_root(name) for name in ROOT_FIELDS},
            "started_at": earlier,
            **{name: summed(name) for name in SUMMED},
            # Remains unknown if it was.
            "usage_count": TraceRow.usage_count + EXCLUDED.usage_count,
            **{name: kept(name) for name in KEPT},
        },
    )
    return compiled(upsert, database)


UPSERT = Statement(_upsert)
TEXTS = LookUp(
    "UPDATE traces SET text = column2 FROM {keys} "
    "WHERE traces.trace_id = column1 AND traces.text IS DISTINCT FROM column2 "
    "RETURNING traces.trace_id",
    types=("text", "text"),
    at_a_time=50,
)
AGENTS = LookUp(
    "UPDATE traces SET agent = column2 FROM {keys} "
    "WHERE traces.trace_id = column1 AND traces.agent IS DISTINCT FROM column2 "
    "RETURNING traces.trace_id",
    types=("text", "text"),
    at_a_time=50,
)
STORED = LookUp(
    "SELECT trace_id, platform, rooted, span_count, usage_count, error_count, agent FROM traces "
    "WHERE trace_id {is_one}",
    at_a_time=50,
)
