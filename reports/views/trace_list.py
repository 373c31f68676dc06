"""Lists of traces in final words: what happened, a thread, what runs, what was slow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports import formatting as wording
from storage.queries.traces import TraceSummary

SHORT_ID = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One trace in a list. `icon` names its status; `note` is why it failed or was skipped."""

    trace_id: str
    short_id: str
    icon: str
    status: str
    name: str
    agent: str
    when: str
    duration: str
    tokens: str
    cost: str
    channel: str
    user: str
    text: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceListView:
    title: str
    lines: tuple[TraceLine, ...]
    traces: tuple[TraceSummary, ...]
    next: str | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    """What the next page is asked with."""
    empty: str = "There is nothing to show yet."
    kind: str = "ls"


def trace_list(
    traces: Sequence[TraceSummary], *, next: str | None, words: Mapping[str, Any], now: int
) -> TraceListView:
    return TraceListView(
        title="Traces, newest first",
        lines=tuple(trace_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        next=next,
        words=words,
        empty="No trace fits. Messages that were only skipped are shown with --all.",
    )


def thread(traces: Sequence[TraceSummary], *, now: int) -> TraceListView:
    return TraceListView(
        title=f"The thread's {len(traces)} turn{'' if len(traces) == 1 else 's'}, oldest first",
        lines=tuple(trace_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        kind="thread",
    )


def running(traces: Sequence[TraceSummary], *, now: int) -> TraceListView:
    return TraceListView(
        title="Running now, longest first",
        lines=tuple(trace_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        empty="Nothing runs at the moment.",
        kind="ps",
    )


def slowest(traces: Sequence[TraceSummary], *, since: int, now: int) -> TraceListView:
    return TraceListView(
        title=f"The slowest of the {wording.period(since, now)}",
        lines=tuple(trace_line(trace, now=now) for trace in traces),
        traces=tuple(traces),
        empty="Nothing that ended is in this period.",
        kind="slow",
    )


def trace_line(trace: TraceSummary, *, now: int) -> TraceLine:
    status = "skipped" if trace.decision == "skip" and trace.reason else trace.status
    length = trace.duration_ns
    if length is None and trace.status == "running":
        length = now - trace.started_at
    return TraceLine(
        trace_id=trace.trace_id,
        short_id=trace.trace_id[:SHORT_ID],
        icon=wording.ICONS.get(status, "?"),
        status=status,
        name=wording.plain(trace.name),
        agent=wording.plain(trace.agent or ""),
        when=wording.ago(trace.started_at, now=now),
        duration=wording.duration(length),
        tokens=wording.token_pair(trace.input_tokens, trace.output_tokens),
        cost=wording.cost(trace.cost) if trace.cost is not None else "",
        channel=wording.plain(trace.channel or ""),
        user=wording.plain(trace.user or ""),
        text=wording.shortened(trace.text or "", 80),
        note=_note(trace),
    )


def _note(trace: TraceSummary) -> str:
    if trace.decision == "skip" and trace.reason:
        return f"skipped: {wording.reason(trace.reason)}"
    return wording.shortened(trace.error_message or "", 120) if trace.error_count else ""
