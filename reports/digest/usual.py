"""Tell what is usual from the same days of the weeks before, and what is missing of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from storage.model.filters import agents_of
from storage.model.retention import OTHERS
from storage.queries.statistics import Group, Statistics

FEWEST = 3
"""A source is usually there if it was there in so many of the weeks."""


def usual_of(weeks: Sequence[Group]) -> Group | None:
    """Return the median of each figure, None without any week.

    Figures that are not known of a week, such as the p95 of a week without turns, are left out.
    """
    if not weeks:
        return None
    return Group(
        key="",
        traces=_count(week.traces for week in weeks),
        errors=_count(week.errors for week in weeks),
        p50_ns=_known([week.p50_ns for week in weeks]),
        p95_ns=_known([week.p95_ns for week in weeks]),
        p99_ns=_known([week.p99_ns for week in weeks]),
        input_tokens=_count(week.input_tokens for week in weeks),
        output_tokens=_count(week.output_tokens for week in weeks),
        cached_tokens=_count(week.cached_tokens for week in weeks),
        cost=None if (cost := _known([week.cost for week in weeks])) is None else round(cost),
        thumbs_up=_count(week.thumbs_up for week in weeks),
        thumbs_down=_count(week.thumbs_down for week in weeks),
    )


def _count(values: Iterable[int]) -> int:
    return int(median(values) + 0.5)


def _known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def silent(now: Statistics, weeks: Sequence[Statistics]) -> tuple[tuple[str, int], ...]:
    """Return the sources that are usually there and are not now, with their usual turns."""
    there = {name for group in now.groups if group.traces for name in agents_of(group.key)}
    counts: dict[str, list[int]] = {}
    for week in weeks:
        of_week: Counter[str] = Counter()
        for group in week.groups:
            if group.traces and group.key != OTHERS:
                of_week.update(dict.fromkeys(agents_of(group.key), group.traces))
        for name, traces in of_week.items():
            counts.setdefault(name, []).append(traces)
    found = [
        (key, _count([*of_weeks, *[0] * (len(weeks) - len(of_weeks))]))
        for key, of_weeks in counts.items()
        if len(of_weeks) >= FEWEST and key not in there
    ]
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))
