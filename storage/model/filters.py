"""The conditions by which traces are found."""

from collections.abc import Iterable
from dataclasses import dataclass

EQUAL = ("agent", "status", "channel", "user", "platform", "provider", "model")
"""The filters that compare a column of the same name with one value."""

THUMBS = ("up", "down")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions that a trace must all meet; None stands for any trace.

    Costs are in micro-dollars, durations in nanoseconds; tokens are those of input and output
    together. A trace whose figure is unknown is not above and not below anything.
    """

    agent: str | None = None
    status: str | None = None
    channel: str | None = None
    user: str | None = None
    platform: str | None = None
    provider: str | None = None
    model: str | None = None
    feedback: str | None = None
    """`up` or `down`: somebody gave this thumb."""
    cost_above: int | None = None
    cost_below: int | None = None
    duration_above: int | None = None
    duration_below: int | None = None
    tokens_above: int | None = None
    tokens_below: int | None = None
    without: tuple[tuple[str, str], ...] = ()
    """Names of `EQUAL` and values that a trace must not have."""

    @property
    def has_index(self) -> bool:
        """Return True if an index begins with one of these filters."""
        found = self.agent or self.channel or self.user or self.platform
        return bool(found or self.feedback) or self.status not in (None, "ok")


TOGETHER = ", "
"""It stands between the agents of a trace, in its column `agent`, if several were asked."""


def agents_of(stored: str | None) -> tuple[str, ...]:
    """Return the agents of a trace."""
    return tuple(stored.split(TOGETHER)) if stored else ()


def names_in(dimension: str, key: str | None) -> tuple[str, ...]:
    """Return whose figures those of a key are: of several agents, also each one's.

    The key of everything is "".
    """
    own = () if key is None else (key,)
    return tuple(dict.fromkeys((*own, *agents_of(key)))) if dimension == "agent" else own


def meant(dimension: str, said: str, stored: Iterable[str]) -> tuple[str, ...]:
    """Return the stored names that somebody means: those with another case only if none is equal.

    An agent is also meant by the names of several that were asked together.
    """
    names = {key: names_in(dimension, key) for key in stored}
    equal = tuple(key for key, found in names.items() if said in found)
    return equal or tuple(
        key
        for key, found in names.items()
        if said.casefold() in (name.casefold() for name in found)
    )


ANY = Filters()
"""No condition: every trace."""
