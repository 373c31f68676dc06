"""What a reader sees: final words made from query results, and the raw values beside them.

A view knows nothing of Slack or of a terminal; each renderer shows the same one in its own way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reports import wording
from reports.costs import CostView, statistics_note
from reports.failures import FailuresView
from reports.healthiness import HealthView
from storage.queries import TraceSummary
from storage.recovery import Recovery
from storage.span import Span
from storage.statistics import Group, Statistics
from storage.tombstones import Tombstone

SHORT_ID = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One trace in a list. `icon` names its status; `note` is why it failed or was skipped."""

    trace_id: str
    short_id: str
    icon: str
    status: str
    name: str
    agent: str
    when: str
    duration: str
    tokens: str
    cost: str
    channel: str
    user: str
    text: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceListView:
    title: str
    lines: tuple[TraceLine, ...]
    traces: tuple[TraceSummary, ...]
    next: str | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    """What the next page is asked with."""
    empty: str = "There is nothing to show yet."
    kind: str = "ls"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLine:
    """One span in a tree; `start` and `width` are shares of the trace's length."""

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
    line: TraceLine
    spans: tuple[SpanLine, ...]
    trace: TraceSummary
    values: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsLine:
    key: str
    traces: str
    errors: str
    error_rate: str
    p50: str
    p95: str
    p99: str
    tokens: str
    cost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsView:
    title: str
    by: str | None
    total: StatsLine
    lines: tuple[StatsLine, ...]
    statistics: Statistics
    note: str = ""
    """Which models have no known price, where the lines are models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    title: str
    total: StatsLine
    agents: tuple[StatsLine, ...]
    skipped: tuple[tuple[str, str], ...]
    """Why messages were left alone, and how many."""
    failed: tuple[TraceLine, ...]
    quiet: bool
    by_agent: Statistics
    left_alone: Statistics
    """Decisions to skip, by reason."""
    failures: tuple[TraceSummary, ...]
    dropped: int = 0
    """How much recording could not keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpView:
    title: str
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """One sentence: what is not there, or what was done."""

    text: str
    found: bool = False


View = (
    TraceListView
    | TraceView
    | StatsView
    | CostView
    | FailuresView
    | DigestView
    | HealthView
    | HelpView
    | MessageView
)


