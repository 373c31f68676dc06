"""How long traces and statistics are kept, as values that load no database."""

from dataclasses import dataclass

DAY_NS = 24 * 3_600 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Limits on what is kept: a maximum age in nanoseconds and a maximum file size in bytes.

    `None` sets no limit.
    """

    older_than_ns: int | None = None
    max_bytes: int | None = None


CROWDED = ("channel", "user", "issue", "command", "tool")
"""Dimensions of statistics with any number of keys. Others have as many as somebody has set up."""

NAMED = 50
"""Keys of a crowded dimension that an old month names for each audience: those counted most."""

OTHERS = "(others)"
"""The key of a month for what it does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """How long statistics are kept by hour and by day, in ns; after that only by month."""

    hours_ns: int = 35 * DAY_NS
    days_ns: int = 400 * DAY_NS
