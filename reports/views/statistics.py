"""Statistics as text: counts, errors, latency, tokens and cost, in total and by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import formatting
from reports.views.costs import unpriced_note

if TYPE_CHECKING:
    from storage.queries.statistics import Group, Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsLine:
    """One row of statistics as text. p50, p95 and p99 are percentiles of the duration."""

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
    """Lines of text for each group and in `total`; `statistics` are the raw values."""

    title: str
    by: str | None
    total: StatsLine
    lines: tuple[StatsLine, ...]
    statistics: Statistics
    note: str = ""
    """The models without a known price, if the lines are models."""


NameOf = Callable[[str, str], str]
"""Returns the name to show, given a dimension (such as `user`) and a key in it (an id)."""


def statistics_view(
    found: Statistics,
    *,
    by: str | None,
    time_zone: str,
    name_of: NameOf = lambda by, key: key,
) -> StatsView:
    """Return statistics as text; *by* is the dimension of the groups, hours are in *time_zone*."""
    period = formatting.period(found.since, found.until)
    zone = f" ({time_zone})" if by == "hour" else ""
    return StatsView(
        title=f"Statistics of the {period}" + (f", by {by}{zone}" if by else ""),
        by=by,
        total=stats_line("all", found.total),
        lines=tuple(
            stats_line(_key(group.key, by, time_zone, name_of), group) for group in found.groups
        ),
        statistics=found,
        note=unpriced_note(found) if by == "model" else "",
    )


def _key(key: str, by: str | None, time_zone: str, name_of: NameOf) -> str:
    """Return a group's key for people. An hour's key is its beginning in nanoseconds."""
    if by == "hour":
        return formatting.local(int(key), time_zone, form="%m-%d %H:%M")
    if by == "decision":
        return formatting.reason(key)
    return name_of(by, key) if by and key else key


def stats_line(key: str, group: Group) -> StatsLine:
    """Return a group's row; *key* is its name as people read it."""
    # Without any, no agent reported tokens: an empty cell, not a zero.
    spent = group.input_tokens or group.output_tokens
    return StatsLine(
        key=formatting.plain(key),
        traces=f"{group.traces:,}",
        errors=f"{group.errors:,}",
        error_rate=formatting.percent(group.errors, group.traces),
        p50=formatting.duration(group.p50_ns),
        p95=formatting.duration(group.p95_ns),
        p99=formatting.duration(group.p99_ns),
        tokens=formatting.token_pair(group.input_tokens, group.output_tokens) if spent else "",
        cost=formatting.cost(group.cost),
    )
