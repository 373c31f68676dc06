"""Render a view as one JSON object with raw numbers, a contract for scripts.

Fields are added, never renamed: docs/reference/commands.md lists them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.formatting import utc, visible_json
from reports.views.agent_work import WorkLine
from reports.views.alerts import AlertsView, AlertView
from reports.views.budgets import BudgetsView
from reports.views.costs import CostView, Spent
from reports.views.digest import DigestView, Thread
from reports.views.erasure import ConfirmView
from reports.views.failures import FailuresView
from reports.views.figures import FIGURE
from reports.views.health import HealthView
from reports.views.messages import HelpView, MessageView
from reports.views.records import LogsView, MetricsView
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from reports.views.trace_tree import RawView, TraceView
from reports.views.views import View
from reports.views.why import WhyView
from storage.model.records import Score
from storage.model.semconv import ATTRIBUTES
from storage.model.span import Span
from storage.queries.statistics import TIMES
from storage.queries.traces import TraceSummary

if TYPE_CHECKING:
    from storage.queries.failures import Issue
    from storage.queries.statistics import Group, Statistics

COLUMNS = frozenset(ATTRIBUTES) - {"error_type", "error_message"}


def render(view: View) -> str:
    return visible_json(json.dumps(RENDERERS[type(view)](view), ensure_ascii=False, indent=2))


def error(message: str) -> str:
    return visible_json(json.dumps({"error": message}, ensure_ascii=False))


def _list(view: TraceListView) -> dict[str, Any]:
    scores = {} if view.scores is None else view.scores
    traces = [_trace(each, scores.get(each.trace_id)) for each in view.traces]
    for trace in traces if view.work is not None else ():
        trace["timeline"] = list(map(_step, (view.work or {})[trace["trace_id"]]))
    if view.kind != "ls":
        return {"traces": traces}
    return {"traces": traces, "next": view.next, "previous": view.previous}


def _trace(trace: TraceSummary, scores: Sequence[Score] | None = None) -> dict[str, Any]:
    rated = {} if scores is None else {"scores": list(map(_score, scores))}
    return {
        "trace_id": trace.trace_id,
        "name": trace.name,
        "status": trace.status,
        "platform": trace.platform,
        "agent": trace.agent,
        "channel_id": trace.channel,
        "thread_ts": trace.thread_ts,
        "user_id": trace.user,
        "started_at": utc(trace.started_at),
        "duration_ms": _ms(trace.duration_ns),
        "span_count": trace.span_count,
        "error_count": trace.error_count,
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
        "cost_usd": _usd(trace.cost),
        "decision": trace.decision,
        "reason": trace.reason,
        **rated,
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "name": score.name,
        "user_id": score.user,
        "value": score.value,
        "label": score.label,
        "reason": score.text,
    }


def _tree(view: TraceView) -> dict[str, Any]:
    return {
        "trace": _trace(view.trace, view.scores),
        "spans": [_span(span) for span in view.values],
        "timeline": list(map(_step, view.work)),
        "last_words": list(view.last_words),
        "link": view.link or None,
    }


def _step(line: WorkLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "depth": line.depth,
        "title": line.title,
        "status": line.status,
        "started_at": utc(line.started_at),
        "duration_ms": _ms(line.duration_ns),
        "facts": line.facts,
    }


def _raw(view: RawView) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(view.text)
    return shown


def _span(span: Span) -> dict[str, Any]:
    known = {
        ATTRIBUTES[name]: value
        for name in ATTRIBUTES
        if name in COLUMNS and (value := getattr(span, name)) is not None
    }
    failed = span.error_type is not None or span.error_message is not None
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "status": span.status,
        "started_at": utc(span.started_at),
        "duration_ms": _ms(span.duration_ns),
        "attributes": {**known, **span.attributes},
        "events": list(span.events),
        "error": {"type": span.error_type, "message": span.error_message} if failed else None,
    }


def _stats(view: StatsView) -> dict[str, Any]:
    names = {
        group.key: line.key for group, line in zip(view.statistics.groups, view.lines, strict=True)
    }
    shown = _statistics(view.statistics, view.by, names)
    shown["figures"] = [dict(zip(FIGURE, line.values, strict=True)) for line in view.figures]
    if view.before is not None:
        shown["before"] = _statistics(view.before, view.by, names)
    return shown


def _statistics(found: Statistics, by: str | None, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "since": utc(found.since),
        "until": utc(found.until),
        "counted_since": utc(found.grains.start(found.since)),
        "total": _group(found.total),
        "groups": [
            {
                "key": utc(int(group.key)) if by in TIMES else group.key,
                "name": names.get(group.key, group.key),
                **_group(group),
            }
            for group in found.groups
            if group.key  # What has none is the rest of the total.
        ],
    }


def _digest(view: DigestView) -> dict[str, Any]:
    facts = view.facts
    found = facts.agents
    return {
        "since": utc(found.since),
        "until": utc(found.until),
        "sentence": view.sentence,
        "total": _group(found.total),
        "before": _group(facts.before),
        "usual": None if facts.usual is None else _group(facts.usual),
        "days": [asdict(day) for day in facts.days],
        "agents": [{"key": group.key, **_group(group)} for group in found.groups],
        "left_alone": {group.key: group.traces for group in facts.left_alone.groups},
        "issues": list(map(_fresh_issue, facts.issues)),
        "failed": [_trace(trace) for trace in facts.failed],
        "dearest_threads": list(map(_thread, facts.dearest)),
        "slowest_threads": list(map(_thread, facts.slowest)),
        "silent": [
            {"key": key, "usual_traces": count}
            for key, count in (*facts.silent_platforms, *facts.silent_agents)
        ],
        "dropped": facts.dropped,
        "problems": list(facts.problems),
        "budgets": list(facts.budgets),
    }


def _fresh_issue(issue: Issue) -> dict[str, Any]:
    return {
        "id": issue.id,
        "state": "new" if issue.back_since is None else "returned",
        "error_type": issue.error_type,
        "agent": issue.agent,
        "traces": issue.traces,
        "first_seen": utc(issue.first_seen),
        "last_seen": utc(issue.last_seen),
        "latest_trace_id": issue.latest.trace_id,
        "message": issue.latest.error_message,
    }


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "channel_id": thread.sums.channel,
        "thread_ts": thread.sums.thread_ts,
        "traces": thread.sums.turns,
        "cost_usd": _usd(thread.sums.cost),
        "slowest_ms": _ms(thread.sums.slowest_ns),
        "first": _trace(thread.first),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "traces": group.traces,
        "errors": group.errors,
        "error_rate": group.errors / group.traces if group.traces else 0.0,
        "p50_ms": _ms(group.p50_ns),
        "p95_ms": _ms(group.p95_ns),
        "p99_ms": _ms(group.p99_ns),
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "cached_tokens": group.cached_tokens,
        "cost_usd": _usd(group.cost),
        "thumbs_up": group.thumbs_up,
        "thumbs_down": group.thumbs_down,
    }


def _costs(view: CostView) -> dict[str, Any]:
    return {
        "since": utc(view.since),
        "until": utc(view.until),
        "total": _spent(view.total),
        "models": [{"key": each.key, **_spent(each)} for each in view.models],
        "agents": [{"key": each.key, **_spent(each)} for each in view.agents],
        "unpriced": [each.key for each in view.unpriced],
        **({"before": _costs(view.before)} if view.before else {}),
    }


def _spent(spent: Spent) -> dict[str, Any]:
    return {
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cached_tokens": spent.cached_tokens,
        "cost_usd": _usd(spent.cost),
    }


def _failures(view: FailuresView) -> dict[str, Any]:
    return {
        "since": utc(view.since),
        "until": utc(view.until),
        "bucket_seconds": view.bucket_ns // 1_000_000_000,
        "errors": [
            {
                "id": failure.id,
                "state": line.state,
                "error_type": failure.error_type,
                "agent": failure.agent,
                "traces": failure.traces,
                "count": failure.count,
                "first_seen": utc(failure.first_seen),
                "last_seen": utc(failure.last_seen),
                "sparkline": list(chart),
                "changed_by": failure.changed and failure.changed.changed_by,
                "changed_at": failure.changed and utc(failure.changed.changed_at),
                "latest": {
                    "trace_id": failure.latest.trace_id,
                    "name": failure.latest.name,
                    "started_at": utc(failure.latest.started_at),
                    "message": failure.latest.error_message,
                },
            }
            for failure, line, chart in zip(view.failures, view.lines, view.charts, strict=True)
        ],
    }


def _budgets(view: BudgetsView) -> dict[str, Any]:
    return {
        "budgets": [
            {
                "id": each.budget.id,
                "dimension": each.budget.dimension,
                "key": each.budget.key or None,
                "name": line.name,
                "period": each.budget.period,
                "time_zone": each.budget.time_zone,
                "since": utc(each.since),
                "until": utc(each.until),
                "soft_usd": _usd(each.budget.soft),
                "hard_usd": _usd(each.budget.hard),
                "spent_usd": _usd(each.spent),
                "reserved_usd": _usd(each.reserved),
                "share": round(each.share, 4),
                "status": line.status,
                "empty_at": None if empty_at is None else utc(empty_at),
            }
            for each, line, empty_at in zip(view.found, view.lines, view.empty_at, strict=True)
        ]
    }


def _why(view: WhyView) -> dict[str, Any]:
    return {
        "trace": _trace(view.trace),
        "reason": view.reason,
        "explanation": view.title,
        "rules": list(view.rules),
        "facts": list(view.facts),
        "instead": view.instead or None,
    }


def _logs(view: LogsView) -> dict[str, Any]:
    logs = [{**asdict(log), "recorded_at": utc(log.recorded_at)} for log in view.logs]
    return {"since": utc(view.since), "until": utc(view.until), "logs": logs}


def _metrics(view: MetricsView) -> dict[str, Any]:
    key = "labels" if view.name else "name"
    totals = [
        {
            key: total.name,
            "count": total.count,
            "last": total.last,
            "last_at": utc(total.last_at),
            "least": total.least,
            "mean": total.mean,
            "most": total.most,
        }
        for total in view.totals
    ]
    shown: dict[str, Any] = {"since": utc(view.since), "until": utc(view.until)}
    if not view.name:
        return {**shown, "metrics": totals}
    buckets = [
        {"at": utc(bucket.at), "mean": bucket.mean, "count": bucket.count}
        for bucket in view.buckets
    ]
    return {"name": view.name, **shown, "groups": totals, "buckets": buckets}


def _health(view: HealthView) -> dict[str, Any]:
    problems = [asdict(problem) for problem in view.problems]
    return {"ok": view.ok, "problems": problems, **asdict(view.health)}


def _alerts(view: AlertsView) -> dict[str, Any]:
    return {
        "alerts": [
            {
                "id": rule.id,
                "rule": rule.condition,
                "channel_id": rule.channel,
                "level": state.level,
                "since": utc(state.since),
                "value": state.value,
                "snoozed_until": utc(state.snoozed_until) if state.snoozed_until else None,
                "acknowledged_by": state.acknowledged_by,
                "in_file": rule.in_file,
            }
            for rule, state in view.values
        ]
    }


def _alert(view: AlertView) -> dict[str, Any]:
    return {
        "id": view.rule.id,
        "rule": view.rule.condition,
        "channel_id": view.rule.channel,
        "level": view.level,
        "message": view.title,
    }


def _help(view: HelpView) -> dict[str, Any]:
    return {"commands": dict(view.commands)}


def _message(view: MessageView | ConfirmView) -> dict[str, Any]:
    return {"message": view.text} if view.found else {"error": view.text}


def _ms(ns: float | None) -> float | None:
    return None if ns is None else round(ns / 1_000_000, 3)


def _usd(micro_dollars: int | None) -> float | None:
    return None if micro_dollars is None else micro_dollars / 1_000_000


RENDERERS: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    TraceListView: _list,
    TraceView: _tree,
    RawView: _raw,
    LogsView: _logs,
    MetricsView: _metrics,
    StatsView: _stats,
    DigestView: _digest,
    BudgetsView: _budgets,
    CostView: _costs,
    FailuresView: _failures,
    HealthView: _health,
    HelpView: _help,
    MessageView: _message,
    ConfirmView: _message,
    WhyView: _why,
    AlertsView: _alerts,
    AlertView: _alert,
}
