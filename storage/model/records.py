"""What is recorded beside spans: numbers, lines and opinions. Times are nanoseconds, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    name: str
    value: float
    labels: Mapping[str, str]
    recorded_at: int
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    level: str
    message: str
    attributes: Mapping[str, object]
    recorded_at: int
    trace_id: str | None
    span_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Feedback on a trace; a `value` of None takes an earlier one back."""

    trace_id: str
    name: str
    user: str
    value: float | None
    label: str | None
    recorded_at: int
