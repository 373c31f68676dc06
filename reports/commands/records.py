"""List log lines and metrics."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from reports.commands.lists import period_start
from reports.commands.menus import limit_words
from reports.commands.parser import LEVELS
from reports.commands.traces import named, removed_or_unknown
from reports.commands.viewer import Viewer
from reports.views.messages import ambiguous
from storage.queries.lookups import short_ids
from storage.queries.traces import recent_traces

if TYPE_CHECKING:
    import argparse

    from reports.views.views import View
    from storage.database.base import Database

METRIC_VALUES = 10_000
"""How many values of a metric are read: the newest."""

RECORDED = 1_000
"""Of so many of the newest traces a person sees log lines and metrics."""


def logs(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.records import logs_view
    from storage.queries.records import stored_logs

    found = [] if args.id is None else named(args.id, database, viewer)
    if args.id is not None and not found:
        return removed_or_unknown(args.id, database, viewer)
    if len(found) > 1:
        return ambiguous(args.id, {each.trace_id: each.started_at for each in found}, now=now)
    # Of a trace all lines, whose clock may be another one.
    since = 0 if found else period_start(args, viewer, now)
    trace_ids = [found[0].trace_id] if found else _seen(database, viewer, since)
    levels = LEVELS[LEVELS.index(args.level) :] if args.level else ()
    logs = stored_logs(database, since=since, levels=levels, trace_ids=trace_ids, limit=args.limit)
    others = set() if found else {log.trace_id for log in logs if log.trace_id}
    trace_id = found[0].trace_id if found else ""
    return logs_view(
        logs,
        since=found[0].started_at if found else since,
        now=now,
        period=args.since,
        time_zone=viewer.time_zone,
        trace_id=trace_id,
        short_ids=short_ids(database, others),
        level=args.level or "",
        again=shlex.join(["logs", *filter(None, [trace_id]), *limit_words(args)]),
    )


def metrics(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.records import metric_list_view, metric_view
    from storage.queries.records import metric_totals, metric_values

    since, period = period_start(args, viewer, now), args.since
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
