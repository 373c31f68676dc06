"""One span, log record or metric of OTLP → our value, in the conventions' names.

Messages are walked field by field: protobuf's `MessageToDict` takes five times as long.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

from storage.model.records import Log, Metric
from storage.model.redaction import redact
from storage.model.semconv import (
    CONTENT,
    CONTENT_PREFIXES,
    DOLLARS,
    INTEGERS,
    OLDER,
    OPERATIONS,
    PARENT_SPAN_ID,
    PARENT_TRACE_ID,
    RECEIVED,
    RENAMED,
)
from storage.model.span import Kind, Span
from storage.model.text import storable
from storage.model.trace_context import Ids, parse_traceparent
from storage.otlp.sources import Sender, sender_of

Capture = Callable[[str], str | None]
"""What of a text that somebody wrote is kept."""

LAST = 2**63 - 1
"""The largest number, and the last nanosecond, that a column takes."""

MAX_ATTRIBUTES = 256
MAX_EVENTS = 128
MAX_NAME = 1_000
MAX_TEXT = 65_536

KINDS: Mapping[int, Kind] = {
    1: "internal",
    2: "server",
    3: "client",
    4: "producer",
    5: "consumer",
}
ERROR = 2
"""`STATUS_CODE_ERROR`. Unset and ok are both `ok` here."""

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
"""By fours of `severity_number`, which begins at 1."""

NO_IDS = frozenset((bytes(8), bytes(16)))
OPERATION = "gen_ai.operation.name"
CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"


class Malformed(ValueError):
    """It makes no sense; the message says what."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Who sent it: its `service.name`, and which span of ours it says has started it."""

    service: str
    sender: Sender
    parent: Ids | None

    @classmethod
    def of(cls, sent: Any) -> Self:
        facts = {pair.key: value_of(pair.value) for pair in sent.attributes}
        service = storable(str(facts.get("service.name") or "")[:200])
        parent = f"00-{facts.get(PARENT_TRACE_ID)}-{facts.get(PARENT_SPAN_ID)}-01"
        return cls(service, sender_of(service), parse_traceparent(parent))


class Scope:
    """What the items of one instrumentation scope share."""

    __slots__ = ("capture", "facts", "name", "sender", "targets")

    def __init__(self, resource: Resource, sent: Any, capture: Capture) -> None:
        self.sender = resource.sender
        self.capture = capture
        self.name = storable(sent.scope.name[:200]) or None
        facts = {"service.name": resource.service, "otel.schema_url": sent.schema_url[:200]}
        self.facts = {name: value for name, value in facts.items() if value}
        self.targets: dict[str, Target] = {}


def read_span(sent: Any, scope: Scope) -> Span:
    """Raises `Malformed`."""
    trace_id, span_id = _id(sent.trace_id, 16, "trace"), _id(sent.span_id, 8, "span")
    above = sent.parent_span_id
    parent_id = _id(above, 8, "parent span") if above else None
    started_at, ended_at = sent.start_time_unix_nano, sent.end_time_unix_nano
    if not 0 < started_at <= LAST or ended_at > LAST:
        raise Malformed(f"the times of span {span_id} make no sense")
    if ended_at < started_at:
        ended_at = started_at
    columns, attributes = _attributes(sent.attributes, scope)
    events = [_event(event, scope) for event in sent.events[:MAX_EVENTS]] if sent.events else []
    failed = sent.status.code == ERROR
    if failed:
        columns.setdefault("error_type", _error_type(events))
        columns.setdefault("error_message", storable(sent.status.message))
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id if parent_id != span_id else None,
        name=sent.name[:MAX_NAME],
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
    """Raises `Malformed`."""
    attributes = scope.facts | _details(sent.attributes, scope)
    if scope.name:
        attributes["otel.scope.name"] = scope.name
    body = value_of(sent.body)
    message = attributes.get("event.name") or sent.event_name
    if isinstance(body, str):
        message = body
    elif body is not None:
        _keep(attributes, "body", body, scope)
    return Log(
        level=_level(sent),
        message=str(message)[:MAX_TEXT],
        attributes=attributes,
        recorded_at=min(sent.time_unix_nano or sent.observed_time_unix_nano, LAST),
        trace_id=sent.trace_id.hex() if len(sent.trace_id) == 16 else None,
        span_id=sent.span_id.hex() if len(sent.span_id) == 8 else None,
    )


