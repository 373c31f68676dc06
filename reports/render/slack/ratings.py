"""Ratings of a trace: a line for each person."""

from collections.abc import Sequence

from reports.render.block_kit import KEY, PART, Block, clipped, escape, section
from reports.views.ratings import Rating

MOST = 8


def rating_lines(ratings: Sequence[Rating], see_all: str) -> list[Block]:
    """Return a section with the newest ratings, none without any; *see_all* says where all are."""
    if not ratings:
        return []
    lines = [_line(rating) for rating in ratings[-MOST:]]
    if earlier := len(ratings) - len(lines):
        lines.insert(0, f"{earlier} earlier: {see_all}")
    return [section("\n".join(lines))]


def _line(rating: Rating) -> str:
    reason = f": {clipped(escape(rating.reason), PART)}" if rating.reason else ""
    return f"{escape(rating.mark)} {clipped(escape(rating.who), KEY)}{reason}"
