"""What a reader sees: final words made from query results, and the raw values beside them.

A view knows nothing of Slack or of a terminal; each renderer shows the same one in its own way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports import formatting as wording
from reports.views.costs import CostView, statistics_note
from reports.views.failures import FailuresView
from reports.views.health import HealthView
from reports.views.trace_list import TraceLine, TraceListView, trace_line
from reports.views.trace_tree import TraceView
from storage.queries.removed_traces import Tombstone
from storage.queries.statistics import Group, Statistics
from storage.queries.traces import TraceSummary
from storage.recovery.replacement import Recovery


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
        failed=tuple(trace_line(trace, now=now) for trace in failed),
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
