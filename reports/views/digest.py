"""A digest as text: one period of one channel, with what failed in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports import formatting
from reports.views.statistics import StatsLine, stats_line
from reports.views.trace_list import TraceLine, trace_line
from storage.queries.traces import TraceSummary

if TYPE_CHECKING:
    from storage.queries.statistics import Statistics

ANSWERED = frozenset(("mentioned", "direct_message", "active_speaker", "asked_again"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """A digest. It is `quiet` if no agent was asked."""

    title: str
    total: StatsLine
    agents: tuple[StatsLine, ...]
    skipped: tuple[tuple[str, str], ...]
    """Pairs of a reason and a number of messages."""
    failed: tuple[TraceLine, ...]
    quiet: bool
    by_agent: Statistics
    left_alone: Statistics
    """The decisions to skip, by reason."""
    failures: tuple[TraceSummary, ...]
    dropped: int = 0
    """How many spans, logs and metrics could not be stored."""


def digest_view(
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
        total=stats_line("all", agents.total),
        agents=tuple(stats_line(group.key, group) for group in agents.groups),
        skipped=tuple((formatting.reason(group.key), f"{group.traces:,}") for group in skipped),
        failed=tuple(trace_line(trace, now=now) for trace in failed),
        quiet=not agents.total.traces,
        by_agent=agents,
        left_alone=replace(decisions, groups=tuple(skipped)),
        failures=tuple(failed),
        dropped=dropped,
    )
