"""A digest as text: what kind of period it was, its figures beside others, and what stood out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports import formatting
from reports.views.digest_sentence import sentence
from reports.views.failures import name_of_issue
from reports.views.statistics import StatsLine, stats_line
from reports.views.trace_list import TraceLine, trace_line
from storage.queries.statistics import Group

if TYPE_CHECKING:
    from reports.periods import Period
    from storage.queries.digests import ThreadSum
    from storage.queries.issues import Issue
    from storage.queries.statistics import Statistics
    from storage.queries.traces import TraceSummary

MOST_SILENT = 3
HOUR_NS = 3_600 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A thread that stood out, and its first turn."""

    sums: ThreadSum
    first: TraceSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the period as text, beside that of the period before and the usual one.

    The other two say in brackets how much more or less it is now: `38 (+8%)`.
    """

    name: str
    now: str
    before: str
    usual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLine:
    """An error that is new or `is_back`. `trace_id` is that of its latest trace."""

    is_back: bool
    name: str
    times: str
    message: str
    trace_id: str
    short_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLine:
    """A thread as text. `trace_id` is that of its first turn, whose text is `text`."""

    trace_id: str
    short_id: str
    text: str
    turns: str
    cost: str
    slowest: str
    link: str = ""
    """The address of its first message, empty if it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the chart: its turns, and those that failed."""

    label: str
    traces: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFacts:
    """The raw values that a digest tells of a period."""

    agents: Statistics
    """The turns, by agent."""
    before: Group
    usual: Group | None
    """The medians of the weeks before, None if there were none."""
    days: tuple[Day, ...]
    decisions: Statistics
    """All messages, by the reason to answer or to skip them."""
    silent_agents: tuple[tuple[str, int], ...]
    """Agents that are usually asked and were not, and their usual number of turns."""
    silent_platforms: tuple[tuple[str, int], ...]
    issues: tuple[Issue, ...]
    """Errors that are new, or back again after somebody resolved them."""
    failed: tuple[TraceSummary, ...]
    """The newest turns that failed."""
    dearest: tuple[Thread, ...]
    slowest: tuple[Thread, ...]
    dropped: int
    """How many spans, logs and metrics could not be stored."""
    problems: tuple[str, ...]
    """Problems of the database that need a person."""
    budgets: tuple[str, ...]
    """How much is spent of the fullest budgets that the readers may know."""

    @property
    def mentioned(self) -> Iterable[str]:
        """Yield the ids of the traces that a digest names."""
        yield from (issue.latest.trace_id for issue in self.issues)
        yield from (trace.trace_id for trace in self.failed)
        yield from (thread.first.trace_id for thread in (*self.dearest, *self.slowest))

    @property
    def left_alone(self) -> Statistics:
        """Return the decisions to skip."""
        reasons = self.decisions.groups
        skipped = tuple(each for each in reasons if each.key not in formatting.ANSWERED)
        return replace(self.decisions, groups=skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """A digest as text, and its raw *facts*. It is `quiet` if no agent was asked."""

    facts: DigestFacts
    title: str
    sentence: str
    noun: str
    """The name of the period in a sentence: `Thursday`, `week`."""
    before_name: str
    figures: tuple[Figure, ...]
    total: StatsLine
    agents: tuple[StatsLine, ...]
    left: str
    """A sentence that says how many messages were not answered, and why; empty if all were."""
    issues: tuple[IssueLine, ...]
    failed: tuple[TraceLine, ...]
    dearest: tuple[ThreadLine, ...]
    slowest: tuple[ThreadLine, ...]
    silent: tuple[str, ...]
    """A sentence for each source that is usually there and was not."""
    quiet: bool
    errors_since: str
    """How long ago the period began, as `errors --since` takes it."""
    subscribed: str = ""
    """The channel whose digest it is; empty if somebody asked for it."""

    @property
    def has_news(self) -> bool:
        """Return whether there is something to tell, even if no agent was asked."""
        facts = self.facts
        return bool(not self.quiet or self.silent or facts.problems or facts.dropped)


def digest_view(
    facts: DigestFacts,
    period: Period,
    *,
    now: int,
    short_ids: Mapping[str, str],
    workspace: str,
    channel_only: bool,
    subscribed: str,
) -> DigestView:
    where = "in this channel " if channel_only else ""
    return DigestView(
        facts=facts,
        title=f"What the agents did {where}{period.title}",
        sentence=sentence(facts.agents, facts.usual, noun=period.noun),
        noun=period.noun,
        before_name=period.before_name,
        figures=_figures(facts.agents.total, facts.before, facts.usual),
        total=stats_line("all", facts.agents.total),
        agents=tuple(stats_line(group.key, group) for group in facts.agents.groups),
        left=_left(facts.left_alone.groups),
        issues=tuple(_issue(each, short_ids) for each in facts.issues),
        failed=tuple(
            trace_line(trace, now=now, short_id=short_ids[trace.trace_id], workspace=workspace)
            for trace in facts.failed
        ),
        dearest=tuple(_thread(each, short_ids, workspace) for each in facts.dearest),
        slowest=tuple(_thread(each, short_ids, workspace) for each in facts.slowest),
        silent=(
            *_silent("Nothing came from", facts.silent_platforms, period.noun),
            *_silent("Nobody asked", facts.silent_agents, period.noun),
        ),
        quiet=not facts.agents.total.traces,
        errors_since=f"{-(-(now - facts.agents.since) // HOUR_NS)}h",
        subscribed=subscribed,
    )


Value = float | None


def _count(value: Value) -> str:
    return formatting.UNKNOWN if value is None else f"{value:,.0f}"


def _cost(value: Value) -> str:
    return formatting.cost(None if value is None else round(value))


FIGURES: Sequence[tuple[str, Callable[[Group], Value], Callable[[Value], str]]] = (
    ("turns", lambda group: group.traces, _count),
    ("failed", lambda group: group.errors, _count),
    ("p95", lambda group: group.p95_ns, formatting.duration),
    ("cost", lambda group: group.cost, _cost),
    ("👍", lambda group: group.thumbs_up, _count),
    ("👎", lambda group: group.thumbs_down, _count),
)


def _figures(now: Group, before: Group, usual: Group | None) -> tuple[Figure, ...]:
    groups = [now, before, *([usual] if usual else [])]
    rated = any(group.thumbs_up or group.thumbs_down for group in groups)
    return tuple(
        Figure(
            name=name,
            now=text(of(now)),
            before=_compared(of(now), of(before), text),
            usual=_compared(of(now), of(usual), text) if usual else formatting.UNKNOWN,
        )
        for name, of, text in (FIGURES if rated else FIGURES[:-2])
    )


def _compared(now: Value, other: Value, text: Callable[[Value], str]) -> str:
    change = formatting.change(now, other) if other else ""
    return f"{text(other)} ({change})" if change else text(other)


def _left(groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    count = sum(group.traces for group in groups)
    left = f"{count:,} messages were not answered" if count != 1 else "1 message was not answered"
    why = [f"because {formatting.shortened(formatting.reason(group.key), 80)}" for group in groups]
    if len(groups) == 1:
        return f"{left} {why[0]}."
    counts = (f"{group.traces:,} {each}" for group, each in zip(groups, why, strict=True))
    return f"{left}: {', '.join(counts)}."


def _issue(issue: Issue, short_ids: Mapping[str, str]) -> IssueLine:
    return IssueLine(
        is_back=issue.back_since is not None,
        name=formatting.shortened(name_of_issue(issue), 60),
        times="once" if issue.traces == 1 else f"{issue.traces:,} times",
        message=formatting.shortened(issue.latest.error_message or "", 120),
        trace_id=issue.latest.trace_id,
        short_id=short_ids[issue.latest.trace_id],
    )


def _thread(thread: Thread, short_ids: Mapping[str, str], workspace: str) -> ThreadLine:
    sums, first = thread.sums, thread.first
    return ThreadLine(
        trace_id=first.trace_id,
        short_id=short_ids[first.trace_id],
        text=formatting.shortened(first.text or first.name, 80),
        turns=f"{sums.turns:,} turn{'' if sums.turns == 1 else 's'}",
        cost=formatting.cost(sums.cost),
        slowest=formatting.duration(sums.slowest_ns),
        link=formatting.message_link(
            workspace, channel=sums.channel, ts=sums.thread_ts, thread_ts=None
        ),
    )


def _silent(verb: str, sources: Sequence[tuple[str, int]], noun: str) -> list[str]:
    return [
        f"{verb} {formatting.shortened(key, 40)}: usually {count:,} turns on such a {noun}."
        for key, count in sources[:MOST_SILENT]
    ]
