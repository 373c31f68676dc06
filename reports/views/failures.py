"""Failures as issues: each with its state, its count, when it occurred and its latest trace."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reports import formatting
from reports.views.timeline import in_groups
from storage.coordination.issue_states import IssueState
from storage.queries.issues import Issue, State

HOUR_NS = 3_600 * formatting.SECOND_NS
DAY_NS = 24 * HOUR_NS

NEW_NS = DAY_NS
"""For how long an issue that never occurred before is called new."""

BY_HOUR_NS = 2 * DAY_NS
"""The longest period whose occurrences are drawn by hour; longer ones are drawn by day."""

DRAWN = 24
"""Letters of a chart, which a phone shows in one line. Each stands for one or several hours or
days."""

SHORT_ID = 8
"""Digits of an issue's id that a list shows."""

LATER = ("resolved", "muted")
"""The states of issues that are listed after all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLine:
    """One issue as text. `where` is the name of its latest failed span."""

    id: str
    short_id: str
    state: State
    changed: str
    """The person who resolved or muted it, and when; empty if nobody did."""
    error_type: str
    agent: str
    traces: str
    count: str
    when: str
    first: str
    chart: str
    trace_id: str
    short_trace_id: str
    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresView:
    """Lines of text, most frequent first; `failures` are the raw values in the same order."""

    title: str
    lines: tuple[FailureLine, ...]
    note: str
    since: int
    until: int
    period: str
    """The same as in a command, such as `7d`."""
    again: str
    """The command without its period; empty if it must not be repeated."""
    bucket_ns: int
    charts: tuple[tuple[int, ...], ...]
    """For each issue in how many traces it occurred, by `bucket_ns` since `since`."""
    failures: tuple[Issue, ...]
    empty: str


def failures_view(
    issues: Sequence[Issue],
    *,
    since: int,
    now: int,
    period: str,
    all_of_them: bool,
    short_ids: Mapping[str, str],
    limit: int | None = None,
    again: str = "errors",
    name_of: Callable[[str, str], str] = lambda by, key: key,
) -> FailuresView:
    """Sort issues: most frequent first, and those that nobody waits for last.

    At most `limit` of them are listed. `all_of_them` is False if only the newest traces of the
    period were read. `short_ids` are those of the latest traces.
    """

    def rank(issue: Issue) -> tuple[bool, int, int]:
        later = issue.state(since=now - NEW_NS) in LATER
        return later, -issue.traces, -issue.last_seen

    found = sorted(issues, key=rank)[:limit]
    bucket_ns = HOUR_NS if now - since <= BY_HOUR_NS else DAY_NS
    charts = tuple(_chart(issue, since=since, until=now, bucket_ns=bucket_ns) for issue in found)
    return FailuresView(
        title=f"Errors {formatting.of_period(since, now, period)}",
        lines=tuple(
            _line(issue, chart, short_ids[issue.latest.trace_id], now=now, name_of=name_of)
            for issue, chart in zip(found, charts, strict=True)
        ),
        note="" if all_of_them else "Only the newest failures of this period are counted.",
        since=since,
        until=now,
        period=period,
        again=again,
        bucket_ns=bucket_ns,
        charts=charts,
        failures=tuple(found),
        empty=formatting.nothing_in(since, now, "Nothing failed in this period."),
    )


def name_of_issue(issue: Issue) -> str:
    """Return the error and its agent, such as `timeout of claude`."""
    of = f" of {formatting.plain(issue.agent)}" if issue.agent else ""
    return f"{formatting.plain(issue.error_type)}{of}"


def _chart(issue: Issue, *, since: int, until: int, bucket_ns: int) -> tuple[int, ...]:
    buckets = max(-((since - until) // bucket_ns), 1)
    counts = Counter(min((at - since) // bucket_ns, buckets - 1) for at in issue.starts)
    return tuple(counts[bucket] for bucket in range(buckets))


def _line(
    issue: Issue,
    chart: Sequence[int],
    short_trace_id: str,
    *,
    now: int,
    name_of: Callable[[str, str], str],
) -> FailureLine:
    latest = issue.latest
    return FailureLine(
        id=issue.id,
        short_id=issue.id[:SHORT_ID],
        state=issue.state(since=now - NEW_NS),
        changed=_changed(issue.changed, now=now, name_of=name_of) if issue.changed else "",
        error_type=formatting.plain(issue.error_type),
        agent=formatting.plain(issue.agent or ""),
        traces=f"{issue.traces:,}",
        count=f"{issue.count:,}",
        when=formatting.ago(issue.last_seen, now=now),
        first=formatting.ago(issue.first_seen, now=now),
        chart=formatting.sparkline(list(map(sum, in_groups(chart, DRAWN)))),
        trace_id=latest.trace_id,
        short_trace_id=short_trace_id,
        where=formatting.plain(latest.name),
        message=formatting.shortened(latest.error_message or "", 120),
    )


def _changed(changed: IssueState, *, now: int, name_of: Callable[[str, str], str]) -> str:
    who = formatting.plain(name_of("user", changed.changed_by)) if changed.changed_by else ""
    by = f"by {who}" if who else "in a shell"
    return f"{changed.state} {by} {formatting.ago(changed.changed_at, now=now)}"
