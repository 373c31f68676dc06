"""The records beside spans. Times are in nanoseconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass


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
    """Feedback on a trace. A `value` of None removes earlier feedback of the same name and user."""

    trace_id: str
    name: str
    user: str
    value: float | None
    label: str | None
    recorded_at: int
