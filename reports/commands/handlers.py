"""Run a parsed command and return a view of what the viewer may see.

What only some commands need is imported inside of them: in a shell, people wait for each import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.commands.filters import COUNTED
from reports.commands.lists import (
    PERMALINK,
    lines_of,
    list_traces,
    period_start,
    running,
    search,
    slowest,
    thread,
)
from reports.commands.parser import LEVELS
from reports.commands.viewer import Viewer
from reports.errors import UsageError
from reports.formatting import message_link
from reports.views.messages import MessageView, ambiguous, help_view, not_found, removed
from storage.database.query_timeout import query_timeout
from storage.database.shared_file import SharedDatabase
from storage.errors import QueryTimeout
from storage.model.filters import Filters
from storage.queries.scores import scores_by_trace
from storage.queries.traces import (
    TraceSummary,
    message_traces,
    recent_traces,
    short_ids,
    thread_traces,
    trace_spans,
    traces_by_id,
)

__all__ = ["Viewer", "answer"]

if TYPE_CHECKING:
    import argparse

    from peewee import Database

    from reports.views.views import View
    from storage.queries.statistics import Statistics

METRIC_VALUES = 10_000
"""How many values of a metric are read: the newest."""
RECORDED = 1_000
"""Of so many of the newest traces a person sees log lines and metrics."""

NOTHING_YET = "Nothing that you may see is recorded yet. Ask an agent, then show it."
NEWEST = 20
"""Of so many traces the newest that the viewer may see is shown."""

HOURS_SHOWN_NS = 48 * 3_600 * 1_000_000_000
"""Up to this length, a period is shown over its hours, and a longer one over its days."""

ANSWER_S = 30.0
"""A command may query the database for this long, in seconds."""


def answer(args: argparse.Namespace, *, database: Database, viewer: Viewer, now: int) -> View:
    """Run the command `args.command` for `viewer`. Raises `UsageError`."""
    try:
        with query_timeout(database, ANSWER_S):
            return HANDLERS[args.command](args, database, viewer, now)
    except QueryTimeout as error:
        return MessageView(text=str(error))


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
    line_of = lines_of(found, database, viewer, now)
    for trace in found:
        if view := why_view(trace, trace_spans(database, trace.trace_id), line_of(trace)):
            return view
    return MessageView(
        text=f"No decision is recorded for {args.id}. The bot decides about messages in "
        "conversations that it is in, while it runs. If the message is new, try again in a few "
        "seconds; search finds messages by their words."
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


def _stats(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.figures import SOURCES
    from reports.views.statistics import statistics_view
    from storage.model.retention import OTHERS
    from storage.queries.figures import figures
    from storage.queries.statistics import statistics

    only = next(((name, key) for name in COUNTED if (key := getattr(args.filters, name))), None)
    hidden = only is not None and only[0] == "channel" and not viewer.may_name(only[1])

    def count(since: int, until: int, by: str | None = args.by) -> Statistics:
        found = statistics(
            database,
            since=since,
            until=until,
            by=by,
            audiences=() if hidden else viewer.audiences,
            only=only,
            time_zone=viewer.time_zone,
        )
        if by != "channel":
            return found
        named = tuple(
            group for group in found.groups if group.key == OTHERS or viewer.may_name(group.key)
        )
        return replace(found, groups=named)

    since = period_start(args, now)
    of = args.by or (only and only[0])
    found_figures = (
        figures(
            database,
            since=since,
            until=now,
            of=of,
            audiences=viewer.audiences,
            only=only and only[1],
        )
        if of in SOURCES
        else None
    )
    unit = "hour" if now - since <= HOURS_SHOWN_NS else "day"
    return statistics_view(
        count(since, now),
        by=args.by,
        only=only,
        time_zone=viewer.time_zone,
        before=count(max(2 * since - now, 0), since) if args.compare else None,
        over_time=None if args.by else (unit, count(since, now, unit)),
        figures=found_figures,
        start=args.cursor,
        name_of=viewer.name_of,
    )


def _cost(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.costs import CostView, costs_view
    from storage.queries.statistics import statistics

    def view(since: int, until: int, before: CostView | None = None) -> CostView:
        by_model, by_agent = (
            statistics(database, since=since, until=until, by=by, audiences=viewer.audiences)
            for by in ("model", "agent")
        )
        return costs_view(by_model, by_agent, before=before)

    since = period_start(args, now)
    return view(since, now, view(max(2 * since - now, 0), since) if args.compare else None)


def _budget(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.commands.budget_orders import parse_order
    from reports.views.budgets import budgets_view
    from storage.coordination.budgets import budgets
    from storage.coordination.reservations import reservations
    from storage.queries.spending import spending

    if parse_order(args.order).what != "list":
        raise UsageError("This only lists budgets: type the order as a command of its own.")
    running = reservations(database, now=now)
    found = [
        spending(database, budget, running, now=now)
        for budget in budgets(database, team=viewer.team)
        if viewer.may_see_budget(budget)
    ]
    return budgets_view(found, name_of=viewer.name_of, now=now)


def _errors(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.commands.issues import list_issues

    return list_issues(args, database, viewer, now)


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
    since = 0 if found else period_start(args, now)
    trace_ids = [found[0].trace_id] if found else _seen(database, viewer, since)
    levels = LEVELS[LEVELS.index(args.level) :] if args.level else ()
    logs = stored_logs(database, since=since, levels=levels, trace_ids=trace_ids, limit=args.limit)
    others = set() if found else {log.trace_id for log in logs if log.trace_id}
    return logs_view(
        logs,
        since=found[0].started_at if found else since,
        now=now,
        time_zone=viewer.time_zone,
        trace_id=found[0].trace_id if found else "",
        short_ids=short_ids(database, others),
        level=args.level or "",
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

    since, period = period_start(args, now), duration_text(args.since)
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


def _alerts(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.alerts import alerts_view
    from storage.coordination.alert_rules import alert_rules, alert_states

    if args.order:
        raise UsageError(f"{args.order[0]} changes alerts, which this cannot: it only lists them.")
    if viewer.audiences == frozenset():
        raise UsageError("Only full members of this workspace may see its alerts.")
    states = alert_states(database)
    rules = alert_rules(database, team=viewer.team)
    seen = [rule for rule in rules if rule.id in states and viewer.may_read(rule.channel)]
    return alerts_view([(rule, states[rule.id]) for rule in seen], now=now, name_of=viewer.name_of)


def _help(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    return help_view(args.about)


HANDLERS: dict[str, Callable[[argparse.Namespace, Database, Viewer, int], View]] = {
    "ls": list_traces,
    "show": _show,
    "why": _why,
    "thread": thread,
    "stats": _stats,
    "cost": _cost,
    "errors": _errors,
    "slow": slowest,
    "search": search,
    "ps": running,
    "logs": _logs,
    "metrics": _metrics,
    "health": _health,
    "digest": _digest,
    "budget": _budget,
    "alerts": _alerts,
    "help": _help,
}
