"""Parse periods and sizes: `30m`, `24h`, `7d`, `2w`; `500MB`, `2GB`."""

import re

from storage.model.retention import Retention

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
SECOND_NS = 1_000_000_000
BYTES = {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000}


def parse_duration(text: str) -> int:
    """Return nanoseconds. Raises ValueError, whose message names valid periods."""
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    if unit not in UNITS_S or not number.isdecimal() or not int(number):
        raise ValueError(f"{text!r} is not a period: write 30m, 24h, 7d or 2w")
    return int(number) * UNITS_S[unit] * SECOND_NS


def duration_text(ns: int) -> str:
    """Return a period as `parse_duration` takes it, in an exact unit: `7d`, `24h`."""
    seconds = ns // SECOND_NS
    units = "dhms" if seconds >= 2 * UNITS_S["d"] else "hms"
    unit = next(unit for unit in units if seconds % UNITS_S[unit] == 0)
    return f"{seconds // UNITS_S[unit]}{unit}"


def parse_size(text: str) -> int:
    """Return bytes. Raises ValueError, whose message names valid sizes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]b)", text.strip().lower())
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
