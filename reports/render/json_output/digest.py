"""Render a digest."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.formatting import utc
from reports.render.json_output.statistics import group_fields
from reports.render.json_output.traces import trace_fields
from reports.render.json_output.values import dollars, milliseconds
from reports.views.digest import DigestView, Thread

if TYPE_CHECKING:
    from storage.queries.issues import Issue


def digest(view: DigestView) -> dict[str, Any]:
    facts = view.facts
    found = facts.agents
    return {
        "since": utc(found.since),
        "until": utc(found.until),
        "sentence": view.sentence,
        "total": group_fields(found.total),
        "before": group_fields(facts.before),
        "usual": None if facts.usual is None else group_fields(facts.usual),
        "days": [asdict(day) for day in facts.days],
        "agents": [{"key": group.key, **group_fields(group)} for group in found.groups],
        "left_alone": {group.key: group.traces for group in facts.left_alone.groups},
        "issues": list(map(_fresh_issue, facts.issues)),
        "failed": [trace_fields(trace) for trace in facts.failed],
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
        "cost_usd": dollars(thread.sums.cost),
        "slowest_ms": milliseconds(thread.sums.slowest_ns),
        "first": trace_fields(thread.first),
    }
