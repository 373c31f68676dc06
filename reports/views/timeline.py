"""Statistics over time: by hour, or by day in a time zone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from reports import formatting
from storage.queries.statistics import Group, Statistics

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The traces of an hour or a day; `label` is its beginning in local time."""

    label: str
    traces: int
    errors: int


def timeline(found: Statistics, by: str, time_zone: str) -> tuple[Moment, ...]:
    """Return all hours or days from the first group of *found* until the end of its period.

    Times that are only kept by something longer are left out.
    """
    return _hours(found, time_zone) if by == "hour" else _days(found, time_zone)


def _hours(found: Statistics, time_zone: str) -> tuple[Moment, ...]:
    groups = {int(group.key): group for group in found.groups}
    hours = {at: group for at, group in groups.items() if found.grains.level(at) == "hour"}
    if not hours:
        return ()
    last = max(*hours, found.until - 1)
    return tuple(
        _moment(
            formatting.local(hour, time_zone, form="%a %H:%M"),
            [hours[hour]] if hour in hours else [],
        )
        for hour in range(min(hours), last + 1, HOUR_NS)
    )


def _days(found: Statistics, time_zone: str) -> tuple[Moment, ...]:
    days: dict[date, list[Group]] = {}
    for day, group in _dated(found, time_zone):
        days.setdefault(day, []).append(group)
    if not days:
        return ()
    first, last = min(days), max(*days, _date(found.until - 1, time_zone))
    dates = (first + timedelta(days=count) for count in range((last - first).days + 1))
    # Names of many weekdays would overlap below a chart.
    form = "%a %d %b" if (last - first).days < 14 else "%d %b"
    return tuple(_moment(day.strftime(form), days.get(day, ())) for day in dates)


def _date(at: int, time_zone: str) -> date:
    return date.fromisoformat(formatting.local(at, time_zone, form="%Y-%m-%d"))


def _moment(label: str, groups: Iterable[Group]) -> Moment:
    some = list(groups)
    return Moment(
        label=label,
        traces=sum(group.traces for group in some),
        errors=sum(group.errors for group in some),
    )


def in_groups(values: Sequence[T], most: int) -> list[Sequence[T]]:
    """Divide values into at most *most* groups of neighbours.

    The first one has fewer if they cannot be divided, so that the newest is as long as the others.
    """
    size = max(-(-len(values) // max(most, 1)), 1)
    return [
        values[max(end - size, 0) : end]
        for end in range(len(values) % size or size, len(values) + 1, size)
    ]


def merged(moments: Sequence[Moment], most: int) -> tuple[int, Sequence[Moment]]:
    """Add up neighbours until there are at most *most*; return how many became one, and these."""
    groups = in_groups(moments, most)
    return len(groups[-1]) if groups else 1, [
        Moment(
            label=some[0].label,
            traces=sum(each.traces for each in some),
            errors=sum(each.errors for each in some),
        )
        for some in groups
    ]


def time_name(group: Group, found: Statistics, by: str, time_zone: str) -> str:
    """Return an hour or a day for people, or the UTC day or month that is kept in its place."""
    at, kept = int(group.key), found.grains.level(int(group.key))
    if kept == "month":
        return formatting.local(at, "UTC", form="%Y-%m")
    if kept == "day":
        zone = "" if by == "hour" or time_zone == "UTC" else " UTC"
        return formatting.local(at, "UTC", form=f"%Y-%m-%d{zone}")
    return formatting.local(at, time_zone, form="%m-%d %H:%M" if by == "hour" else "%Y-%m-%d %a")


def earlier_groups(
    found: Statistics, before: Statistics, by: str, time_zone: str
) -> Mapping[str, Group]:
    """Return the group of the period before for each hour or day of *found*, by the latter's key.

    An hour is compared with the one that is as many hours earlier as the periods are apart, a day
    with the one that is as many days earlier by the calendar.
    """
    length = before.until - before.since
    if by == "hour":
        # What the newest hour is compared with may be the first of *found* itself.
        every = (*found.groups, *before.groups)
        return {str(int(group.key) + length): group for group in every}
    shift = timedelta(days=max((length + DAY_NS // 2) // DAY_NS, 1))
    days: dict[date, Group] = {}
    for day, group in _dated(before, time_zone):
        # The day in which hours begin to be kept may also be one of UTC's, which is whole.
        days.setdefault(day + shift, group)
    return {group.key: days[day] for day, group in _dated(found, time_zone) if day in days}


def _dated(found: Statistics, time_zone: str) -> Iterator[tuple[date, Group]]:
    """Yield the date of each group, without months."""
    for group in found.groups:
        at = int(group.key)
        kept = found.grains.level(at)
        if kept != "month":
            yield _date(at, time_zone if kept == "hour" else "UTC"), group
