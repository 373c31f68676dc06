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


OTHERS = "(others)"
"""The key in statistics of an old month for the users or channels that it does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """How long statistics are kept by hour and by day, in ns; after that only by month."""

    hours_ns: int = 35 * DAY_NS
    days_ns: int = 400 * DAY_NS
