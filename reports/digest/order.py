"""Parse the arguments of the command `digest`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from reports.errors import UsageError
from reports.views.messages import WEEKDAYS
from storage.coordination.digest_subscriptions import DAYS, Quiet

SYNTAX = (
    "write `digest now`, `digest off`, or `digest here [daily|weekdays|weekly mon] at 09:00 "
    "[Europe/Berlin] [quiet]`"
)
FILLERS = ("here", "at", "on", "weekly")
"""Words between the parts of a command, which mean nothing by themselves."""
TIME = re.compile(r"(\d{1,2})[:.](\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Order:
    """The arguments of `digest`: `what` is `now`, `off`, or `at` with a local time.

    `time_zone` is None if no zone was given. `days` and `quiet` are those of a `Subscription`.
    """

    what: str
    local_time: str = ""
    time_zone: str | None = None
    days: str = "daily"
    quiet: Quiet = "line"


def parse_order(arguments: Sequence[str]) -> Order:
    """Parse the arguments of `digest`. Raises `UsageError`."""
    words = [word.lower() for word in arguments]
    if len(words) == 1 and words[0] in ("now", "off"):
        return Order(words[0])
    days = _days(words)
    rest = [
        word for word in arguments if word.lower() not in FILLERS and _day(word.lower()) is None
    ]
    quiet: Quiet = "silence" if rest[1:] and rest[-1].lower() == "quiet" else "line"
    if quiet == "silence":
        rest.pop()
    if not rest or len(rest) > 2:
        raise UsageError(f"That is not a digest command: {SYNTAX}.")
    zone = rest[1] if len(rest) == 2 else None
    local_time = check_time(rest[0])
    if zone is not None:
        zone = check_time_zone(zone)
    return Order("at", local_time, zone, days, quiet)


def _days(words: Sequence[str]) -> str:
    """Return the days that the words name: `daily` if none does. Raises `UsageError`."""
    named = [day for word in words if (day := _day(word)) is not None]
    if len(named) > 1:
        raise UsageError(f"A digest comes daily, on weekdays or on one day of the week: {SYNTAX}.")
    weekly = "weekly" in words
    if weekly and named and named[0] not in DAYS:
        raise UsageError(f"A weekly digest comes on one day of the week: {SYNTAX}.")
    return named[0] if named else "mon" if weekly else "daily"


def _day(word: str) -> str | None:
    """Return the days that a word names: `mon`, for instance, for Monday and Mondays."""
    if word in ("daily", "weekdays"):
        return word
    for day, name in WEEKDAYS.items():
        if word in (day, name.lower(), f"{name.lower()}s"):
            return day
    return None


def check_time(text: str) -> str:
    """Return a time of day as `HH:MM`. Raises `UsageError`."""
    match = TIME.fullmatch(text)
    if match is None or int(match.group(1)) > 23 or int(match.group(2)) > 59:
        raise UsageError(f"{text!r} is not a time of day: {SYNTAX}.", word=text)
    return f"{int(match.group(1)):02}:{match.group(2)}"


def check_time_zone(name: str) -> str:
    """Return the name of an IANA time zone, whatever its case was. Raises `UsageError`."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        for zone in available_timezones():
            if zone.casefold() == name.casefold():
                return zone
        raise UsageError(
            f"{name!r} is not a time zone: write one such as Europe/Berlin or UTC.", word=name
        ) from None
