"""Log lines, and metrics with their values over time.

Times are in nanoseconds since the epoch.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from reports import formatting
from storage.model.records import Log, Metric
from storage.queries.records import SCALE, MetricTotal

ICONS = {"critical": "✗", "error": "✗", "warning": "!", "info": "·", "debug": "·", "trace": "·"}
LONGEST, LONGEST_FACTS = 400, 300
BUCKETS = 20
"""Points in a chart: as many as Slack takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log line as text. `facts` are its attributes on one line."""

    icon: str
    level: str
    when: str
    message: str
    facts: str
    trace: str
    """The first digits of its trace's id; empty without one, and if all lines are of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsView:
    """Log lines, newest first; `logs` are the raw values.

    `trace_id` is that of the only trace whose lines they are, if there is one.
    """

    title: str
    lines: tuple[LogLine, ...]
    logs: tuple[Log, ...]
    since: int
    until: int
    period: str
    """The same as in a command, such as `24h`."""
    trace_id: str = ""
    level: str = ""
    """The lowest level that is listed, empty for all."""
    again: str = "logs"
    """The command without its level and its period."""
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """The values of one metric, or of one set of labels, as text."""

    key: str
    count: str
    last: str
    when: str
    least: str
    mean: str
    most: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The mean of the values in a part of the period, which begins at `at`."""

    label: str
    at: int
    mean: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsView:
    """Metrics by name, or the values of one metric by its labels and over time.

    `name` is empty for the list of all. `totals` and `buckets` are the raw values.
    """

    title: str
    name: str
    lines: tuple[MetricLine, ...]
    totals: tuple[MetricTotal, ...]
    buckets: tuple[Bucket, ...]
    since: int
    until: int
    again: str = ""
    """The command without its period."""
    period: str = ""
    note: str = ""
    empty: str = ""


def logs_view(
    logs: Sequence[Log],
    *,
    since: int,
    now: int,
    period: str,
    time_zone: str,
    short_ids: Mapping[str, str],
    trace_id: str = "",
    level: str = "",
    again: str = "logs",
) -> LogsView:
    """Return the view of log lines from a *level* on, which come newest first.

    *again* is the command without its level and its period.
    """
    of = f"of trace {trace_id}" if trace_id else formatting.of_period(since, now, period)
    return LogsView(
        title=f"Log lines {of}, newest first",
        lines=tuple(_log_line(log, time_zone, short_ids) for log in logs),
        logs=tuple(logs),
        since=since,
        until=now,
        period=period,
        trace_id=trace_id,
        level=level,
        again=again,
        empty="No log lines are stored for this trace. logs alone lists those of the last day."
        if trace_id
        else formatting.nothing_in(since, now, "No log lines are stored in this period."),
    )


def _log_line(log: Log, time_zone: str, short_ids: Mapping[str, str]) -> LogLine:
    facts = ", ".join(f"{name} {value}" for name, value in log.attributes.items())
    return LogLine(
        icon=ICONS.get(log.level, "·"),
        level=formatting.shortened(log.level, 10),
        when=formatting.local(log.recorded_at, time_zone, form="%m-%d %H:%M:%S"),
        message=formatting.shortened(log.message, LONGEST),
        facts=formatting.shortened(facts, LONGEST_FACTS),
        trace=short_ids.get(log.trace_id or "", ""),
    )


def metric_list_view(
    totals: Sequence[MetricTotal], *, since: int, now: int, period: str
) -> MetricsView:
    """Return the list of metrics; *period* is as in a command, such as `7d`."""
    return MetricsView(
        title=f"Metrics {formatting.of_period(since, now, period)}",
        name="",
        lines=tuple(_metric_line(total, now) for total in totals),
        totals=tuple(totals),
        buckets=(),
        since=since,
        until=now,
        again="metrics",
        period=period,
        empty=formatting.nothing_in(since, now, "No metrics are stored in this period."),
    )


def metric_view(
    name: str,
    values: Sequence[Metric],
    *,
    since: int,
    now: int,
    period: str,
    time_zone: str,
    limit: int,
) -> MetricsView:
    """Return the view of one metric's values, which come newest first; *limit* were asked for."""
    by_labels: dict[str, list[Metric]] = {}
    for value in values:
        by_labels.setdefault(_labels(value.labels), []).append(value)
    totals = tuple(
        _total(labels, own)
        for labels, own in sorted(by_labels.items(), key=lambda each: -len(each[1]))
    )
    cut = len(values) == limit
    return MetricsView(
        title=f"{formatting.shortened(name, 80)} {formatting.of_period(since, now, period)}",
        empty=formatting.nothing_in(
            since,
            now,
            f"No values of {formatting.shortened(name, 80)} are stored in this period. `metrics` "
            "lists the names.",
        ),
        name=name,
        lines=tuple(_metric_line(total, now) for total in totals),
        totals=totals,
        buckets=tuple(_buckets(values, now, time_zone)),
        since=since,
        until=now,
        again=shlex.join(["metrics", name]),
        period=period,
        note=f"Only the newest {limit:,} values are read." if cut else "",
    )


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _mean(numbers: Sequence[float]) -> float:
    return fmean(number / SCALE for number in numbers) * SCALE


def _total(name: str, values: Sequence[Metric]) -> MetricTotal:
    numbers = [each.value for each in values]
    return MetricTotal(
        name=name,
        count=len(values),
        least=min(numbers),
        mean=_mean(numbers),
        most=max(numbers),
        last=values[0].value,
        last_at=values[0].recorded_at,
    )


def _buckets(values: Sequence[Metric], now: int, time_zone: str) -> Sequence[Bucket]:
    """Divide the time since the first value; parts without a value are left out."""
    if not values:
        return []
    begins = values[-1].recorded_at
    width = max(now - begins, BUCKETS) // BUCKETS + 1
    parts: dict[int, list[float]] = {}
    for each in reversed(values):
        parts.setdefault(min((each.recorded_at - begins) // width, BUCKETS - 1), []).append(
            each.value
        )
    form = "%H:%M" if width * BUCKETS < 24 * 3_600 * formatting.SECOND_NS else "%d %b %H:%M"
    if width < 60 * formatting.SECOND_NS:
        form = "%H:%M:%S"
    return [
        Bucket(
            label=formatting.local(begins + part * width, time_zone, form=form),
            at=begins + part * width,
            mean=_mean(numbers),
            count=len(numbers),
        )
        for part, numbers in sorted(parts.items())
    ]


def _metric_line(total: MetricTotal, now: int) -> MetricLine:
    return MetricLine(
        key=formatting.shortened(total.name, 120) or formatting.UNKNOWN,
        count=f"{total.count:,}",
        last=formatting.number(total.last),
        when=formatting.ago(total.last_at, now=now),
        least=formatting.number(total.least),
        mean=formatting.number(total.mean),
        most=formatting.number(total.most),
    )
