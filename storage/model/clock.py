"""Tell times that can be true from those of a clock that is wrong, or in another unit."""

SECOND_NS = 1_000_000_000
SKEW_NS = 60 * SECOND_NS
"""How far the clocks of two machines may differ."""

DAY_NS = 24 * 3_600 * SECOND_NS
YEAR_NS = 365 * DAY_NS

LONG_AGO_NS = 10 * YEAR_NS
"""A span that began before that, or in the future, has a clock that was not set."""

CLOCK = "tracebot.clock.sent_at"
"""The attribute with the time, of a span its start, that was sent (ns), if it cannot be true."""

CLOCK_END = "tracebot.clock.sent_end"
"""The attribute with the end that a span was sent with (ns), if its times cannot be true."""
