"""Periods in words: `30m`, `24h`, `7d`, `2w`."""

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
SECOND_NS = 1_000_000_000


def parse_duration(words: str) -> int:
    """Nanoseconds. Raises ValueError with what would be right."""
    number, unit = words.strip()[:-1], words.strip()[-1:].lower()
    if unit not in UNITS_S or not number.isdecimal() or not int(number):
        raise ValueError(f"{words!r} is no period: write 30m, 24h, 7d or 2w")
    return int(number) * UNITS_S[unit] * SECOND_NS
