"""Convert one span, log record or metric of OTLP to our value.

In: a protobuf message and its `Scope`, from `storage.otlp.decoder`. Out: a `Span`, a `Log` or
`Metric`s under the conventions' names, or `Malformed`. Next: `storage.otlp.correlation`.

Messages are walked field by field: protobuf's `MessageToDict` takes five times as long.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from storage.model.records import Log, Metric
from storage.model.redaction import redacted_start
from storage.model.span import Kind, Span
from storage.model.text import storable
from storage.otlp.attributes import (
    LAST,
    MAX_NAME,
    OURS,
    Malformed,
    Scope,
    keep_content,
    read_attributes,
    read_details,
    value_of,
)

MAX_EVENTS = 128

MAX_TEXT = 65_536

MAX_LEVEL = 20

KINDS: Mapping[int, Kind] = {
    1: "internal",
    2: "server",
    3: "client",
    4: "producer",
    5: "consumer",
}
ERROR = 2
"""`STATUS_CODE_ERROR`. Unset and ok are both stored as `ok`."""

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
"""Each stands for four values of `severity_number`, which begins at 1."""

NO_IDS = frozenset((bytes(8), bytes(16)))


def read_span(sent: Any, scope: Scope) -> Span:
    """Convert a span. Raises `Malformed`."""
    trace_id, span_id = _id(sent.trace_id, 16, "trace"), _id(sent.span_id, 8, "span")
    above = sent.parent_span_id
    parent_id = _id(above, 8, "parent span") if above else None
    started_at, ended_at = sent.start_time_unix_nano, sent.end_time_unix_nano
    if not 0 < started_at <= LAST or ended_at > LAST:
        raise Malformed(f"span {span_id} has invalid start and end times")
    if ended_at < started_at:
        ended_at = started_at
    columns, attributes = read_attributes(sent.attributes, scope)
    events = [_event(event, scope) for event in sent.events[:MAX_EVENTS]] if sent.events else []
    failed = sent.status.code == ERROR
    if failed:
        columns.setdefault("error_type", _error_type(events))
        columns.setdefault("error_message", storable(sent.status.message))
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id if parent_id != span_id else None,
        name=redacted_start(sent.name, MAX_NAME),
        kind=KINDS.get(sent.kind, "internal"),
        status="error" if failed else "ok",
        started_at=started_at,
        ended_at=ended_at,
        duration_ns=ended_at - started_at,
        platform="otlp",
        attributes=attributes,
        events=events,
        links=[_link(link, scope) for link in sent.links[:MAX_EVENTS]] if sent.links else [],
        scope=scope.name,
        received=True,
        **columns,
    )


def read_log(sent: Any, scope: Scope) -> Log:
    """Convert a log record."""
    attributes = scope.facts | read_details(sent.attributes, scope)
    if scope.name:
        attributes["otel.scope.name"] = scope.name
    body = value_of(sent.body)
    message = attributes.get("event.name") or sent.event_name
    if isinstance(body, str):
        message = body
    elif body is not None:
        keep_content(attributes, "body", body, scope)
    return Log(
        level=_level(sent),
        message=redacted_start(str(message), MAX_TEXT),
        attributes=attributes,
        recorded_at=min(sent.time_unix_nano or sent.observed_time_unix_nano, LAST),
        trace_id=sent.trace_id.hex() if len(sent.trace_id) == 16 else None,
        span_id=sent.span_id.hex() if len(sent.span_id) == 8 else None,
    )


def read_metric(sent: Any, scope: Scope) -> list[Metric]:
    """Convert a metric: one value for each data point, or a count and a sum for a histogram.

    Raises `Malformed`.
    """
    kind = sent.WhichOneof("data")
    name = storable(redacted_start(sent.name, MAX_NAME))
    if kind is None:
        raise Malformed(f"metric {redacted_start(name, 100)} has no data")
    if name.startswith(OURS):
        shown = redacted_start(name, 100)
        raise Malformed(f"metric {shown}: names that begin with {OURS[0]} are our own")
    points = []
    for point in getattr(sent, kind).data_points:
        labels = {name: str(value) for name, value in read_details(point.attributes, scope).items()}
        at = min(point.time_unix_nano, LAST)
        for suffix, value in _numbers(point, kind):
            points.append(
                Metric(
                    name=name + suffix,
                    value=value,
                    labels=scope.facts | labels,
                    recorded_at=at,
                    trace_id=None,
                    span_id=None,
                )
            )
    return points


def _numbers(point: Any, kind: str) -> list[tuple[str, float]]:
    if kind in ("gauge", "sum"):
        value = float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
        # SQLite stores NaN as NULL, which a metric's value must not be, and JSON has no infinity.
        return [("", value)] if isfinite(value) else []
    return [(".count", float(point.count)), (".sum", point.sum if isfinite(point.sum) else 0.0)]


def _id(sent: bytes, length: int, what: str) -> str:
    if len(sent) != length or sent in NO_IDS:
        raise Malformed(f"{sent.hex()[:40] or 'an empty string'} is not a valid {what} id")
    return sent.hex()


def _event(sent: Any, scope: Scope) -> dict[str, Any]:
    at = min(sent.time_unix_nano, LAST)
    return {
        "name": redacted_start(sent.name, MAX_NAME),
        "at": at,
        "attributes": read_details(sent.attributes, scope),
    }


def _link(sent: Any, scope: Scope) -> dict[str, Any]:
    ids = {"trace_id": sent.trace_id.hex(), "span_id": sent.span_id.hex()}
    return {**ids, "attributes": read_details(sent.attributes, scope)}


def _error_type(events: Iterable[dict[str, Any]]) -> str:
    types = [event["attributes"].get("exception.type") for event in events]
    last = str(next((name for name in reversed(types) if name), "error"))
    return storable(redacted_start(last, MAX_NAME))


def _level(sent: Any) -> str:
    number = sent.severity_number
    if 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    return storable(redacted_start(sent.severity_text, MAX_LEVEL).lower()) or "info"
