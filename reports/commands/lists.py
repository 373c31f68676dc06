"""List traces: the newest, those with words, the slowest, the running, and those of a thread."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.commands.filters import filter_words
from reports.commands.menus import list_again, menus
from reports.commands.typed import copied_id
from reports.errors import CommandFailed, UsageError
from reports.formatting import PERMALINK
from reports.units import start_of
from reports.views.messages import not_found
from reports.views.trace_list import (
    running_view,
    slowest_view,
    thread_view,
    trace_line,
    trace_list_view,
)
from storage.model.filters import Filters, agents_of
from storage.model.search_words import BadSearch
from storage.queries.cursors import BadCursor, Cursor, parse_cursor
from storage.queries.lookups import (
    running_traces,
    short_ids,
    slowest_traces,
    thread_traces,
    traces_by_id,
)
from storage.queries.scores import scores_by_trace
from storage.queries.traces import Page, TraceSummary, recent_traces, trace_spans

if TYPE_CHECKING:
    import argparse

    from reports.commands.viewer import Viewer
    from reports.views.trace_list import LineOf, Menu, TraceLine, TraceListView
    from reports.views.views import View
    from storage.database.base import Database

THREAD_PAGE = 10
"""Turns of a thread on one page."""
RECENTLY_NS = 30 * 86_400 * 1_000_000_000
MOST_AGENTS = 50
"""The agents in the menu of a list: those with the most traces of the last 30 days."""


def list_traces(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    try:
        page = recent_traces(
            database,
            audiences=viewer.audiences,
            words=" ".join(args.words),
            filters=args.filters,
            since=period_start(args, viewer, now) if args.since else None,
            skipped=args.all,
            limit=args.limit,
            cursor=args.cursor,
        )
    except (BadCursor, BadSearch) as error:
        raise UsageError(str(error)) from None
    seen = tuple(trace for trace in page.traces if viewer.may_see(trace))
    view = trace_list_view(
        seen,
        lines_of(seen, database, viewer, now),
        next=page.next,
        previous=page.previous,
        skipped=args.all,
        narrowed=bool(args.words or args.since or args.cursor or args.filters != Filters()),
        all_seen=viewer.audiences is None,
    )
    return _with_scores(_in_slack(view, args, database, viewer, now), database)


def search(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    """List traces, skipped messages included."""
    args.all = True
    return list_traces(args, database, viewer, now)


def slowest(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    since = period_start(args, viewer, now)
    found = slowest_traces(
        database, since=since, audiences=viewer.audiences, filters=args.filters, limit=args.limit
    )
    seen = tuple(filter(viewer.may_see, found))
    view = slowest_view(
        seen, lines_of(seen, database, viewer, now), since=since, now=now, period=args.since
    )
    return _in_slack(view, args, database, viewer, now)


def running(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    found = running_traces(
        database, audiences=viewer.audiences, filters=args.filters, limit=args.limit
    )
    from storage.coordination.accepted_messages import waiting_traces  # Other lists do without it.

    seen = tuple(filter(viewer.may_see, found))
    waiting = waiting_traces(database) if seen else ()
    return running_view(seen, lines_of(seen, database, viewer, now), waiting=waiting)


def thread(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    channel, thread_ts = _place(args.place, database, viewer)
    found = thread_traces(
        database, channel=channel, thread_ts=thread_ts, audiences=viewer.audiences
    )
    seen = tuple(trace for trace in found if viewer.may_see(trace))
    if not seen:
        return not_found("that thread")
    # A shell has room for all of them.
    in_slack = viewer.audiences is not None
    page = _thread_page(seen, args.cursor) if in_slack or args.cursor else Page(seen, None)
    view = thread_view(
        page,
        lines_of(page.traces, database, viewer, now),
        turns=len(seen),
        again=shlex.join(["thread", channel, thread_ts]),
    )
    if getattr(args, "json", False):  # Only JSON has room for it.
        from reports.views.agent_work import agent_work

        spans = ((turn.trace_id, trace_spans(database, turn.trace_id)) for turn in page.traces)
        view = replace(view, work={each: agent_work(found, now=now) for each, found in spans})
    return _with_scores(view, database)


def _thread_page(turns: Sequence[TraceSummary], cursor: str | None) -> Page:
    """Return the newest turns of a thread, or those beside a cursor, oldest first."""
    try:
        place = None if cursor is None else parse_cursor(cursor)
    except BadCursor as error:
        raise UsageError(str(error)) from None
    if place is None:
        start = len(turns) - THREAD_PAGE
    elif place.newer:
        start = sum(_order(turn) <= (place.started_at, place.trace_id) for turn in turns)
    else:
        start = sum(_order(turn) < (place.started_at, place.trace_id) for turn in turns)
        start -= THREAD_PAGE
    start = max(min(start, len(turns) - 1), 0)
    shown = tuple(turns[start : start + THREAD_PAGE])
    earlier = str(Cursor(*_order(shown[0]))) if start else None
    is_more = start + len(shown) < len(turns)
    later = str(Cursor(*_order(shown[-1]), newer=True)) if is_more else None
    return Page(shown, next=earlier, previous=later)


def _order(turn: TraceSummary) -> tuple[int, str]:
    return turn.started_at, turn.trace_id


def _place(place: Sequence[str], database: Database, viewer: Viewer) -> tuple[str, str]:
    """Return the channel and the time stamp of the thread that `place` names."""
    if not place:
        return _latest_thread(database, viewer)
    if len(place) == 1 and (named := _thread_of(copied_id(place[0]), database, viewer)):
        return named
    if len(place) == 1 and (link := PERMALINK.search(place[0])):
        return link.group(1), link.group(4) or f"{link.group(2)}.{link.group(3)}"
    if len(place) == 2 and re.fullmatch(r"\d+\.\d+", place[1]):
        return place[0], place[1]
    raise UsageError(
        "That is not a thread: give a message's link (… → Copy link), the id of a trace "
        "in it, or a channel's id and the thread's time stamp."
    )


def _thread_of(trace_id: str, database: Database, viewer: Viewer) -> tuple[str, str] | None:
    """Return the channel and the time stamp of a trace's thread, None without such a trace."""
    traces = traces_by_id(database, trace_id, audiences=viewer.audiences)
    found = {(each.channel, each.thread_ts) for each in traces if viewer.may_see(each)}
    channel, thread_ts = found.pop() if len(found) == 1 else (None, None)
    return (channel, thread_ts) if channel and thread_ts else None


