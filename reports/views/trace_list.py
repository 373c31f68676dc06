"""Lists of traces as text: the newest, a thread, the running, the slowest.

Times are in nanoseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports import formatting
from storage.model import trace_context
from storage.model.records import Score
from storage.queries.traces import Page, TraceSummary

if TYPE_CHECKING:
    from reports.views.agent_work import WorkLine

WAITS = "waits for the turn before it in its thread"
"""The note of a message that is accepted and whose turn has not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One trace in a list. `note` says why it failed or was skipped, or for what it waits."""

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
    thumbs: str = ""
    link: str = ""
    """The address of the message in Slack, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a menu, and the command that shows the list by it."""

    label: str
    command: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """A filter of a list of which people choose the value. One choice is chosen."""

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceListView:
    """A list of traces. `next` and `previous` are the cursors of the pages beside it, if any."""

    title: str
    lines: tuple[TraceLine, ...]
    traces: tuple[TraceSummary, ...]
    scores: Mapping[str, Sequence[Score]] | None = None
    """The raw scores of each trace; None if they were not asked for."""
    work: Mapping[str, Sequence[WorkLine]] | None = None
    """The steps of the agents in each trace; None if they were not asked for."""
    waiting: Container[str] | None = None
    """The traces whose turns have not begun; None if that was not asked for."""
    next: str | None = None
    previous: str | None = None
    again: str = ""
    """The command that lists them, without a cursor and with ids for names, as in a shell.

    It is empty in a shell, and if it must not be repeated.
    """
    filters: str = ""
    """The filters, as people write them."""
    menus: tuple[Menu, ...] = ()
    empty: str = "No traces to show."
    kind: str = "ls"
    """The command that lists them."""


LineOf = Callable[[TraceSummary], TraceLine]

FIRST_STEP = "Mention the bot in Slack, or record a command in a shell: tracebot run -- COMMAND."
EMPTY = {
    (False, False): "Nothing is recorded yet, unless messages were skipped: --all includes them. "
    + FIRST_STEP,
    (False, True): f"Nothing is recorded yet. {FIRST_STEP}",
    (True, False): "No traces match. Leave out a filter, or add --all to include skipped messages.",
    (True, True): "No traces match. Leave out a word or a filter.",
}
"""The text of an empty list, by whether it is narrowed and whether it has skipped messages."""
EMPTY_FOR_A_PERSON = "Nothing that you may see is recorded yet. Mention the bot to ask an agent."
"""In place of the first two in Slack, where there may be much that this person may not see."""


def trace_list_view(
    traces: Sequence[TraceSummary],
    line_of: LineOf,
    *,
    next: str | None,
    previous: str | None = None,
    again: str = "",
    filters: str = "",
    menus: tuple[Menu, ...] = (),
    skipped: bool = False,
    narrowed: bool = True,
    all_seen: bool = True,
) -> TraceListView:
    """Return a page of a list, which has skipped messages if *skipped* is true.

    It is *narrowed* by words, filters or a period. In a shell *all_seen* is true.
    """
    return TraceListView(
        title="Traces, newest first",
        lines=tuple(map(line_of, traces)),
        traces=tuple(traces),
        next=next,
        previous=previous,
        again=again,
        filters=filters,
        menus=menus,
        empty=EMPTY[narrowed, skipped] if narrowed or all_seen else EMPTY_FOR_A_PERSON,
    )


def thread_view(page: Page, line_of: LineOf, *, turns: int, again: str) -> TraceListView:
    """Return a page of a thread that has so many turns. `next` leads to earlier ones."""
    return TraceListView(
        title=f"Thread with {turns} turn{'' if turns == 1 else 's'}, oldest first",
        lines=tuple(map(line_of, page.traces)),
        traces=page.traces,
        next=page.next,
        previous=page.previous,
        again=again,
        kind="thread",
    )


def running_view(
    traces: Sequence[TraceSummary], line_of: LineOf, *, waiting: Container[str] = ()
) -> TraceListView:
    """Return the traces that run, of which those in *waiting* wait for another one."""
    lines = (
        replace(line_of(trace), note=WAITS) if trace.trace_id in waiting else line_of(trace)
        for trace in traces
    )
    return TraceListView(
        title="Running now, longest first",
        lines=tuple(lines),
        traces=tuple(traces),
        waiting=waiting,
        empty="Nothing is running. `ls` lists what has ended.",
        kind="ps",
    )


def slowest_view(
    traces: Sequence[TraceSummary], line_of: LineOf, *, since: int, now: int, period: str
) -> TraceListView:
    return TraceListView(
        title=f"Slowest traces {formatting.of_period(since, now, period)}",
        lines=tuple(map(line_of, traces)),
        traces=tuple(traces),
        empty=formatting.nothing_in(since, now, "No trace ended in this period."),
        kind="slow",
    )


def trace_line(
    trace: TraceSummary, *, now: int, short_id: str | None = None, workspace: str = ""
) -> TraceLine:
    """Return a trace as text; `workspace` is the URL of the workspace that reads it."""
    status = "skipped" if trace.decision == "skip" and trace.reason else trace.status
    length = trace.duration_ns
    if length is None and trace.status == "running":
        length = formatting.lasting(trace.started_at, now=now)
    return TraceLine(
        trace_id=trace.trace_id,
        short_id=short_id or trace_context.short_id(trace.trace_id),
        icon=formatting.ICONS.get(status, "?"),
        status=status,
        name=formatting.plain(trace.name),
        agent=formatting.plain(trace.agent or ""),
        when=formatting.ago(trace.started_at, now=now),
        duration=formatting.duration(length),
        tokens=formatting.token_pair(trace.input_tokens, trace.output_tokens),
        cost=formatting.cost(trace.cost) if trace.cost is not None else "",
        channel=formatting.plain(trace.channel or ""),
        user=formatting.plain(trace.user or ""),
        text=formatting.shortened(trace.text or "", 80),
        note=_note(trace),
        thumbs=formatting.thumbs(trace.thumbs_up, trace.thumbs_down),
        link=formatting.message_link(
            workspace, channel=trace.channel, ts=trace.message_ts, thread_ts=trace.thread_ts
        ),
    )


def _note(trace: TraceSummary) -> str:
    if trace.decision == "skip" and trace.reason:
        return f"skipped: {formatting.reason(trace.reason)}"
    if not (trace.error_count and trace.error_message):
        return ""
    failure = formatting.shortened(trace.error_message, 120)
    # Such as that of a provider, when the agent's next one answered.
    return f"after a failure: {failure}" if trace.status == "ok" else failure
