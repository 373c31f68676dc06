"""Statistics as text: counts, failures, latency, tokens and cost, in total and by group."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from reports import formatting
from reports.units import duration_text
from reports.views.costs import unpriced_note
from reports.views.figures import FigureLine, figure_lines
from reports.views.timeline import Moment, earlier_groups, time_name, timeline
from storage.model.retention import CROWDED, NAMED, OTHERS
from storage.queries.figures import Figures
from storage.queries.statistics import TIMES, Group, Statistics

OF_TRACES: Mapping[str, str] = {
    "platform": "no platform",
    "channel": "no channel",
    "user": "nobody named",
    "agent": "no agent",
}
"""The dimensions of which a trace has one at most, and the name of the group of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a row differs from the period before, as text: `+12%`, `new`; "" if nothing changed."""

    traces: str = ""
    errors: str = ""
    p95: str = ""
    cost: str = ""
    thumbs_up: str = ""
    thumbs_down: str = ""


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
    thumbs_up: str = ""
    thumbs_down: str = ""
    change: Change = field(default_factory=Change)

    @property
    def is_rated(self) -> bool:
        """True if people rated what is counted. Tables have no columns of thumbs without any."""
        return bool(self.thumbs_up or self.thumbs_down)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsView:
    """Lines of text for each group and in `total`; `statistics` are the raw values.

    `before` are those of the period before, if they are compared. `command` is the command without
    its period and comparison, and `period` is the former: `7d`.
    """

    title: str
    by: str | None
    total: StatsLine
    lines: tuple[StatsLine, ...]
    statistics: Statistics
    before: Statistics | None = None
    note: str = ""
    """When what is counted begins, if that is earlier; models without a known cost."""
    command: str = "stats"
    period: str = ""
    zone: str = "UTC"
    timeline: tuple[Moment, ...] = ()
    """The hours or days of the period, if the groups are these or there are none."""
    timeline_by: str = ""
    """`hour` or `day`."""
    earlier: tuple[Group, ...] = ()
    """The raw values of the period before for each line, if they are compared."""
    figures: tuple[FigureLine, ...] = ()
    """Further measures of each platform, agent or provider in this period."""
    figures_by: str = ""
    """`platform`, `agent` or `provider`, if there are figures."""
    start: int = 0
    """How many of the groups are left out: the first, or the newest hours or days."""


NameOf = Callable[[str, str], str]
"""Returns the name to show, given a dimension (such as `user`) and a key in it (an id)."""


def statistics_view(
    found: Statistics,
    *,
    by: str | None,
    time_zone: str,
    period: str = "",
    only: tuple[str, str] | None = None,
    before: Statistics | None = None,
    over_time: tuple[str, Statistics] | None = None,
    figures: Figures | None = None,
    start: int = 0,
    rest: str = "",
    name_of: NameOf = lambda by, key: key,
) -> StatsView:
    """Return statistics as text; *by* is the dimension of the groups, times are in *time_zone*.

    *only* is the one dimension and key that they are limited to. *over_time* are the same by hour
    or by day, for the timeline, if the groups are neither. *figures* are those of the groups, or of
    *only* one.

    *start* leaves out the first groups, or of hours and days the newest, as a table shows them.

    The groups of a trace's own dimensions add up to the total: what has no agent, for instance, is
    a group with an empty key. *rest* is its name if it has more in it.
    """
    found = _with_rest(found, by)
    rows = replace(found, groups=_rest(found.groups, by, start))
    earlier = _rest(_earlier(found, before, by, time_zone) if before else (), by, start)
    timeline_by, times = (by, found) if by in TIMES else over_time or ("", found)
    title = f"Statistics {formatting.of_period(found.since, found.until, period)}"
    if only:
        title += f", only {only[0]} {formatting.shortened(name_of(*only), 40)}"
    if by:
        title += f", by {by}{f' ({time_zone})' if by in TIMES else ''}"
    if before:
        title += ", compared with the period before"
    words = ["stats", *([f"{only[0]}:{only[1]}"] if only else []), *(["--by", by] if by else [])]
    return StatsView(
        title=title,
        by=by,
        total=stats_line("all", found.total, before.total if before else None),
        lines=tuple(
            stats_line(
                (not group.key and rest) or group_name(group, found, by, time_zone, name_of),
                group,
                then,
            )
            for group, then in zip_longest(rows.groups, earlier)
        ),
        statistics=rows,
        before=before,
        note=_note(found, by, only, figures),
        command=shlex.join(words),
        zone=time_zone,
        timeline=timeline(times, timeline_by, time_zone) if timeline_by else (),
        timeline_by=timeline_by,
        earlier=earlier,
        figures=_figures(figures, found, only) if figures else (),
        figures_by=figures.of if figures else "",
        start=start,
        period=period or duration_text(found.until - found.since),
    )


def _note(
    found: Statistics,
    by: str | None,
    only: tuple[str, str] | None,
    figures: Figures | None,
) -> str:
    """Say what a reader has to know of the figures, one sentence a line."""
    notes = (
        ""
        if found.total.traces or found.total.input_tokens or found.total.output_tokens
        else formatting.nothing_in(found.since, found.until, "Nothing is counted here."),
        _beginning(found),
        _unnamed(found, only),
        unpriced_note(found) if by == "model" else "",
        _days_of(figures, found),
    )
    return "\n".join(filter(None, notes))


def _rest(groups: tuple[Group, ...], by: str | None, start: int) -> tuple[Group, ...]:
    return groups[: max(len(groups) - start, 0)] if by in TIMES else groups[start:]


def _earlier(
    found: Statistics, before: Statistics, by: str | None, time_zone: str
) -> tuple[Group, ...]:
    """Return for each group that of the period before."""
    if by in TIMES:
        groups = earlier_groups(found, before, by, time_zone)
    else:
        groups = {group.key: group for group in _with_rest(before, by).groups}
    return tuple(groups.get(group.key, NOTHING) for group in found.groups)


def _beginning(found: Statistics) -> str:
    """Say when what is counted begins if the hour that was asked for is not kept any more."""
    kept, first = found.grains.level(found.since), found.grains.start(found.since)
    if kept == "hour" or first == found.since:
        return ""
    began = formatting.local(first, "UTC")
    return f"Counted from {began} UTC: statistics of that time are only kept by {kept}."


def _figures(
    figures: Figures, found: Statistics, only: tuple[str, str] | None
) -> tuple[FigureLine, ...]:
    groups = (replace(found.total, key=only[1]),) if only else found.groups
    return tuple(figure_lines(figures, groups))


def _days_of(figures: Figures | None, found: Statistics) -> str:
    """Say when figures begin if that is before what else is counted: they are kept by day."""
    if figures is None or not figures.figures or figures.since >= found.grains.start(found.since):
        return ""
    return f"Figures count whole days (UTC), from {formatting.local(figures.since, 'UTC')}."


def _unnamed(found: Statistics, only: tuple[str, str] | None) -> str:
    """Say that some months may count these traces only among others."""
    if only is None or only[0] not in CROWDED or found.grains.level(found.since) != "month":
        return ""
    until = formatting.local(found.grains.days_since, "UTC", form="%Y-%m")
    return f"Months before {until} only tell apart the {NAMED} {only[0]}s that are counted most."


def _with_rest(found: Statistics, by: str | None) -> Statistics:
    """Return statistics whose groups add up to the total, if a trace has one group at most."""
    if by not in OF_TRACES:
        return found

    def left(figure: str) -> int:
        whole = getattr(found.total, figure) or 0
        return max(whole - sum(getattr(group, figure) or 0 for group in found.groups), 0)

    rest = replace(
        NOTHING,
        traces=left("traces"),
        errors=left("errors"),
        input_tokens=left("input_tokens"),
        output_tokens=left("output_tokens"),
        cached_tokens=left("cached_tokens"),
        thumbs_up=left("thumbs_up"),
        thumbs_down=left("thumbs_down"),
        cost=left("cost") or None,
    )
    return found if rest == NOTHING else replace(found, groups=(*found.groups, rest))


NOTHING = Group(
    key="",
    traces=0,
    errors=0,
    p50_ns=None,
    p95_ns=None,
    p99_ns=None,
    input_tokens=0,
    output_tokens=0,
    cached_tokens=0,
    cost=None,
)


def group_name(
    group: Group,
    found: Statistics,
    by: str | None,
    time_zone: str,
    name_of: NameOf = lambda by, key: key,
) -> str:
    """Return a group's key for people."""
    if by in TIMES:
        return time_name(group, found, by, time_zone)
    if group.key == OTHERS:
        return "others"
    if by == "decision":
        return formatting.reason(group.key)
    if not group.key:
        return OF_TRACES.get(by or "", "")
    return name_of(by, group.key) if by else group.key


def stats_line(key: str, group: Group, before: Group | None = None) -> StatsLine:
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
        thumbs_up=f"{group.thumbs_up:,}" if group.thumbs_up else "",
        thumbs_down=f"{group.thumbs_down:,}" if group.thumbs_down else "",
        change=Change() if before is None else _change(group, before),
    )


def _change(now: Group, before: Group) -> Change:
    return Change(
        traces=formatting.change(now.traces, before.traces),
        errors=formatting.change(now.errors, before.errors),
        p95=formatting.change(now.p95_ns, before.p95_ns),
        cost=formatting.change(now.cost, before.cost),
        thumbs_up=formatting.change(now.thumbs_up, before.thumbs_up),
        thumbs_down=formatting.change(now.thumbs_down, before.thumbs_down),
    )
