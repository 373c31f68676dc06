"""The span: what every source produces, and the only form in which the writer stores it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["internal", "client", "server", "producer", "consumer"]
Status = Literal["running", "ok", "error", "timeout", "cancelled", "abandoned"]

WITHIN = "tracebot.within.span_id"
"""The attribute behind `Span.within`."""

FAILED_STATUSES: frozenset[str] = frozenset({"error", "timeout", "abandoned"})
"""The statuses that count as errors. A cancelled span is not one: its user asked for that."""


@dataclass(slots=True)
class Span:
    """One timed step, as stored.

    Times are in nanoseconds since the epoch; `duration_ns` comes from the monotonic clock. Ids are
    lower-case hex, 32 digits for a trace and 16 for a span. `cost` is in micro-dollars, and None if
    it is unknown; `cost_source` is `reported` or `estimated`.

    `audience` says who may see the span. It is the id of the team for public conversations, and
    `own_audience` of the channel for private ones and of the user for a direct message; None
    outside Slack.
    """

    trace_id: str
    span_id: str
    name: str
    started_at: int
    parent_id: str | None = None
    kind: Kind = "internal"
    status: Status = "running"
    ended_at: int | None = None
    duration_ns: int | None = None

    platform: str | None = None
    audience: str | None = None
    team: str | None = None
    channel: str | None = None
    thread_ts: str | None = None
    message_ts: str | None = None
    user: str | None = None

    agent: str | None = None
    configured_provider: str | None = None
    provider: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None
    cost_source: str | None = None

    decision: str | None = None
    reason: str | None = None
    text: str | None = None
    error_type: str | None = None
    error_message: str | None = None

    attributes: Mapping[str, object] = field(default_factory=dict)
    events: Sequence[Mapping[str, object]] = ()
    links: Sequence[Mapping[str, object]] = ()
    scope: str | None = None
    process: str | None = None
    entry: bool = False
    """True if its parent is in another process. Not stored."""
    received: bool = False
    """True if another process sent it, possibly more than once. Not stored."""

    @property
    def within(self) -> str | None:
        """The id of our call of an agent in which that agent reports this call of its own."""
        attempt = self.attributes.get(WITHIN)
        return attempt if isinstance(attempt, str) else None

    @property
    def failed(self) -> bool:
        return self.status in FAILED_STATUSES


def reports_usage(span: Span) -> bool:
    """Return True if the span has ended and reports tokens or a cost."""
    return span.status != "running" and (
        span.input_tokens is not None
        or span.output_tokens is not None
        or span.cost is not None
        or span.cached_tokens is not None
    )


def parent_among(span: Span, among: Collection[str]) -> str | None:
    """Return which of these ids is that of the span above: its parent's, if that has been stored.

    Else it is that of our call of the agent which reported it.
    """
    return next((each for each in (span.parent_id, span.within) if each in among), None)


def own_audience(team: str, member: str) -> str:
    """Return the audience of a private channel, or of one user.

    It contains the team, because two workspaces in one database may know the same channel or user.
    """
    return f"{team}/{member}"


def team_of(audience: str) -> str:
    """Return the team that an audience belongs to, which is empty outside Slack."""
    return audience.partition("/")[0]


def span_of(row: Mapping[str, Any]) -> Span:
    """Return the span that a row of the table `spans` holds."""
    values = dict(row)
    for name, empty in (("attributes", "{}"), ("events", "[]"), ("links", "[]")):
        values[name] = json.loads(values[name] or empty)
    return Span(**values)
