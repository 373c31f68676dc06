"""Parse periods, sizes and amounts: `30m`, `24h`, `7d`, `2w`; `500MB`, `2GB`; `$0.50`.

What is parsed here can be written again, by the functions whose names end with `_text`, and fits
into a database.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from storage.model.retention import Retention

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
SECOND_NS = 1_000_000_000
BYTES = {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000}

LONGEST_NS = 36_500 * UNITS_S["d"] * SECOND_NS
"""A century, which stands for anything longer: databases have room for three."""

MOST_TOKENS = 10**12


def parse_duration(text: str) -> int:
    """Return nanoseconds. Raises ValueError, whose message names valid periods."""
    match = re.fullmatch(r"(\d{1,4000})([smhdw])", text.strip().lower())
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r} is not a period: write 30m, 24h, 7d or 2w")
    return min(int(match[1]) * UNITS_S[match[2]] * SECOND_NS, LONGEST_NS)


def duration_text(ns: int) -> str:
    """Return a period as `parse_duration` takes it, in an exact unit: `7d`, `24h`."""
    seconds = ns // SECOND_NS
    units = "dhms" if seconds >= 2 * UNITS_S["d"] else "hms"
    unit = next(unit for unit in units if seconds % UNITS_S[unit] == 0)
    return f"{seconds // UNITS_S[unit]}{unit}"


WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = {
    **{each: each for each in ("today", "yesterday", *WEEKDAYS)},
    **{each[:3]: each for each in WEEKDAYS},
}
"""Names of days, and those that they stand for."""


def parse_since(text: str) -> str:
    """Return the word that means when a period begins: `7d`, `monday`, `2026-11-20T14:00`.

    Raises ValueError, whose message names valid ones. `start_of` returns the time that they mean.
    """
    with suppress(ValueError):
        return duration_text(parse_duration(text))
    # `sat 9:00` ends its day with a T, too. A run of spaces is looked at once, however long it is.
    between = r"(?<! ) +(?=\d{1,2}:)|$" if " " in text.strip() else r"T(?=\d{1,2}:)|$"
    day, clock = re.split(between, text.strip(), maxsplit=1, flags=re.IGNORECASE)
    clock = re.sub(r"^(?=\d:)", "0", clock.upper())  # A time may be 9:00.
    name = DAYS.get(day.lower(), "")
    try:
        # Of the ISO formats only those that people write.
        if not name and not re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII):
            raise ValueError
        datetime.fromisoformat(f"{'2000-01-01' if name else day}T{clock or '00:00'}")
    except ValueError:
        raise ValueError(
            f"{text!r} is not a period or a date: write 30m, 24h, 7d or 2w, or yesterday, "
            "monday, 2026-11-20 or 2026-11-20T14:00"
        ) from None
    return f"{name or day}{f'T{clock}' if clock else ''}"


def is_duration(since: str) -> bool:
    """Return whether a word of `parse_since` is the length of a period, and not its beginning."""
    return since[-1:] in UNITS_S and since[:-1].isdecimal()


def start_of(since: str, *, now: int, time_zone: str) -> int:
    """Return when the period of a word of `parse_since` begins, in nanoseconds since the epoch.

    Days and times without an offset are those of the zone. A weekday is the latest, maybe today if
    its time has come.
    Time begins in 1970. Raises ValueError if it is in the future.
    """
    if is_duration(since):
        return max(now - parse_duration(since), 0)
    from zoneinfo import ZoneInfo  # Here because most periods are lengths.

    local = datetime.fromtimestamp(now / SECOND_NS, ZoneInfo(time_zone))
    day, _, clock = since.partition("T")
    starts = (_nanoseconds(f"{date}T{clock or '00:00'}", local) for date in _dates(day, local))
    for start in starts:
        if start <= now:
            return max(start, 0)
    raise ValueError(f"{since.replace('T', ' ')} is in the future: write a date before now")


def _dates(day: str, local: datetime) -> list[str]:
    """Return the dates that a day may mean, the latest first."""
    if day in WEEKDAYS:
        back = (local.weekday() - WEEKDAYS.index(day)) % 7
        return [str(local.date() - timedelta(days)) for days in (back, back + 7)]
    named = {"today": 0, "yesterday": 1}
    return [str(local.date() - timedelta(named[day])) if day in named else day]


def _nanoseconds(text: str, local: datetime) -> int:
    given = datetime.fromisoformat(text)
    moment = given if given.tzinfo else given.replace(tzinfo=local.tzinfo)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000


LENGTHS_NS = {
    **{unit: seconds * SECOND_NS for unit, seconds in UNITS_S.items()},
    "ms": SECOND_NS // 1_000,
    "min": 60 * SECOND_NS,
}


def parse_length(text: str) -> int:
    """Return nanoseconds of how long something took: `500ms`, `1.5s`, `2m`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]+)", text.strip().lower(), re.ASCII)
    if match is None or match.group(2) not in LENGTHS_NS:
        raise ValueError(f"{text!r} is not a length of time: write 500ms, 30s, 5m or 1h")
    return min(round(float(match.group(1)) * LENGTHS_NS[match.group(2)]), LONGEST_NS)


def length_text(ns: int) -> str:
    """Write a length of time as `parse_length` reads it: `90s`, `250ms`."""
    for unit in ("h", "m", "s"):
        if ns and ns % LENGTHS_NS[unit] == 0:
            return f"{ns // LENGTHS_NS[unit]}{unit}"
    return f"{_millionths(ns)}ms"


def parse_dollars(text: str) -> int:
    """Return micro-dollars: `0.5`, `$2`. Raises ValueError."""
    match = re.fullmatch(r"\$?(\d{0,12})(?:\.(\d{1,6}))?\$?", text.strip(), re.ASCII)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not an amount in dollars: write 0.5 or 20")
    # Not as a float, which has no room for all of these digits.
    return int(f"{match[1]}{(match[2] or '').ljust(6, '0')}")


def dollars_text(micro_dollars: int) -> str:
    """Write micro-dollars as `parse_dollars` reads them."""
    return _millionths(micro_dollars)


def _millionths(count: int) -> str:
    return f"{count // 1_000_000}.{count % 1_000_000:06}".rstrip("0").rstrip(".")


def parse_tokens(text: str) -> int:
    """Return a number of tokens: `10000`, `10k`, `1.5M`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([km]?)", text.strip().lower(), re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not a number of tokens: write 500, 10k or 2M")
    count = round(float(match.group(1)) * {"": 1, "k": 1_000, "m": 1_000_000}[match.group(2)])
    if count >= MOST_TOKENS:
        raise ValueError(f"{text!r} is too much: write less than {MOST_TOKENS // 1_000_000}M")
    return count


def parse_size(text: str) -> int:
    """Return bytes. Raises ValueError, whose message names valid sizes."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([kmgt]b)", text.strip().lower())
    if match is None or not float(match.group(1)):
        raise ValueError(f"{text!r} is not a size: write 500MB or 2GB")
    return int(float(match.group(1)) * BYTES[match.group(2)])


def parse_retention(text: str) -> Retention:
    """Parse `90d`, `2GB` or `90d,2GB`. Raises ValueError, whose message says what is valid."""
    age, size = None, None
    for part in text.split(","):
        if part.strip().lower().endswith("b"):
            size = parse_size(part)
        else:
            age = parse_duration(part)
    return Retention(older_than_ns=age, max_bytes=size)
