"""The periods of digests in local time, and those that they are compared with.

A window is a pair of its start and its end in nanoseconds since the epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from storage.coordination.digest_subscriptions import DAYS, Subscription

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

CHART_DAYS = 14
USUAL_WEEKS = 4
"""The usual is the median of the same days in so many weeks."""

Window = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The window that a digest is about, and the windows that it is compared with.

    `noun` is what to call it in a sentence: `Thursday`, `week`. `usual` has the same days of the
    weeks before, the latest first, and `days` the label and the window of each day of the chart.
    """

    title: str
    noun: str
    window: Window
    before: Window
    before_name: str
    usual: tuple[Window, ...]
    days: tuple[tuple[str, Window], ...]


def due(subscription: Subscription, *, now: int) -> date | None:
    """Return today's local date if its digest is due at `now`, else None.

    It stays due until the local day ends, so that it is caught up after downtime.
    """
    zone = ZoneInfo(subscription.time_zone)
    today = datetime.fromtimestamp(now / SECOND_NS, zone).date()
    if not _is_day(subscription.days, today):
        return None
    moment = datetime.combine(today, time.fromisoformat(subscription.local_time), zone)
    scheduled = int(moment.timestamp()) * SECOND_NS
    return today if subscription.created_at < scheduled <= now else None


def _is_day(days: str, today: date) -> bool:
    if days == "weekdays":
        return today.weekday() < DAYS.index("sat")
    return days in ("daily", DAYS[today.weekday()])


def period_before(today: date, *, days: str, time_zone: str) -> Period:
    """Return what a digest of *today* is about: the day before, or all days since the last one."""
    zone = ZoneInfo(time_zone)
    if days in DAYS:
        return _of_days(today, 7, zone, noun="week", before=7, before_name="week before")
    if days == "weekdays" and today.weekday() == DAYS.index("mon"):
        name = "weekend before"
        return _of_days(today, 3, zone, noun="weekend", before=7, before_name=name)
    yesterday = today - timedelta(days=1)
    return _of_days(today, 1, zone, noun=f"{yesterday:%A}", before=1, before_name="day before")


def _of_days(
    end: date, length: int, zone: ZoneInfo, *, noun: str, before: int, before_name: str
) -> Period:
    """Return the period of *length* days before *end*; *before* is how many days earlier."""

    def days_ago(count: int, length: int = length) -> Window:
        last = end - timedelta(days=count)
        return _first_hour(last - timedelta(days=length), zone), _first_hour(last, zone)

    first, last = end - timedelta(days=length), end - timedelta(days=1)
    first_text, last_text = f"{first:%A, %d %B}", f"{last:%A, %d %B}"
    return Period(
        title=f"on {first_text}" if length == 1 else f"from {first_text} to {last_text}",
        noun=noun,
        window=days_ago(0),
        before=days_ago(before),
        before_name=before_name,
        usual=_weeks(days_ago),
        days=_chart(end, zone),
    )


def _weeks(days_ago: Callable[[int], Window]) -> tuple[Window, ...]:
    return tuple(days_ago(7 * week) for week in range(1, USUAL_WEEKS + 1))


def _chart(end: date, zone: ZoneInfo) -> tuple[tuple[str, Window], ...]:
    """Return the days before *end*, the oldest first."""
    days = [end - timedelta(days=count) for count in range(CHART_DAYS, 0, -1)]
    return tuple(
        (f"{day:%a %d}", (_first_hour(day, zone), _first_hour(day + timedelta(days=1), zone)))
        for day in days
    )


def _first_hour(day: date, zone: ZoneInfo) -> int:
    """Return the first full hour of the local day, as statistics are kept by the hour.

    That is half an hour after midnight in some zones: an hour belongs to the day in which it
    begins. A day has 23 or 25 hours when the clock changes.
    """
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    return -(-int(midnight.timestamp()) * SECOND_NS // HOUR_NS) * HOUR_NS


def last_24_hours(*, now: int, time_zone: str) -> Period:
    """Return the last 24 hours. The last day of the chart is the local today."""
    hour = now - now % HOUR_NS
    zone = ZoneInfo(time_zone)
    today = datetime.fromtimestamp(now / SECOND_NS, zone).date()

    def days_ago(count: int) -> Window:
        # Whole hours, as statistics are kept: so that no hour is counted in two windows.
        end = hour - count * DAY_NS
        return end - DAY_NS, end

    return Period(
        title="in the last 24 hours",
        noun="day",
        window=(now - DAY_NS, now),
        before=days_ago(1),
        before_name="24 h before",
        usual=_weeks(days_ago),
        days=_chart(today + timedelta(days=1), zone),
    )
