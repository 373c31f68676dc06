"""Render traces: a list, one with its spans, and why it was answered."""

import json
from collections.abc import Sequence
from typing import Any

from reports.formatting import utc
from reports.render.json_output.values import dollars, milliseconds
from reports.views.agent_work import WorkLine
from reports.views.trace_list import TraceListView
from reports.views.trace_tree import RawView, TraceView
from reports.views.why import WhyView
from storage.model.records import Score
from storage.model.semconv import ATTRIBUTES
from storage.model.span import Span
from storage.queries.traces import TraceSummary

COLUMNS = frozenset(ATTRIBUTES) - {"error_type", "error_message"}


def trace_list(view: TraceListView) -> dict[str, Any]:
    scores = {} if view.scores is None else view.scores
    traces = [trace_fields(each, scores.get(each.trace_id)) for each in view.traces]
    for trace in traces if view.work is not None else ():
        trace["timeline"] = list(map(_step, (view.work or {})[trace["trace_id"]]))
    for trace in traces if view.waiting is not None else ():
        trace["waiting"] = trace["trace_id"] in (view.waiting or ())
    if view.kind in ("ps", "slow"):
        return {"traces": traces}
    return {"traces": traces, "next": view.next, "previous": view.previous}


def trace_tree(view: TraceView) -> dict[str, Any]:
    return {
        "trace": trace_fields(view.trace, view.scores),
        "spans": [_span(span) for span in view.values],
        "timeline": list(map(_step, view.work)),
        "last_words": list(view.last_words),
        "link": view.link or None,
    }


def raw(view: RawView) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(view.text)
    return shown


def why(view: WhyView) -> dict[str, Any]:
    return {
        "trace": trace_fields(view.trace),
        "reason": view.reason,
        "explanation": view.title,
        "rules": list(view.rules),
        "facts": list(view.facts),
        "instead": view.instead or None,
    }


def trace_fields(trace: TraceSummary, scores: Sequence[Score] | None = None) -> dict[str, Any]:
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
        "duration_ms": milliseconds(trace.duration_ns),
        "span_count": trace.span_count,
        "error_count": trace.error_count,
        "input_tokens": trace.input_tokens,
        "output_tokens": trace.output_tokens,
        "cost_usd": dollars(trace.cost),
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


def _step(line: WorkLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "depth": line.depth,
        "title": line.title,
        "status": line.status,
        "started_at": utc(line.started_at),
        "duration_ms": milliseconds(line.duration_ns),
        "facts": line.facts,
    }


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
        "duration_ms": milliseconds(span.duration_ns),
        "attributes": {**known, **span.attributes},
        "events": list(span.events),
        "error": {"type": span.error_type, "message": span.error_message} if failed else None,
    }
