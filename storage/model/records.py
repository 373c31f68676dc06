"""The records beside spans. Times are in nanoseconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FEEDBACK = "user_feedback"
"""The name of the scores that count as thumbs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a metric, within a span if there was one."""

    name: str
    value: float
    labels: Mapping[str, str]
    recorded_at: int
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One structured log line, within a span if there was one."""

    level: str
    message: str
    attributes: Mapping[str, object]
    recorded_at: int
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Feedback on a trace, from 0 to 1.

    A user may give it in several ways, each of which is a `source`: by a button, or a reaction. The
    latest counts. A `value` of None takes back what the same source said, so that the one before
    counts again. `text` is the reason, in the user's words.
    """

    trace_id: str
    name: str
    user: str
    value: float | None
    label: str | None
    recorded_at: int
    source: str = ""
    text: str | None = None

    @property
    def thumb(self) -> Literal["up", "down"] | None:
        """The thumb that it counts as, None for a score in the middle or of another name."""
        if self.name != FEEDBACK or self.value is None or self.value == 0.5:
            return None
        return "up" if self.value > 0.5 else "down"