def trace_list(
    traces: Sequence[TraceSummary], *, next: str | None, words: Mapping[str, Any], now: int
) -> TraceListView:
    return TraceListView(
        title="Traces, newest first",
        lines=tuple(_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        next=next,
        words=words,
        empty="No trace fits. Messages that were only skipped are shown with --all.",
    )


def thread(traces: Sequence[TraceSummary], *, now: int) -> TraceListView:
    return TraceListView(
        title=f"The thread's {len(traces)} turn{'' if len(traces) == 1 else 's'}, oldest first",
        lines=tuple(_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        kind="thread",
    )


def running(traces: Sequence[TraceSummary], *, now: int) -> TraceListView:
    return TraceListView(
        title="Running now, longest first",
        lines=tuple(_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        empty="Nothing runs at the moment.",
        kind="ps",
    )


def slowest(traces: Sequence[TraceSummary], *, since: int, now: int) -> TraceListView:
    return TraceListView(
        title=f"The slowest of the {wording.period(since, now)}",
        lines=tuple(_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        empty="Nothing that ended is in this period.",
        kind="slow",
    )


def _line(trace: TraceSummary, *, now: int) -> TraceLine:
    status = "skipped" if trace.decision == "skip" and trace.reason else trace.status
    length = trace.duration_ns
    if length is None and trace.status == "running":
        length = now - trace.started_at
    return TraceLine(
        trace_id=trace.trace_id,
        short_id=trace.trace_id[:SHORT_ID],
        icon=wording.ICONS.get(status, "?"),
        status=status,
        name=wording.plain(trace.name),
        agent=wording.plain(trace.agent or ""),
        when=wording.ago(trace.started_at, now=now),
        duration=wording.duration(length),
        tokens=wording.token_pair(trace.input_tokens, trace.output_tokens),
        cost=wording.cost(trace.cost) if trace.cost is not None else "",
        channel=wording.plain(trace.channel or ""),
        user=wording.plain(trace.user or ""),
        text=wording.shortened(trace.text or "", 80),
        note=_note(trace),
    )


def _note(trace: TraceSummary) -> str:
    if trace.decision == "skip" and trace.reason:
        return f"skipped: {wording.reason(trace.reason)}"
    return wording.shortened(trace.error_message or "", 120) if trace.error_count else ""


def trace_tree(trace: TraceSummary, spans: Sequence[Span], *, now: int) -> TraceView:
    """The spans as a tree, parents before children, each with its bar on the trace's time."""
    begins = min((span.started_at for span in spans), default=trace.started_at)
    ends = max((_end(span, now) for span in spans if not _later(span, trace)), default=begins)
    length = max(ends - begins, 1)
    return TraceView(
        line=_line(trace, now=now),
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
    """What came after the turn, such as a thumb next morning, does not stretch its bars."""
    return trace.ended_at is not None and span.started_at > trace.ended_at


def _in_tree_order(spans: Sequence[Span]) -> Iterable[tuple[Span, int]]:
    here = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in here else None
        children.setdefault(parent, []).append(span)
    waiting = [(span, 0) for span in reversed(children.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        yield span, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]


def _span_line(span: Span, depth: int, *, begins: int, length: int, now: int) -> SpanLine:
    start = min((span.started_at - begins) / length, 1.0)
    took = span.duration_ns
    if took is None and span.status == "running":
        took = now - span.started_at
    return SpanLine(
        depth=depth,
        icon=wording.ICONS.get(span.status, "?"),
        status=span.status,
        name=wording.plain(span.name),
        duration=wording.duration(took),
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
    "exit_code",
)
"""Attributes worth a place beside a span's name."""


def _facts(span: Span) -> str:
    facts = []
    if span.reason:
        verb = "answered" if span.decision == "answer" else "skipped"
        facts.append(f"{verb}: {wording.reason(span.reason)}")
    if span.provider and span.configured_provider not in (None, span.provider):
        facts.append(f"{span.provider} instead of {span.configured_provider}")
    tokens = wording.token_pair(span.input_tokens, span.output_tokens)
    facts += [word for word in (span.model, tokens) if word]
    if span.cost is not None:
        estimated = " estimated" if span.cost_source == "estimated" else ""
        facts.append(f"{wording.cost(span.cost)}{estimated}")
    facts += [f"{name} {span.attributes[name]}" for name in FACTS if name in span.attributes]
    if span.error_type is None and (code := span.attributes.get("process.exit.code")) is not None:
        facts.append(f"exit code {code}")
    if span.error_message or span.error_type:
        facts.append(wording.shortened(f"{span.error_type}: {span.error_message}", 120))
    return wording.plain(", ".join(facts))


def statistics(found: Statistics, *, by: str | None, time_zone: str) -> StatsView:
    period = wording.period(found.since, found.until)
    return StatsView(
        title=f"Statistics of the {period}" + (f", by {by}" if by else ""),
        by=by,
        total=_stats_line("all", found.total),
        lines=tuple(_stats_line(_key(group.key, by, time_zone), group) for group in found.groups),
        statistics=found,
        note=statistics_note(found, by=by),
    )


def _key(key: str, by: str | None, time_zone: str) -> str:
    if by == "hour":
        return wording.local(int(key), time_zone, form="%m-%d %H:%M")
    return wording.reason(key) if by == "decision" else key


def _stats_line(key: str, group: Group) -> StatsLine:
    spent = group.input_tokens or group.output_tokens
    return StatsLine(
        key=wording.plain(key),
        traces=f"{group.traces:,}",
        errors=f"{group.errors:,}",
        error_rate=wording.percent(group.errors, group.traces),
        p50=wording.duration(group.p50_ns),
        p95=wording.duration(group.p95_ns),
        p99=wording.duration(group.p99_ns),
        tokens=wording.token_pair(group.input_tokens, group.output_tokens) if spent else "",
        cost=wording.cost(group.cost),
    )


ANSWERED = frozenset(("mentioned", "direct_message", "active_speaker"))


def digest(
    *,
    title: str,
    agents: Statistics,
    decisions: Statistics,
    failed: Sequence[TraceSummary],
    dropped: int,
    now: int,
) -> DigestView:
    skipped = [group for group in decisions.groups if group.key not in ANSWERED]
    return DigestView(
        title=title,
        total=_stats_line("all", agents.total),
        agents=tuple(_stats_line(group.key, group) for group in agents.groups),
        skipped=tuple((wording.reason(group.key), f"{group.traces:,}") for group in skipped),
        failed=tuple(_line(trace, now=now) for trace in failed),
        quiet=not agents.total.traces,
        by_agent=agents,
        left_alone=replace(decisions, groups=tuple(skipped)),
        failures=tuple(failed),
        dropped=dropped,
    )


HELP = (
    ("ls [words]", "traces, newest first; --agent --status --user --since 24h --all"),
    ("show ID or link", "one trace: each step, how long it took, how it ended"),
    ("thread [link]", "all turns of a thread; without a link the latest one here"),
    ("stats [--by agent]", "counts, errors, latency, tokens and cost; --since 7d"),
    ("cost [--since 30d]", "what was spent, by model and by agent"),
    ("errors", "what failed, by error and agent, with the latest trace; --since 7d"),
    ("slow", "what took longest; --since 7d"),
    ("search words", "like ls, skipped messages too"),
    ("ps", "what runs now"),
    ("cancel ID", "stop an answer that is being written"),
    ("digest here at 09:00", "a morning summary in this channel; digest now, digest off"),
    ("health", "how the recording and its database are"),
)


def help_words() -> HelpView:
    return HelpView(title="What you can ask", commands=HELP)


def not_found(what: str) -> MessageView:
    return MessageView(
        text=f"Nothing is found for {what}: see ls for what there is, or give more digits."
    )


def removed(tombstone: Tombstone, *, time_zone: str) -> MessageView:
    day = wording.local(tombstone.removed_at, time_zone, form="%Y-%m-%d")
    return MessageView(
        text=f"Trace {tombstone.trace_id} was removed on {day} by retention; "
        "the statistics still count it."
    )


def recovered(recovery: Recovery, *, now: int) -> MessageView:
    lost = recovery.lost.get("spans")
    words = "nobody can tell how many are lost" if lost is None else f"{lost:,} are lost"
    return MessageView(
        text=f"The bot's database was damaged, {wording.ago(recovery.at, now=now)}, and has been "
        f"replaced: {recovery.saved.get('spans', 0):,} spans were saved, {words}. Recording goes "
        "on; /trace health says more.",
        found=True,
    )


def ambiguous(prefix: str, ids: Sequence[str]) -> MessageView:
    return MessageView(text=f"{prefix} begins several traces: {', '.join(ids)}.")
