"""One trace as a tree of spans, each with its place in the trace's time.

Times are in nanoseconds since the epoch, durations in nanoseconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports import formatting
from reports.views.ratings import Rating
from reports.views.trace_list import TraceLine, trace_line
from storage.model.records import Score
from storage.model.span import Span
from storage.queries.traces import TraceSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLine:
    """One span as text; `start` and `width` are shares of the trace's duration, 0 to 1.

    `facts` is one line: why it was answered, its model, tokens, cost, attributes and error.
    """

    depth: int
    icon: str
    status: str
    name: str
    duration: str
    start: float
    width: float
    facts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceView:
    """A trace and its spans: `line` and `spans` are text, `trace` and `values` raw."""

    line: TraceLine
    spans: tuple[SpanLine, ...]
    trace: TraceSummary
    values: tuple[Span, ...]
    ratings: tuple[Rating, ...] = ()
    scores: tuple[Score, ...] = ()
    """The raw values of the ratings."""


def trace_view(trace: TraceSummary, spans: Sequence[Span], *, now: int) -> TraceView:
    """Order the spans as a tree, parents before children, with their places in time."""
    begins = min((span.started_at for span in spans), default=trace.started_at)
    ends = max((_end(span, now) for span in spans if not _later(span, trace)), default=begins)
    length = max(ends - begins, 1)  # Never 0, because it is a divisor.
    return TraceView(
        line=trace_line(trace, now=now),
        spans=tuple(
            _span_line(span, depth, begins=begins, length=length, now=now)
            for span, depth in _in_tree_order(spans)
        ),
        trace=trace,
        values=tuple(spans),
    )


def _end(span: Span, now: int) -> int:
    if span.ended_at is not None:
        return span.ended_at
    return now if span.status == "running" else span.started_at


def _later(span: Span, trace: TraceSummary) -> bool:
    """Return True for a span after the turn: a thumb next morning must not stretch its bars."""
    return trace.ended_at is not None and span.started_at > trace.ended_at


def _in_tree_order(spans: Sequence[Span]) -> Iterable[tuple[Span, int]]:
    """Yield each span once, with its depth. A span whose parent is not here is at the top."""
    here = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in here else None
        children.setdefault(parent, []).append(span)
    yielded = set()
    # After the tops every span again, because a broken sender can report spans that are each
    # other's parents: they are below no top.
    for top in (*children.get(None, []), *spans):
        waiting = [(top, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id not in yielded:
                yielded.add(span.span_id)
                yield span, depth
                below = reversed(children.get(span.span_id, []))
                waiting += [(child, depth + 1) for child in below]


def _span_line(span: Span, depth: int, *, begins: int, length: int, now: int) -> SpanLine:
    start = min((span.started_at - begins) / length, 1.0)
    took = span.duration_ns
    if took is None and span.status == "running":
        took = now - span.started_at
    return SpanLine(
        depth=depth,
        icon=formatting.ICONS.get(span.status, "?"),
        status=span.status,
        name=formatting.plain(span.name),
        duration=formatting.duration(took),
        start=start,
        width=min((took or 0) / length, 1.0 - start),
        facts=_facts(span),
    )


FACTS = (
    "emoji",
    "messages",
    "characters",
    "cache",
    "bytes",
    "mime_type",
    "mode",
    "attempts",
)
"""The attributes of our own spans that are shown beside a span's name."""


def _facts(span: Span) -> str:
    facts = []
    if span.reason:
        verb = "answered" if span.decision == "answer" else "skipped"
        facts.append(f"{verb}: {formatting.reason(span.reason)}")
    if span.provider and span.configured_provider not in (None, span.provider):
        facts.append(f"{span.provider} instead of {span.configured_provider}")
    tokens = formatting.token_pair(span.input_tokens, span.output_tokens)
    facts += [word for word in (span.model, tokens) if word]
    if span.cost is not None:
        estimated = " estimated" if span.cost_source == "estimated" else ""
        facts.append(f"{formatting.cost(span.cost)}{estimated}")
    facts += [f"{name} {span.attributes[name]}" for name in FACTS if name in span.attributes]
    # Beside an error the exit code is in its message.
    if span.error_type is None and (code := span.attributes.get("process.exit.code")) is not None:
        facts.append(f"exit code {code}")
    if span.error_message or span.error_type:
        facts.append(formatting.shortened(f"{span.error_type}: {span.error_message}", 120))
    return formatting.plain(", ".join(facts))
