"""Count what happened in a period, and what it cost."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reports.commands.filters import COUNTED
from reports.commands.lists import period_start
from reports.commands.viewer import Viewer

if TYPE_CHECKING:
    import argparse

    from reports.views.views import View
    from storage.database.base import Database
    from storage.queries.figures import Figures
    from storage.queries.statistics import Statistics

HOUR_NS = 3_600 * 1_000_000_000
DAY_NS = 24 * HOUR_NS
HOURS_SHOWN_NS = 2 * DAY_NS
"""Up to this length, a period is shown over its hours, and a longer one over its days."""


def stats(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.statistics import statistics_view

    only = next(((name, key) for name in COUNTED if (key := getattr(args.filters, name))), None)
    since = period_start(args, viewer, now)
    count = partial(_count, database, viewer, only)
    unit = "hour" if now - since <= HOURS_SHOWN_NS else "day"
    counted = count(since, now, args.by)
    before = count(*_period_before(counted), args.by) if args.compare else None
    found = _without_hidden(counted, viewer, args.by)
    return statistics_view(
        found,
        by=args.by,
        period=args.since,
        only=only,
        time_zone=viewer.time_zone,
        before=before and _without_hidden(before, viewer, args.by),
        rest="" if found == counted else "other channels",
        over_time=None if args.by else (unit, count(since, now, unit)),
        figures=_figures(database, viewer, only, since, now, args.by),
        start=args.cursor,
        name_of=viewer.name_of,
    )


def _period_before(found: Statistics) -> tuple[int, int]:
    """Return the start and the end of the period before.

    It is about as long, in whole hours, and ends where what is counted begins: whole hours are
    counted, and none is to be in both. Days are compared with as many days, so that each hour is
    with the same one of another day.
    """
    end, length = found.grains.start(found.since), found.until - found.since
    if length % DAY_NS:
        length = max((found.until - end + HOUR_NS // 2) // HOUR_NS, 1) * HOUR_NS
    return max(end - length, 0), end


def _count(
    database: Database,
    viewer: Viewer,
    only: tuple[str, str] | None,
    since: int,
    until: int,
    by: str | None,
) -> Statistics:
    """Return the statistics of a period, of nothing if it is of a channel that is hidden."""
    from storage.queries.statistics import statistics

    hidden = only is not None and only[0] == "channel" and not viewer.may_name(only[1])
    return statistics(
        database,
        since=since,
        until=until,
        by=by,
        audiences=() if hidden else viewer.counted,
        only=only,
        time_zone=viewer.time_zone,
    )


def _without_hidden(found: Statistics, viewer: Viewer, by: str | None) -> Statistics:
    """Leave out the channels whose names the viewer may not read; the total still counts them."""
    from storage.model.retention import OTHERS

    if by != "channel":
        return found
    groups = (group for group in found.groups if group.key == OTHERS or viewer.may_name(group.key))
    return replace(found, groups=tuple(groups))


def _figures(
    database: Database,
    viewer: Viewer,
    only: tuple[str, str] | None,
    since: int,
    until: int,
    by: str | None,
) -> Figures | None:
    """Return further figures of the groups, or of the one that is counted; None if it has none."""
    from reports.views.figures import SOURCES
    from storage.queries.figures import figures

    of = by or (only and only[0])
    if of not in SOURCES:
        return None
    return figures(
        database,
        since=since,
        until=until,
        of=of,
        audiences=viewer.counted,
        only=only and only[1],
    )


def cost(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.costs import costs_view
    from storage.queries.statistics import statistics

    def count(since: int, until: int) -> tuple[Statistics, Statistics]:
        by_model, by_agent = (
            statistics(database, since=since, until=until, by=by, audiences=viewer.counted)
            for by in ("model", "agent")
        )
        return by_model, by_agent

    found = count(period_start(args, viewer, now), now)
    before = None
    if args.compare:
        before = costs_view(*count(*_period_before(found[0])), period=args.since)
    return costs_view(*found, period=args.since, before=before)
