"""Show a trace, and say why a message was answered."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.commands.lists import lines_of
from reports.commands.viewer import Viewer
from reports.errors import UsageError
from reports.formatting import PERMALINK, message_link
from reports.views.messages import MessageView, ambiguous, not_found, removed
from reports.views.trace_list import FIRST_STEP
from storage.model.filters import Filters
from storage.queries.lookups import message_traces, thread_traces, traces_by_id
from storage.queries.scores import scores_by_trace
from storage.queries.traces import TraceSummary, recent_traces, trace_spans

if TYPE_CHECKING:
    import argparse

    from reports.views.views import View
    from storage.database.base import Database

NOTHING_YET = "Nothing that you may see is recorded yet. Ask an agent, then show it."
NOTHING_AT_ALL = f"Nothing is recorded yet. {FIRST_STEP}"

NEWEST = 20
"""Of so many traces the newest that the viewer may see is shown."""


def show(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.ratings import ratings
    from reports.views.trace_tree import trace_view

    found = _newest(database, viewer) if args.id is None else named(args.id, database, viewer)
    if not found:
        if args.id is None:
            in_shell = viewer.audiences is None
            return MessageView(text=NOTHING_AT_ALL if in_shell else NOTHING_YET)
        return removed_or_unknown(args.id, database, viewer)
    if len(found) > 1:
        return ambiguous(args.id, {each.trace_id: each.started_at for each in found}, now=now)
    (trace,) = found
    link = message_link(
        viewer.workspace, channel=trace.channel, ts=trace.message_ts, thread_ts=trace.thread_ts
    )
    scores = scores_by_trace(database, [trace.trace_id])[trace.trace_id]
    view = trace_view(
        trace,
        trace_spans(database, trace.trace_id),
        now=now,
        asker=viewer.name_of("user", trace.user) if trace.user else "",
        link=link if trace.team == viewer.team else "",
    )
    return replace(view, scores=scores, ratings=ratings(scores, viewer.name_of))


def _newest(database: Database, viewer: Viewer) -> list[TraceSummary]:
    """Return the newest trace of this channel, else of the viewer's own; in a shell of all."""
    for filters in (Filters(channel=viewer.channel), Filters(user=viewer.user)):
        page = recent_traces(database, audiences=viewer.audiences, filters=filters, limit=NEWEST)
        if seen := [trace for trace in page.traces if viewer.may_see(trace)][:1]:
            return seen
    return []


def why(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.why import why_view

    found = named(args.id, database, viewer)
    if len(found) > 1:
        return ambiguous(args.id, {each.trace_id: each.started_at for each in found}, now=now)
    line_of = lines_of(found, database, viewer, now)
    for trace in found:
        if view := why_view(trace, trace_spans(database, trace.trace_id), line_of(trace)):
            return view
    if not found and (gone := _removed(args.id, database, viewer)):
        return gone
    return MessageView(
        text=f"No decision is recorded for {args.id}. The bot decides about messages in "
        "conversations that it is in, while it runs. If the message is new, try again in a few "
        "seconds; `search` finds messages by their words."
    )


def named(name: str, database: Database, viewer: Viewer) -> list[TraceSummary]:
    """Return the traces that an id, or the link of a message, names and the viewer may see.

    Raises `UsageError`.
    """
    if link := PERMALINK.search(name):
        found = _by_message(link, database, viewer)[-1:]
    elif re.fullmatch(r"[0-9a-fA-F]{4,32}", name):
        found = traces_by_id(database, name, audiences=viewer.audiences)
    else:
        raise UsageError(
            f"{name or repr(name)} is not a trace id: give at least 4 of its digits, or a "
            "message's link. `show` without an id shows the newest.",
            word=name,
        )
    return [trace for trace in found if viewer.may_see(trace)]


def _by_message(
    link: re.Match[str], database: Database, viewer: Viewer
) -> tuple[TraceSummary, ...]:
    """Return the traces of a message; if it is a reply, those of the turns before it."""
    channel, seconds, micros, thread_ts = link.groups()
    asked = message_traces(
        database,
        channel=channel,
        message_ts=f"{seconds}.{micros}",
        audiences=viewer.audiences,
    )
    if asked or thread_ts is None:
        return tuple(asked)
    turns = thread_traces(
        database, channel=channel, thread_ts=thread_ts, audiences=viewer.audiences
    )
    posted = int(seconds) * 1_000_000_000 + int(micros) * 1_000
    return tuple(turn for turn in turns if turn.decision == "answer" and turn.started_at <= posted)


def removed_or_unknown(trace_id: str, database: Database, viewer: Viewer) -> View:
    """Say that retention removed the trace, or that there is none."""
    return _removed(trace_id, database, viewer) or not_found(trace_id)


def _removed(trace_id: str, database: Database, viewer: Viewer) -> View | None:
    """Say that retention removed the trace, but only to those who could have seen it."""
    from storage.queries.removed_traces import removed_traces

    found = removed_traces(database, trace_id, audiences=viewer.audiences)
    seen = [tombstone for tombstone in found if viewer.may_see(tombstone)]
    if len(seen) != 1:
        return None
    return removed(seen[0], time_zone=viewer.time_zone)
