"""The one value that every source turns what it saw into, and the only one the writer takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["internal", "client", "server", "producer", "consumer"]
Status = Literal["running", "ok", "error", "timeout", "cancelled", "abandoned"]

WITHIN = "tracebot.within.span_id"
"""The attribute behind `Span.within`."""

FAILED: frozenset[str] = frozenset({"error", "timeout", "abandoned"})
"""The statuses counted as errors. A cancelled span did what its user asked."""


@dataclass(slots=True)
class Span:
    """One timed step, as stored.

    Times are nanoseconds since the epoch, UTC; `duration_ns` comes from the monotonic clock.
    Ids are lower-case hex: 32 digits a trace, 16 a span. `cost` is in micro-dollars and None
    when unknown, never 0; `cost_source` is `reported` or `estimated`.

    `audience` says who may see the span: a team's id for public conversations, the channel's
    for private ones, the user's for a direct message, None for what never was in Slack.
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
    """Whether its parent is in another process. Not stored."""
    received: bool = False
    """Whether another process sent it, perhaps not for the first time. Not stored."""

    @property
    def within(self) -> str | None:
        """The span of its trace that speaks for what this one spent, unless that one is silent."""
        speaker = self.attributes.get(WITHIN)
        return speaker if isinstance(speaker, str) else None

    @property
    def failed(self) -> bool:
        return self.status in FAILED


def span_of(row: Mapping[str, Any]) -> Span:
    """A stored row as the value it was."""
    values = dict(row)
    for name, empty in (("attributes", "{}"), ("events", "[]"), ("links", "[]")):
        values[name] = json.loads(values[name] or empty)
    return Span(**values)
