r"""Render the rows of a view as tab-separated values: raw, with nothing cut.

The first line names the columns. Times are RFC 3339 in UTC, an unknown value is empty, and a tab or
a line break within a text is written `\t` or `\n`, a backslash `\\`. Columns are only ever added.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from reports.formatting import utc, visible

if TYPE_CHECKING:
    from reports.views.alerts import AlertsView
    from reports.views.budgets import BudgetsView
    from reports.views.costs import CostView, Spent
    from reports.views.failures import FailuresView
    from reports.views.processes import ProcessesView
    from reports.views.records import LogsView, MetricsView
    from reports.views.statistics import StatsView
    from reports.views.trace_list import TraceListView
    from reports.views.views import View
    from storage.queries.statistics import Group
    from storage.queries.traces import TraceSummary

Value = str | int | float | None
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def rows(view: View) -> Iterator[str]:
    """Yield the lines of a view, the names of the columns first; nothing if it has no rows."""
    made = RENDERERS.get(type(view).__name__)
    for row in made(view) if made else ():
        yield "\t".join(map(_text, row)) + "\n"


def rest(view: View) -> str:
    """Return what a view says beside its rows: a message, or how a list continues."""
    if type(view).__name__ not in RENDERERS:
        return visible(f"{getattr(view, 'text', '')}\n")
    more = getattr(view, "next", None)
    return f"For more, add --cursor {more}\n" if more else ""


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        # Never in the form 1e-06, which not every program reads.
        return format(Decimal(repr(value)).normalize(), "f")
    return visible(str(value).translate(ESCAPES))


LIST = (
    *("trace_id", "started_at", "status", "agent", "name", "text", "error_message"),
    *("duration_ms", "input_tokens", "output_tokens", "cached_tokens", "cost_usd"),
    *("thumbs_up", "thumbs_down", "provider", "model", "platform", "channel_id", "thread_ts"),
    *("user_id", "decision", "reason", "span_count", "error_count"),
)


def _list(view: TraceListView) -> Iterable[Sequence[Value]]:
    return [LIST, *map(_trace, view.traces)]


def _trace(trace: TraceSummary) -> Sequence[Value]:
    return (
        *(trace.trace_id, utc(trace.started_at), trace.status, trace.agent, trace.name),
        *(trace.text, trace.error_message, _ms(trace.duration_ns)),
        *(trace.input_tokens, trace.output_tokens, trace.cached_tokens, _usd(trace.cost)),
        *(trace.thumbs_up, trace.thumbs_down, trace.provider, trace.model, trace.platform),
        *(trace.channel, trace.thread_ts, trace.user, trace.decision, trace.reason),
        *(trace.span_count, trace.error_count),
    )


GROUP = (
    *("traces", "errors", "error_rate", "p50_ms", "p95_ms", "p99_ms"),
    *("input_tokens", "output_tokens", "cached_tokens", "cost_usd", "thumbs_up", "thumbs_down"),
)

FIGURE = ("count", "p50", "p95", "mean", "unit", "share")


def _stats(view: StatsView) -> Iterator[Sequence[Value]]:
    """Yield the groups, or else the total; then figures, in columns of their own."""
    found, before = view.statistics, view.before
    compared = [f"before_{name}" for name in GROUP] if before else []
    empty = [None] * len(FIGURE) if view.figures else ()
    yield ("key", "name", *GROUP, *compared, *(FIGURE if view.figures else ()))
    if view.by is None:
        then = _group(before.total) if before else ()
        yield ("", view.total.key, *_group(found.total), *then, *empty)
    else:
        for group, line, earlier in zip_longest(found.groups, view.lines, view.earlier):
            key = utc(int(group.key)) if view.by in ("hour", "day") else group.key
            yield (key, line.key, *_group(group), *(_group(earlier) if earlier else ()), *empty)
    for each in view.figures:
        key, _, name, *values = each.values
        yield (key, name, *[None] * (len(GROUP) + len(compared)), *values)


def _group(group: Group) -> Sequence[Value]:
    return (
        *(group.traces, group.errors, group.errors / group.traces if group.traces else 0.0),
        *(_ms(group.p50_ns), _ms(group.p95_ns), _ms(group.p99_ns)),
        *(group.input_tokens, group.output_tokens, group.cached_tokens, _usd(group.cost)),
        *(group.thumbs_up, group.thumbs_down),
    )


def _costs(view: CostView) -> Iterator[Sequence[Value]]:
    before = view.before
    names = ("input_tokens", "output_tokens", "cached_tokens", "cost_usd")
    unknown: Sequence[Value] = (None,) * len(names) if before else ()
    yield ("by", "key", *names, *(f"before_{name}" for name in names if before))
    for by, some, earlier in (
        ("model", view.models, before.models if before else ()),
        ("agent", view.agents, before.agents if before else ()),
    ):
        then = {each.key: _spent(each) for each in earlier}
        for each in some:
            yield (by, each.key, *_spent(each), *then.get(each.key, unknown))


def _spent(each: Spent) -> Sequence[Value]:
    tokens = (each.input_tokens, each.output_tokens, each.cached_tokens)
    return (*tokens, _usd(each.cost))


def _failures(view: FailuresView) -> Iterator[Sequence[Value]]:
    yield (
        "id",
        "state",
        "error_type",
        "agent",
        "traces",
        "count",
        "first_seen",
        "last_seen",
        *LATEST,
    )
    for each, line in zip(view.failures, view.lines, strict=True):
        latest = each.latest
        yield (
            *(each.id, line.state, each.error_type, each.agent, each.traces, each.count),
            *(utc(each.first_seen), utc(each.last_seen)),
            *(latest.trace_id, latest.name, latest.error_message),
        )


LATEST = ("trace_id", "name", "error_message")
"""The columns of the latest trace of an issue."""


def _logs(view: LogsView) -> Iterator[Sequence[Value]]:
    yield ("recorded_at", "level", "message", "trace_id", "span_id", "attributes")
    for each in view.logs:
        facts = json.dumps(each.attributes, ensure_ascii=False)
        yield (utc(each.recorded_at), each.level, each.message, each.trace_id, each.span_id, facts)


def _metrics(view: MetricsView) -> Iterator[Sequence[Value]]:
    yield ("labels" if view.name else "name", "count", "last", "last_at", "least", "mean", "most")
    for each in view.totals:
        figures = (each.least, each.mean, each.most)
        yield (each.name, each.count, each.last, utc(each.last_at), *figures)


BUDGETS = (
    *("id", "dimension", "key", "period", "time_zone", "since", "until", "soft_usd", "hard_usd"),
    *("spent_usd", "reserved_usd", "share", "status", "empty_at"),
)


def _budgets(view: BudgetsView) -> Iterator[Sequence[Value]]:
    yield BUDGETS
    for each, line, empty_at in zip(view.found, view.lines, view.empty_at, strict=True):
        budget = each.budget
        yield (
            *(budget.id, budget.dimension, budget.key, budget.period, budget.time_zone),
            *(utc(each.since), utc(each.until), _usd(budget.soft), _usd(budget.hard)),
            *(_usd(each.spent), _usd(each.reserved), each.share, line.status),
            utc(empty_at) if empty_at is not None else None,
        )


ALERTS = (
    *("id", "rule", "channel_id", "level", "since", "value", "snoozed_until"),
    *("acknowledged_by", "in_file"),
)


def _alerts(view: AlertsView) -> Iterator[Sequence[Value]]:
    yield ALERTS
    for rule, state in view.values:
        until = utc(state.snoozed_until) if state.snoozed_until else None
        yield (
            *(rule.id, rule.condition, rule.channel, state.level, utc(state.since), state.value),
            *(until, state.acknowledged_by, int(rule.in_file)),
        )


PROCESSES = (
    *("host", "pid", "team_id", "version", "mode", "state", "problem", "started_at", "seen_at"),
    *("running", "waiting"),
)


def _processes(view: ProcessesView) -> Iterator[Sequence[Value]]:
    yield PROCESSES
    for each, counts in zip(view.found, view.counts, strict=True):
        yield (
            *(each.host, each.pid, each.team, each.version, each.mode or None, each.state),
            *(each.problem or None, utc(each.started_at), utc(each.seen_at), *counts),
        )


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / 1_000_000


def _usd(micro_dollars: int | None) -> float | None:
    return None if micro_dollars is None else micro_dollars / 1_000_000


RENDERERS: Mapping[str, Callable[[Any], Iterable[Sequence[Value]]]] = {
    "TraceListView": _list,
    "StatsView": _stats,
    "CostView": _costs,
    "FailuresView": _failures,
    "LogsView": _logs,
    "MetricsView": _metrics,
    "BudgetsView": _budgets,
    "AlertsView": _alerts,
    "ProcessesView": _processes,
}
"""By the name of the view's class: a command loads only the views that it shows."""
