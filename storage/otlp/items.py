"""Convert one span, log record or metric of OTLP to our value.

In: a protobuf message and its `Scope`, from `storage.otlp.decoder`. Out: a `Span`, a `Log` or
`Metric`s under the conventions' names, or `Malformed`. Next: `storage.otlp.correlation`.

Messages are walked field by field: protobuf's `MessageToDict` takes five times as long.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite, nan
from typing import Any

from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from storage.model.prices import estimated_cost
from storage.model.records import Log, Metric
from storage.model.redaction import redacted_start
from storage.model.semconv import (
    CACHE_WRITE,
    DROPPED_EVENTS,
    DROPPED_LINKS,
    OF_SEVERAL,
    OPERATION,
)
from storage.model.span import Kind, Span
from storage.model.text import storable
from storage.model.token_counts import LAST, count_of
from storage.otlp.attributes import (
    FAILED,
    MAX_NAME,
    keep_content,
    read_attributes,
    read_details,
)
from storage.otlp.losses import (
    INVALID_ID,
    NO_NUMBER,
    RESERVED_NAME,
    TOO_MANY_EVENTS,
    TOO_MANY_LINKS,
    UNKNOWN_ENUM,
    Malformed,
)
from storage.otlp.scope import OURS, Scope

MAX_EVENTS = 128
"""Events of a span that are kept, and as many links."""

MAX_TEXT = 65_536

MAX_LEVEL = 20

KINDS: Mapping[int, Kind] = {
    0: "internal",
    1: "internal",
    2: "server",
    3: "client",
    4: "producer",
    5: "consumer",
}
ERROR = 2
"""`STATUS_CODE_ERROR`. Unset and ok are both stored as `ok`."""

STATUS_CODES = (0, 1, ERROR)

EXCEPTION = b"\x12\x09exception"
"""The name of an event that records an exception, as a field of its message."""

TRACEBACK = "Traceback (most recent call last):"
"""LangSmith writes this in an exception's message, after what the exception says."""

NOT_SENT = (None,) * 6
"""The fields from `audience` to `user`: no sender decides who can see its spans."""

_new_span: Callable[..., Span] = Span

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
"""Each stands for four values of `severity_number`, which begins at 1."""

NO_IDS = frozenset((bytes(8), bytes(16)))

NO_RECORDED_VALUE = 1
"""The flag of a data point that only says that its series has ended."""


def read_span(sent: Any, scope: Scope) -> Span:
    """Convert a span. Its times are as they were sent, for `storage.otlp.bounds` to check.

    Raises `Malformed` if it has no valid ids.
    """
    trace_id, span_id = _id(sent.trace_id, 16, "trace"), _id(sent.span_id, 8, "span")
    above = sent.parent_span_id
    parent_id = _optional_id(above, 8, scope) if above else None
    started_at = min(sent.start_time_unix_nano, LAST)
    # Some senders send a span already when it starts, and its whole form later.
    running = started_at > 0 and not sent.end_time_unix_nano
    ended_at = min(sent.end_time_unix_nano, LAST) or started_at
    columns, attributes = read_attributes(sent.attributes, scope)
    if "input_tokens" in columns and "cost" not in columns:
        _estimate_cost(columns, attributes, at=started_at)
    events = _events(sent.events, attributes, scope) if sent.events else []
    links = _links(sent.links, attributes, scope) if sent.links else []
    status = sent.status
    failed = bool(status) and _failed(status, columns, events, scope)
    column = columns.get
    # In the order of the fields: by their names it takes twice as long.
    return _new_span(
        trace_id,
        span_id,
        redacted_start(sent.name, MAX_NAME),
        started_at,
        parent_id if parent_id != span_id else None,
        KINDS.get(sent.kind) or _unknown_kind(scope),
        "running" if running else "error" if failed or FAILED in columns else "ok",
        None if running else ended_at,
        None if running else max(ended_at - started_at, 0),
        "otlp",
        *NOT_SENT,
        column("agent"),
        None,
        column("provider"),
        column("model"),
        column("input_tokens"),
        column("output_tokens"),
        column("cached_tokens"),
        column("cost"),
        column("cost_source"),
        None,
        None,
        None,
        column("error_type"),
        column("error_message"),
        attributes,
        events,
        links,
        scope.name,
        None,
        False,
        True,
    )


def _failed(
    data: bytes, columns: dict[str, Any], events: Iterable[dict[str, Any]], scope: Scope
) -> bool:
    """Return True if a status is that of an error, and set the columns that describe it."""
    status = scope.decoded(data, trace.Status)
    if status.code not in STATUS_CODES:
        scope.losses.cut(UNKNOWN_ENUM)
    if status.code != ERROR:
        return False
    columns.setdefault("error_type", _last_of(events, "exception.type") or "error")
    # Some, as in Java, say it only in the exception.
    told = storable(status.message) or _last_of(events, "exception.message")
    said = told.partition(TRACEBACK)[0].rstrip()  # The event keeps the whole.
    columns.setdefault("error_message", said or told)
    return True


def _estimate_cost(columns: dict[str, Any], attributes: Mapping[str, Any], *, at: int) -> None:
    cost = estimated_cost(
        columns.get("model"),
        provider=columns.get("provider"),
        input_tokens=columns["input_tokens"],
        output_tokens=columns.get("output_tokens"),
        cached_tokens=columns.get("cached_tokens"),
        cache_write_tokens=count_of(attributes.get(CACHE_WRITE)),
        at=at,
        several=attributes.get(OPERATION) in OF_SEVERAL,
    )
    if cost is not None:
        columns |= {"cost": cost, "cost_source": "estimated"}