def read_metric(sent: Any, scope: Scope) -> list[Metric]:
    """A number a data point; of a histogram or summary how many, and their sum."""
    kind = sent.WhichOneof("data")
    if kind is None:
        raise Malformed(f"metric {sent.name[:100]} has no data")
    points = []
    for point in getattr(sent, kind).data_points:
        labels = {name: str(value) for name, value in _details(point.attributes, scope).items()}
        at = min(point.time_unix_nano, LAST)
        for suffix, value in _numbers(point, kind):
            points.append(
                Metric(
                    name=storable(sent.name[:MAX_NAME]) + suffix,
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
        # A database takes NaN for no number at all.
        return [("", value)] if value == value else []
    return [(".count", float(point.count)), (".sum", point.sum if point.sum == point.sum else 0.0)]


def value_of(value: Any) -> Any:
    """An `AnyValue` as what JSON can hold."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return f"[{len(value.bytes_value)} bytes]"
    return getattr(value, kind) if kind else None


Target = tuple[Literal["rest", "column", "older", "content", "nothing"], str]
"""What becomes of an attribute, and the name of its column or its conventional name."""


def _target(scope: Scope, name: str) -> Target:
    found = scope.targets.get(name)
    if found is None:
        found = scope.targets[name] = _find_target(scope.sender, name)
    return found


@lru_cache(maxsize=8_192)
def _find_target(sender: Sender, name: str) -> Target:
    # What we say of a span is not for others to say.
    if name.startswith("tracebot.") or sender.is_noise(name):
        return "nothing", name
    conventional = sender.renamed.get(name) or RENAMED.get(name, name)
    if conventional in RECEIVED:
        return "older" if conventional in OLDER else "column", RECEIVED[conventional]
    content = name in CONTENT or name.startswith(CONTENT_PREFIXES)
    return "content" if content else "rest", conventional


def _attributes(pairs: Any, scope: Scope) -> tuple[dict[str, Any], dict[str, Any]]:
    """What fills columns, and the rest. Most of the time of a request is spent here."""
    columns: dict[str, Any] = {}
    rest: dict[str, Any] = dict(scope.facts)
    targets = scope.targets
    for pair in pairs[:MAX_ATTRIBUTES]:
        key = pair.key
        becomes, name = targets.get(key) or _target(scope, key)
        if becomes == "nothing":
            continue
        sent = pair.value
        # Most are texts, and that of one that is none is empty.
        value = sent.string_value or value_of(sent)
        if becomes == "rest":
            if value is not None:
                rest[name] = value
        elif becomes == "content":
            _keep(rest, name, value, scope)
        elif becomes == "column" or name not in columns:
            columns[name] = _column(name, value)
    _finish(columns, rest, scope.sender)
    return columns, rest


def _finish(columns: dict[str, Any], rest: dict[str, Any], sender: Sender) -> None:
    """What can be said only when all attributes are known."""
    if sender.cache_apart and columns.get("input_tokens") is not None:
        cached = (columns.get("cached_tokens"), _count(rest.get(CACHE_WRITE)))
        columns["input_tokens"] += sum(number or 0 for number in cached)
    if (operation := rest.get(OPERATION)) is not None:
        rest[OPERATION] = OPERATIONS.get(str(operation).upper(), operation)
    if sender.agent is not None:
        columns.setdefault("agent", sender.agent)
    for name in DOLLARS.intersection(rest):
        cost = _micro_dollars(rest.pop(name))
        columns |= {"cost": cost, "cost_source": None if cost is None else "reported"}


def _details(pairs: Any, scope: Scope) -> dict[str, Any]:
    """The attributes of what has no columns, under the names they came with."""
    details: dict[str, Any] = {}
    for pair in pairs[:MAX_ATTRIBUTES]:
        becomes, _ = _target(scope, pair.key)
        value = value_of(pair.value)
        if becomes == "content":
            _keep(details, pair.key, value, scope)
        elif becomes != "nothing" and value is not None:
            details[pair.key] = value
    return details


def _keep(rest: dict[str, Any], name: str, value: Any, scope: Scope) -> None:
    if value is not None and (kept := _captured(value, scope.capture)) is not None:
        rest[name] = kept


def _captured(value: Any, capture: Capture) -> str | None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Before it is cut: half a secret is not known for one.
    return capture(redact(text))


def _column(column: str, value: Any) -> str | int | None:
    if column in INTEGERS:
        return _count(value)
    if value is None:
        return None
    return storable((value if type(value) is str else str(value))[:MAX_NAME])


def _micro_dollars(dollars: Any) -> int | None:
    try:
        return _count(round(float(dollars) * 1_000_000))
    except (TypeError, ValueError, OverflowError):
        return None


def _count(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= LAST else None


def _id(sent: bytes, length: int, what: str) -> str:
    if len(sent) != length or sent in NO_IDS:
        raise Malformed(f"{sent.hex()[:40] or 'nothing'} is no {what} id")
    return sent.hex()


def _event(sent: Any, scope: Scope) -> dict[str, Any]:
    at = min(sent.time_unix_nano, LAST)
    return {"name": sent.name[:MAX_NAME], "at": at, "attributes": _details(sent.attributes, scope)}


def _link(sent: Any, scope: Scope) -> dict[str, Any]:
    ids = {"trace_id": sent.trace_id.hex(), "span_id": sent.span_id.hex()}
    return {**ids, "attributes": _details(sent.attributes, scope)}


def _error_type(events: Iterable[dict[str, Any]]) -> str:
    types = [event["attributes"].get("exception.type") for event in events]
    return storable(str(next((name for name in reversed(types) if name), "error"))[:MAX_NAME])


def _level(sent: Any) -> str:
    number = sent.severity_number
    if 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    return storable(sent.severity_text[:20].lower()) or "info"
