"""The result of a benchmark: our number, the peer's, and whether the goal is met."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. `theirs` is the value of `peer`, in the same unit.

    A goal is a limit on `ours`, on the ratio of ours to theirs, or on both.
    """

    name: str
    ours: float
    unit: str
    theirs: float | None = None
    peer: str = ""
    measured_on: str = ""
    """The kind of machine, and if other work ran on it."""
    at_most: float | None = None
    at_least: float | None = None
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None

    @property
    def met(self) -> bool | None:
        """Return whether each limit is kept, or None if there is no limit."""
        kept = [
            value is not None and (value <= limit if above else value >= limit)
            for value, limit, above in (
                (self.ours, self.at_most, True),
                (self.ours, self.at_least, False),
                (self.ratio, self.ratio_at_most, True),
                (self.ratio, self.ratio_at_least, False),
            )
            if limit is not None
        ]
        return all(kept) if kept else None

    @property
    def goal(self) -> str:
        limits = (
            ("≤", self.ratio_at_most, "×"),
            ("≥", self.ratio_at_least, "×"),
            ("≤", self.at_most, self.unit),
            ("≥", self.at_least, self.unit),
        )
        return ", ".join(
            f"{sign} {number(limit)} {unit}" for sign, limit, unit in limits if limit is not None
        )


def number(value: float | None) -> str:
    """Format with three significant digits and thousands separators."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
