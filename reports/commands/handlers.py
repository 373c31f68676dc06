"""Run a parsed command and return a view of what the viewer may see.

What only some commands need is imported inside of them: in a shell, people wait for each import.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reports.commands.filters import COUNTED, filter_words
from reports.commands.menus import list_again, menus
from reports.commands.parser import LEVELS
from reports.errors import UsageError
from reports.formatting import message_link
from reports.views.messages import MessageView, ambiguous, help_view, not_found, removed
from reports.views.trace_list import (
    running_view,
    slowest_view,
    thread_view,
    trace_line,
    trace_list_view,
)
from storage.database.query_timeout import query_timeout
from storage.database.shared_file import SharedDatabase
from storage.errors import QueryTimeout
from storage.model.filters import Filters
from storage.model.search_words import BadSearch
from storage.queries.cursors import BadCursor, Cursor, parse_cursor
from storage.queries.scores import scores_by_trace
from storage.queries.traces import (
    Page,
    TraceSummary,
    message_traces,
    recent_traces,
    running_traces,
    short_ids,
    slowest_traces,
    thread_traces,
    trace_spans,
    traces_by_id,
)

if TYPE_CHECKING:
    import argparse

    from peewee import Database

    from reports.views.statistics import NameOf
    from reports.views.trace_list import LineOf, Menu, TraceLine, TraceListView
    from reports.views.views import View
    from storage.queries.removed_traces import RemovedTrace
    from storage.queries.statistics import Statistics

PERMALINK = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})(?:\?.*?thread_ts=([\d.]+))?")

FAILED_TRACES = 1_000
"""How many failed traces `errors` reads, newest first."""

LOG_LINES, METRIC_VALUES = 100, 10_000
"""How many log lines, and values of a metric, are read: the newest."""
RECORDED = 1_000
"""Of so many of the newest traces a person sees log lines and metrics."""

SLOWEST = 10
NOTHING_YET = "Nothing that you may see is recorded yet. Ask an agent, then show it."
NEWEST = 20
"""Of so many traces the newest that the viewer may see is shown."""

THREAD_PAGE = 10
"""Turns of a thread on one page."""
RECENTLY_NS = 30 * 86_400 * 1_000_000_000
MOST_AGENTS = 50
"""The agents in the menu of a list: those with the most traces of the last 30 days."""

ANSWER_S = 30.0
"""A command may query the database for this long, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The person who asks, and from where.

    `audiences` are those that they belong to; None is a shell on the database's own machine, which
    sees everything. `may_see` decides about each trace that is listed or shown,
    `may_name` about each channel in statistics. `name_of` names the keys of statistics: users and
    channels have ids. `workspace` is the URL of the viewer's workspace, with which links to
    messages begin; it is not known in a shell.
    """

    audiences: frozenset[str] | None = None
    may_see: Callable[[TraceSummary | RemovedTrace], bool] = lambda trace: True
    may_name: Callable[[str], bool] = lambda channel: True
    name_of: NameOf = lambda by, key: key
    team: str | None = None
    user: str | None = None
    channel: str | None = None
    workspace: str = ""
    """Its URL, such as `https://acme.slack.com/`; empty in a shell."""
    time_zone: str = "UTC"


def answer(args: argparse.Namespace, *, database: Database, viewer: Viewer, now: int) -> View:
    """Run the command `args.command` for `viewer`. Raises `UsageError`."""
    try:
        with query_timeout(database, ANSWER_S):
            return HANDLERS[args.command](args, database, viewer, now)
    except QueryTimeout as error:
        return MessageView(text=str(error))


def _ls(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    try:
        page = recent_traces(
            database,
            audiences=viewer.audiences,
            words=" ".join(args.words),
            filters=args.filters,
            since=_since(args, now) if args.since else None,
            skipped=args.all,
            limit=args.limit,
            cursor=args.cursor,
        )
    except (BadCursor, BadSearch) as error:
        raise UsageError(str(error)) from None
    seen = tuple(trace for trace in page.traces if viewer.may_see(trace))
    view = trace_list_view(
        seen,
        _line_of(seen, database, viewer, now),
        next=page.next,
        previous=page.previous,
        skipped=args.all,
    )
    if viewer.audiences is not None:
        view = _with_controls(view, args, database, viewer, now)
    return _with_scores(view, database)


def _with_controls(
    view: TraceListView, args: argparse.Namespace, database: Database, viewer: Viewer, now: int
) -> TraceListView:
    """Add the filters and what changes them, for a list in Slack."""
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


def _with_scores(view: TraceListView, database: Database) -> TraceListView:
    ids = [trace.trace_id for trace in view.traces]
    return replace(view, scores=scores_by_trace(database, ids))


def _line_of(
    traces: Sequence[TraceSummary], database: Database, viewer: Viewer, now: int
) -> LineOf:
    """Return a function that turns each of the traces into a line."""
    short = short_ids(database, [trace.trace_id for trace in traces])

    def line_of(trace: TraceSummary) -> TraceLine:
        short_id = short[trace.trace_id]
        return trace_line(trace, now=now, short_id=short_id, workspace=viewer.workspace)

    return line_of


def _described(args: argparse.Namespace, viewer: Viewer) -> str:
    """Return the words and the filters of a list, with the names of users and channels."""
    filters: Filters = args.filters
    named = replace(
        filters,
        user=filters.user and viewer.name_of("user", filters.user),
        channel=filters.channel and viewer.name_of("channel", filters.channel),
    )
    return " ".join([*args.words, *filter_words(named, since=args.since)])


def _menus(
    args: argparse.Namespace, database: Database, viewer: Viewer, now: int
) -> tuple[Menu, ...]:
    """Return the menus of a list, with the agents that the viewer may have seen at work."""
    from storage.queries.statistics import statistics

    found = statistics(
        database, since=now - RECENTLY_NS, until=now, by="agent", audiences=viewer.audiences
    )
    return menus(args, [group.key for group in found.groups if group.key][:MOST_AGENTS])


def _since(args: argparse.Namespace, now: int) -> int:
    """Return when the period begins; time begins in 1970, however long the period is."""
    return max(now - int(args.since), 0)


def _search(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    """List traces, skipped messages included."""
    args.all = True
    return _ls(args, database, viewer, now)


def _show(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.ratings import ratings
    from reports.views.trace_tree import trace_view

    found = _named(args.id, database, viewer) if args.id else _newest(database, viewer)
    if not found:
        return _removed(args.id, database, viewer) if args.id else MessageView(text=NOTHING_YET)
    if len(found) > 1:
        return ambiguous(args.id, [trace.trace_id for trace in found])
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


def _why(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.why import why_view

    found = _named(args.id, database, viewer)
    if len(found) > 1:
        return ambiguous(args.id, [trace.trace_id for trace in found])
    for trace in found:
        if view := why_view(trace, trace_spans(database, trace.trace_id), now=now):
            return view
    return MessageView(
        text=f"No decision is recorded for {args.id}. The bot decides about messages in "
        "conversations that it is in, while it runs. search finds messages by their words."
    )


def _named(name: str, database: Database, viewer: Viewer) -> list[TraceSummary]:
    """Return the traces that an id, or the link of a message, names and the viewer may see.

    Raises `UsageError`.
    """
    if link := PERMALINK.search(name):
        found = _by_message(link, database, viewer)[-1:]
    elif re.fullmatch(r"[0-9a-fA-F]{4,32}", name):
        found = traces_by_id(database, name, audiences=viewer.audiences)
    else:
        raise UsageError(
            f"{name} is not a trace id: give at least 4 of its digits, or a message's link."
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


def _removed(trace_id: str, database: Database, viewer: Viewer) -> View:
    """Say that retention removed the trace, but only to those who could have seen it."""
    from storage.queries.removed_traces import removed_traces

    found = removed_traces(database, trace_id, audiences=viewer.audiences)
    seen = [tombstone for tombstone in found if viewer.may_see(tombstone)]
    if len(seen) != 1:
        return not_found(trace_id)
    return removed(seen[0], time_zone=viewer.time_zone)


def _thread(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
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
        _line_of(page.traces, database, viewer, now),
        turns=len(seen),
        again=shlex.join(["thread", channel, thread_ts]),
    )
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
    if len(place) == 1 and (link := PERMALINK.search(place[0])):
        return link.group(1), link.group(4) or f"{link.group(2)}.{link.group(3)}"
    if len(place) == 2 and re.fullmatch(r"\d+\.\d+", place[1]):
        return place[0], place[1]
    raise UsageError(
        "That is not a thread: give a message's link (… → Copy link), or a channel's id and the "
        "thread's time stamp."
    )


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
    raise UsageError("No thread is recorded here yet: give the link of a message in a thread.")


def _stats(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.statistics import statistics_view
    from storage.model.retention import OTHERS
    from storage.queries.statistics import statistics

    only = next(((name, key) for name in COUNTED if (key := getattr(args.filters, name))), None)
    hidden = only is not None and only[0] == "channel" and not viewer.may_name(only[1])

    def of(since: int, until: int) -> Statistics:
        found = statistics(
            database,
            since=since,
            until=until,
            by=args.by,
            audiences=() if hidden else viewer.audiences,
            only=only,
        )
        if args.by != "channel":
            return found
        named = tuple(
            group for group in found.groups if group.key == OTHERS or viewer.may_name(group.key)
        )
        return replace(found, groups=named)

    since = _since(args, now)
    return statistics_view(
        of(since, now),
        by=args.by,
        only=only,
        time_zone=viewer.time_zone,
        before=of(max(2 * since - now, 0), since) if args.compare else None,
        name_of=viewer.name_of,
    )


def _cost(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.costs import costs_view
    from storage.queries.statistics import statistics

    by_model, by_agent = (
        statistics(database, since=_since(args, now), until=now, by=by, audiences=viewer.audiences)
        for by in ("model", "agent")
    )
    return costs_view(by_model, by_agent)


def _errors(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.failures import failures_view
    from storage.queries.failures import failed_spans, failed_traces

    since = _since(args, now)
    found = failed_traces(
        database,
        since=since,
        audiences=viewer.audiences,
        filters=args.filters,
        limit=FAILED_TRACES,
    )
    seen = [trace.trace_id for trace in found if viewer.may_see(trace)]
    spans = failed_spans(database, seen)
    return failures_view(spans, since=since, now=now, all_of_them=len(found) < FAILED_TRACES)


def _slow(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    since = _since(args, now)
    found = slowest_traces(
        database, since=since, audiences=viewer.audiences, filters=args.filters, limit=SLOWEST
    )
    seen = tuple(filter(viewer.may_see, found))
    return slowest_view(seen, _line_of(seen, database, viewer, now), since=since, now=now)


def _ps(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    found = running_traces(database, audiences=viewer.audiences, filters=args.filters)
    seen = tuple(filter(viewer.may_see, found))
    return running_view(seen, _line_of(seen, database, viewer, now))


def _health(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.health import health_view
    from storage.health import health

    assert isinstance(database, SharedDatabase)
    if viewer.audiences == frozenset():
        raise UsageError("Only full members of this workspace may see the health of the database.")
    in_slack = viewer.audiences is not None
    return health_view(health(database, now=now), now=now, private=in_slack)


def _digest(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.digest.contents import Scope, last_day
    from reports.digest.order import parse_order

    if args.order and parse_order(args.order).what != "now":
        raise UsageError(
            "Digests are posted to Slack channels: type /trace digest in one. A shell has only "
            "digest now."
        )
    scope = Scope(audiences=viewer.audiences, may_see=viewer.may_see)
    return last_day(database, scope, now=now, time_zone=viewer.time_zone)


def _logs(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.records import logs_view
    from storage.queries.records import stored_logs

    found = _named(args.id, database, viewer) if args.id else []
    if args.id and not found:
        return _removed(args.id, database, viewer)
    if len(found) > 1:
        return ambiguous(args.id, [trace.trace_id for trace in found])
    # Of a trace all lines, whose clock may be another one.
    since = 0 if found else _since(args, now)
    trace_ids = [found[0].trace_id] if found else _seen(database, viewer, since)
    levels = LEVELS[LEVELS.index(args.level) :] if args.level else ()
    logs = stored_logs(database, since=since, levels=levels, trace_ids=trace_ids, limit=LOG_LINES)
    return logs_view(
        logs,
        since=found[0].started_at if found else since,
        now=now,
        time_zone=viewer.time_zone,
        trace_id=found[0].trace_id if found else "",
    )


def _seen(database: Database, viewer: Viewer, since: int) -> list[str] | None:
    """Return the newest traces whose records the viewer may see; None for all of them.

    A record without a trace belongs to nobody, so only a shell shows it.
    """
    if viewer.audiences is None:
        return None
    page = recent_traces(
        database, audiences=viewer.audiences, since=since, skipped=True, limit=RECORDED
    )
    return [trace.trace_id for trace in page.traces if viewer.may_see(trace)]


def _metrics(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.units import duration_text
    from reports.views.records import metric_list_view, metric_view
    from storage.queries.records import metric_totals, metric_values

    since, period = _since(args, now), duration_text(args.since)
    trace_ids = _seen(database, viewer, since)
    if not args.name:
        totals = metric_totals(database, since=since, trace_ids=trace_ids)
        return metric_list_view(totals, since=since, now=now, period=period)
    values = metric_values(
        database, args.name, since=since, trace_ids=trace_ids, limit=METRIC_VALUES
    )
    return metric_view(
        args.name,
        values,
        since=since,
        now=now,
        period=period,
        time_zone=viewer.time_zone,
        limit=METRIC_VALUES,
    )


def _help(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    return help_view()


HANDLERS: dict[str, Callable[[argparse.Namespace, Database, Viewer, int], View]] = {
    "ls": _ls,
    "show": _show,
    "why": _why,
    "thread": _thread,
    "stats": _stats,
    "cost": _cost,
    "errors": _errors,
    "slow": _slow,
    "search": _search,
    "ps": _ps,
    "logs": _logs,
    "metrics": _metrics,
    "health": _health,
    "digest": _digest,
    "help": _help,
}