def _latest_thread(database: Database, viewer: Viewer) -> tuple[str, str]:
    page = recent_traces(
        database,
        audiences=viewer.audiences,
        filters=Filters(channel=viewer.channel, platform="slack"),
        limit=20,
    )
    for trace in page.traces:
        if trace.channel and trace.thread_ts and viewer.may_see(trace):
            return trace.channel, trace.thread_ts
    raise CommandFailed("No thread is recorded here yet: give the link of a message in a thread.")


def _in_slack(
    view: TraceListView, args: argparse.Namespace, database: Database, viewer: Viewer, now: int
) -> TraceListView:
    """Add the filters and what changes them, if the list is read in Slack."""
    if viewer.audiences is None:
        return view
    from storage.model.redaction import redact

    again = list_again(args, args.filters, args.since)
    if redact(again) != again:  # A message must not repeat a secret that somebody searched for.
        return replace(view, filters=redact(_described(args, viewer)))
    return replace(
        view,
        again=again,
        filters=_described(args, viewer),
        menus=_menus(args, database, viewer, now),
    )


def _described(args: argparse.Namespace, viewer: Viewer) -> str:
    """Return the words and the filters of a list, with the names of users and channels."""
    filters: Filters = args.filters
    named = replace(
        filters,
        user=filters.user and viewer.name_of("user", filters.user),
        channel=filters.channel and viewer.name_of("channel", filters.channel),
    )
    if args.command == "slow":  # Its title has the period.
        return " ".join(filter_words(named))
    return " ".join([*args.words, *filter_words(named, since=args.since)])


def _menus(
    args: argparse.Namespace, database: Database, viewer: Viewer, now: int
) -> tuple[Menu, ...]:
    """Return the menus of a list, with the agents that the viewer may have seen at work."""
    from storage.queries.statistics import statistics

    found = statistics(
        database, since=now - RECENTLY_NS, until=now, by="agent", audiences=viewer.counted
    )
    names = dict.fromkeys(name for group in found.groups for name in agents_of(group.key))
    return menus(args, list(names)[:MOST_AGENTS])


def _with_scores(view: TraceListView, database: Database) -> TraceListView:
    ids = [trace.trace_id for trace in view.traces]
    return replace(view, scores=scores_by_trace(database, ids))


def lines_of(
    traces: Sequence[TraceSummary], database: Database, viewer: Viewer, now: int
) -> LineOf:
    """Return a function that turns each of the traces into a line."""
    short = short_ids(database, [trace.trace_id for trace in traces])

    def line_of(trace: TraceSummary) -> TraceLine:
        return trace_line(
            trace,
            now=now,
            short_id=short[trace.trace_id],
            workspace=viewer.workspace if trace.team == viewer.team else "",
        )

    return line_of


def period_start(args: argparse.Namespace, viewer: Viewer, now: int) -> int:
    """Return when the period begins that `--since` names. Raises `UsageError`."""
    try:
        return start_of(args.since, now=now, time_zone=viewer.time_zone)
    except ValueError as error:
        raise UsageError(f"{error}.", word=args.since) from None