def read_log(sent: Any, scope: Scope) -> Log:
    """Convert a log record."""
    attributes = scope.facts | read_details(sent.attributes, scope)
    if scope.name:
        attributes["otel.scope.name"] = scope.name
    body = scope.value_of(sent.body)
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
        trace_id=_optional_id(sent.trace_id, 16, scope),
        span_id=_optional_id(sent.span_id, 8, scope),
    )


def read_metric(sent: Any, scope: Scope) -> list[Metric]:
    """Convert a metric: one value for each data point, or a count and a sum for a histogram.

    Raises `Malformed`.
    """
    kind = sent.WhichOneof("data")
    found = getattr(sent, kind).data_points if kind else ()
    scope.request.add_numbers(len(found) if kind in ("gauge", "sum") else 2 * len(found))
    name = storable(redacted_start(sent.name, MAX_NAME))
    if kind is None or not name:
        raise Malformed(f"metric {redacted_start(name, 100)!r} has no data or no name")
    if name.strip().casefold().startswith(OURS):  # Nor what looks the same in a table.
        shown = redacted_start(name, 100)
        reason = f"metric {shown}: names that begin with {' or '.join(OURS)} are our own"
        raise Malformed(reason, RESERVED_NAME)
    points = []
    for point in found:
        labels = {name: str(value) for name, value in read_details(point.attributes, scope).items()}
        at = min(point.time_unix_nano, LAST)
        for suffix, value in _numbers(point, kind, scope):
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


def _numbers(point: Any, kind: str, scope: Scope) -> Iterator[tuple[str, float]]:
    """Yield a data point's numbers. Those that are not finite or not there are left out."""
    if point.flags & NO_RECORDED_VALUE:
        return
    if kind in ("gauge", "sum"):
        which = point.WhichOneof("value")
        numbers = [("", getattr(point, which) if which else nan)]
    else:
        numbers = [(".count", point.count)]
        # A histogram of values that may be negative has no sum.
        if kind == "summary" or point.HasField("sum"):
            numbers.append((".sum", point.sum))
    for suffix, number in numbers:
        # SQLite stores NaN as NULL, which a metric's value must not be, and JSON has no infinity.
        if isfinite(number):
            yield suffix, float(number)
        else:
            scope.losses.cut(NO_NUMBER)


def _id(sent: bytes, length: int, what: str) -> str:
    if len(sent) != length or sent in NO_IDS:
        shown = sent.hex()[:40] or "an empty string"
        raise Malformed(f"a span is refused: {shown} is not a valid {what} id", INVALID_ID)
    return sent.hex()


def _optional_id(sent: bytes, length: int, scope: Scope) -> str | None:
    """Return an id that may be missing. Many senders write zeros for the parent of a root."""
    if not sent or sent in NO_IDS:
        return None
    if len(sent) != length:
        scope.losses.cut(INVALID_ID)
        return None
    return sent.hex()


def _unknown_kind(scope: Scope) -> Kind:
    scope.losses.cut(UNKNOWN_ENUM)
    return "internal"


def _events(sent: Any, attributes: dict[str, Any], scope: Scope) -> list[dict[str, Any]]:
    """Return at most MAX_EVENTS: exceptions before others, later ones before earlier ones."""
    if (left_out := len(sent) - MAX_EVENTS) > 0:
        exceptions = {place for place, data in enumerate(sent) if EXCEPTION in data}
        worth = sorted(range(len(sent)), key=lambda place: (place in exceptions, place))
        sent = [sent[place] for place in sorted(worth[-MAX_EVENTS:])]
        attributes[DROPPED_EVENTS] = left_out
        scope.losses.cut(TOO_MANY_EVENTS, left_out)
    scope.request.add_values(2 * len(sent))
    return [_event(data, scope) for data in sent]


def _links(sent: Any, attributes: dict[str, Any], scope: Scope) -> list[dict[str, Any]]:
    if (left_out := len(sent) - MAX_EVENTS) > 0:
        attributes[DROPPED_LINKS] = left_out
        scope.losses.cut(TOO_MANY_LINKS, left_out)
        sent = sent[:MAX_EVENTS]
    scope.request.add_values(2 * len(sent))
    return [_link(data, scope) for data in sent]


def _event(data: bytes, scope: Scope) -> dict[str, Any]:
    sent = scope.decoded(data, trace.Span.Event)
    return {
        "name": redacted_start(sent.name, MAX_NAME),
        "at": min(sent.time_unix_nano, LAST),
        "attributes": read_details(sent.attributes, scope),
    }


def _link(data: bytes, scope: Scope) -> dict[str, Any]:
    sent = scope.decoded(data, trace.Span.Link)
    ids = {"trace_id": sent.trace_id.hex(), "span_id": sent.span_id.hex()}
    if len(sent.trace_id) != 16 or len(sent.span_id) != 8:
        scope.losses.cut(INVALID_ID)
        ids = dict.fromkeys(ids, "")
    return {**ids, "attributes": read_details(sent.attributes, scope)}


def _last_of(events: Iterable[dict[str, Any]], name: str) -> str:
    """Return the last value of an attribute of the events, or an empty text."""
    values = [event["attributes"].get(name) for event in events]
    last = str(next(filter(None, reversed(values)), ""))
    return storable(redacted_start(last, MAX_NAME))


def _level(sent: Any) -> str:
    number = sent.severity_number
    if 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    return storable(redacted_start(sent.severity_text, MAX_LEVEL).lower()) or "info"
