"""The digest: its command, when it is due, and what it says."""

import heapq
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from peewee import Database

from reports.errors import UsageError
from reports.views.digest import DigestView, digest_view
from storage.coordination.digest_subscriptions import Subscription
from storage.model.filters import Filters
from storage.queries.statistics import Statistics, statistics
from storage.queries.traces import TraceSummary, recent_traces
from storage.writer.dropped import DROPPED, drop_counts

SECOND_NS = 1_000_000_000
DAY_NS = 24 * 3_600 * SECOND_NS

SHOWN_FAILURES = 3

SYNTAX = "write digest now, digest off, or digest here at 09:00 [Europe/Berlin]"


@dataclass(frozen=True, slots=True)
class Order:
    """The arguments of `digest`: `what` is `now`, `off`, or `at` with a local time.

    `time_zone` is None if no zone was given.
    """

    what: str
    local_time: str = ""
    time_zone: str | None = None


def parse_order(arguments: Sequence[str]) -> Order:
    """Parse the arguments of `digest`. Raises `UsageError`."""
    plain = [word for word in arguments if word.lower() not in ("here", "at")]
    if len(plain) == 1 and plain[0].lower() in ("now", "off"):
        return Order(plain[0].lower())
    if not plain or len(plain) > 2:
        raise UsageError(f"That is not a digest command: {SYNTAX}.")
    match = re.fullmatch(r"(\d{1,2})[:.](\d{2})", plain[0])
    if match is None or int(match.group(1)) > 23 or int(match.group(2)) > 59:
        raise UsageError(f"{plain[0]!r} is not a time of day: {SYNTAX}.")
    zone = plain[1] if len(plain) == 2 else None
    if zone is not None:
        check_time_zone(zone)
    return Order("at", f"{int(match.group(1)):02}:{match.group(2)}", zone)


def check_time_zone(name: str) -> None:
    """Raise `UsageError` if `name` is not an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"{name!r} is not a time zone: write one such as Europe/Berlin or UTC."
        ) from None


def due(subscription: Subscription, *, now: int) -> date | None:
    """Return today's local date if its digest is due at `now`, None before its time."""
    zone = ZoneInfo(subscription.time_zone)
    today = datetime.fromtimestamp(now / SECOND_NS, zone).date()
    moment = datetime.combine(today, time.fromisoformat(subscription.local_time), zone)
    scheduled = int(moment.timestamp()) * SECOND_NS
    return today if subscription.created_at < scheduled <= now else None


def yesterday(today: date, time_zone: str) -> tuple[int, int]:
    """Return the start and end of the local day before, in nanoseconds.

    The day has 23 or 25 hours when daylight saving time begins or ends.
    """
    zone = ZoneInfo(time_zone)
    edges = (datetime.combine(day, time(), zone) for day in (today - timedelta(days=1), today))
    since, until = (int(edge.astimezone(UTC).timestamp()) * SECOND_NS for edge in edges)
    return since, until


def digest(
    database: Database,
    *,
    audiences: Collection[str] | None,
    channel: str | None = None,
    may_see: Callable[[TraceSummary], bool] = lambda trace: True,
    since: int,
    until: int,
    title: str,
    now: int,
) -> DigestView:
    """Summarise a period as the holders of `audiences` may see it, or only one channel of it.

    `may_see` decides about each trace that is listed.
    """

    def by(dimension: str) -> Statistics:
        return statistics(
            database,
            since=since,
            until=until,
            by=dimension,
            audiences=audiences,
            channel=channel,
        )

    failed = (
        trace
        for status in ("error", "timeout", "abandoned")
        for trace in recent_traces(
            database,
            audiences=audiences,
            filters=Filters(channel=channel, status=status),
            since=since,
            limit=10,
        ).traces
        if trace.started_at < until and may_see(trace)
    )
    # What was dropped is a matter of the whole bot, and not of one channel.
    counted = () if channel is not None else drop_counts(database, since=since, until=until)
    return digest_view(
        title=title,
        agents=by("agent"),
        decisions=by("decision"),
        failed=heapq.nlargest(SHOWN_FAILURES, failed, key=lambda trace: trace.started_at),
        dropped=sum(each.count for each in counted if each.metric == DROPPED),
        now=now,
    )


def last_day(
    database: Database,
    *,
    audiences: Collection[str] | None,
    channel: str | None = None,
    may_see: Callable[[TraceSummary], bool] = lambda trace: True,
    now: int,
) -> DigestView:
    """Summarise the last 24 hours."""
    return digest(
        database,
        audiences=audiences,
        channel=channel,
        may_see=may_see,
        since=now - DAY_NS,
        until=now,
        title=f"What the agents did {within(channel)}in the last 24 hours",
        now=now,
    )


def within(channel: str | None) -> str:
    """Return what a title says before the period: "in this channel ", or nothing."""
    return "" if channel is None else "in this channel "
