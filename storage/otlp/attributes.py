"""Read the attributes of an OTLP message: to columns, to conventional names, or to nothing.

In: protobuf messages with attributes, and the `Scope` that they were sent in. Out: the values of
columns, and a dict of the remaining attributes. Used by `storage.otlp.items`, which is next.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

from storage.model.redaction import redact, redacted_start
from storage.model.semconv import (
    CONTENT,
    CONTENT_PREFIXES,
    DOLLARS,
    DROPPED_ATTRIBUTES,
    INTEGERS,
    OLDER,
    OPERATIONS,
    PARENT_SPAN_ID,
    PARENT_TRACE_ID,
    RECEIVED,
    RENAMED,
    RESPONSE_ID,
)
from storage.model.text import storable
from storage.model.trace_context import Ids, parse_traceparent
from storage.otlp.losses import NO_NAME, TOO_MANY_ATTRIBUTES
from storage.otlp.request import Request
from storage.otlp.sources import Source, source_of

Capture = Callable[[str], str | None]
"""Return what to keep of a text that a person, model or tool wrote; None keeps nothing."""

Envelope = tuple[Any, Any, Iterable[Any]]
"""Messages of a resource and a scope, and those of the items that were sent in them."""

LAST = 2**63 - 1
"""The largest number, and the last nanosecond, that a column takes: SQLite has 64 bits."""

MAX_ATTRIBUTES = 256
"""Attributes of an item that are kept besides those in ALWAYS, and those that fill a column."""

MAX_NAME = 1_000

MAX_SCOPE = 200

OURS = ("tracebot.", "slack.")
"""Beginnings of names that no sender may set: they say who can see a span, and what we counted."""

OPERATION = "gen_ai.operation.name"

CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"

ALWAYS = DOLLARS | set(RENAMED.values()) | {RESPONSE_ID, "gen_ai.conversation.id"}
"""Attributes that are kept however many others come first: they are counted, or looked for."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Name the sender: its `service.name`, and the span of ours that it says started it."""

    service: str
    source: Source
    parent: Ids | None

    @classmethod
    def of(cls, sent: Any) -> Self:
        facts = {pair.key: value_of(pair.value) for pair in sent.attributes}
        service = storable(redacted_start(str(facts.get("service.name") or ""), MAX_SCOPE))
        parent = None
        if PARENT_TRACE_ID in facts:
            # Checked as a TRACEPARENT would be, which names a parent in the same form.
            ids = f"00-{facts[PARENT_TRACE_ID]}-{facts.get(PARENT_SPAN_ID)}-01"
            parent = parse_traceparent(ids)
        return cls(service, source_of(service), parent)


class Scope:
    """Hold what the items of one instrumentation scope share."""

    __slots__ = ("capture", "facts", "losses", "name", "request", "source", "targets")

    def __init__(self, resource: Resource, sent: Any, capture: Capture, request: Request) -> None:
        self.source = resource.source
        self.capture = capture
        self.request = request
        self.losses = request.losses
        self.name = storable(redacted_start(sent.scope.name, MAX_SCOPE)) or None
        url = redacted_start(sent.schema_url, MAX_SCOPE)
        facts = {"service.name": resource.service, "otel.schema_url": url}
        self.facts = {name: value for name, value in facts.items() if value}
        self.targets: dict[str, Target] = {}


def value_of(value: Any) -> Any:
    """Return an `AnyValue` as a value that JSON can hold."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        pairs = value.kvlist_value.values
        return {pair.key: value_of(pair.value) for pair in pairs if not pair.key.startswith(OURS)}
    if kind == "bytes_value":
        return f"[{len(value.bytes_value)} bytes]"
    return getattr(value, kind) if kind else None


Target = tuple[Literal["rest", "column", "older", "content", "nothing"], str]
"""The destination of an attribute, and the name of its column or its conventional name.

`older` names lose against `column` ones; `content` is kept as far as TRACEBOT_CAPTURE allows.
"""


def _target(scope: Scope, name: str) -> Target:
    if not name:
        scope.losses.cut(NO_NAME)
        return "nothing", ""
    found = scope.targets.get(name)
    if found is None:
        found = scope.targets[name] = _find_target(scope.source, name)
    return found


@lru_cache(maxsize=8_192)
def _find_target(source: Source, name: str) -> Target:
    if not name or name.startswith(OURS) or source.ignores(name):
        return "nothing", name
    conventional = source.renamed.get(name) or RENAMED.get(name, name)
    if conventional in RECEIVED:
        return "older" if conventional in OLDER else "column", RECEIVED[conventional]
    content = name in CONTENT or name.startswith(CONTENT_PREFIXES)
    return "content" if content else "rest", conventional


def read_attributes(pairs: Any, scope: Scope) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of columns, and the rest."""
    columns: dict[str, Any] = {}
    rest: dict[str, Any] = dict(scope.facts)
    number = len(pairs)
    scope.request.add_attributes(number)
    if number > MAX_ATTRIBUTES:
        pairs = _fitting(pairs, rest, scope)
    _read_pairs(pairs, columns, rest, scope)
    _finish(columns, rest, scope.source)
    return columns, rest


def _read_pairs(pairs: Any, columns: dict[str, Any], rest: dict[str, Any], scope: Scope) -> None:
    """Sort attributes into columns and the rest. A request spends most of its time here."""
    targets = scope.targets
    for pair in pairs:
        key = pair.key
        becomes, name = targets.get(key) or _target(scope, key)
        if becomes == "nothing":
            continue
        sent = pair.value
        # Most values are strings; `string_value` of any other is empty.
        value = sent.string_value or value_of(sent)
        if becomes == "rest":
            if value is not None:
                rest[name] = value
        elif becomes == "content":
            keep_content(rest, name, value, scope)
        elif becomes == "column" or name not in columns:
            columns[name] = _column(name, value)


def _fitting(pairs: Iterable[Any], rest: dict[str, Any], scope: Scope) -> list[Any]:
    """Return the attributes to keep of too many, and note in `rest` how many are left out.

    OpenInference writes each message as several attributes, and the model and tokens last.
    """
    kept: list[Any] = []
    others: list[Any] = []
    for pair in pairs:
        becomes, name = _target(scope, pair.key)
        if becomes in ("column", "older") or name in ALWAYS or name.startswith("exception."):
            kept.append(pair)
        elif becomes != "nothing":
            others.append(pair)
    if (left_out := len(others) - MAX_ATTRIBUTES) > 0:
        rest[DROPPED_ATTRIBUTES] = left_out
        scope.losses.cut(TOO_MANY_ATTRIBUTES, left_out)
    return kept + others[:MAX_ATTRIBUTES]


def _finish(columns: dict[str, Any], rest: dict[str, Any], source: Source) -> None:
    """Add what depends on more than one attribute."""
    if source.input_excludes_cache and columns.get("input_tokens") is not None:
        cached = (columns.get("cached_tokens"), _count(rest.get(CACHE_WRITE)))
        columns["input_tokens"] += sum(number or 0 for number in cached)
    if (operation := rest.get(OPERATION)) is not None:
        rest[OPERATION] = OPERATIONS.get(str(operation).upper(), operation)
    if source.agent is not None:
        columns.setdefault("agent", source.agent)
    for name in DOLLARS.intersection(rest):
        cost = _micro_dollars(rest.pop(name))
        columns |= {"cost": cost, "cost_source": None if cost is None else "reported"}


def read_details(pairs: Any, scope: Scope) -> dict[str, Any]:
    """Return the attributes of an item without columns, under the names they were sent with."""
    details: dict[str, Any] = {}
    number = len(pairs)
    scope.request.add_attributes(number)
    if number > MAX_ATTRIBUTES:
        pairs = _fitting(pairs, details, scope)
    for pair in pairs:
        becomes, _ = _target(scope, pair.key)
        value = value_of(pair.value)
        if becomes == "content":
            keep_content(details, pair.key, value, scope)
        elif becomes != "nothing" and value is not None:
            details[pair.key] = value
    return details


def keep_content(rest: dict[str, Any], name: str, value: Any, scope: Scope) -> None:
    if value is not None and (kept := _captured(value, scope.capture)) is not None:
        rest[name] = kept


def _captured(value: Any, capture: Capture) -> str | None:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Redacted before it is cut: half a secret would not be recognised.
    return capture(redact(text))


def _column(column: str, value: Any) -> str | int | None:
    if column in INTEGERS:
        return _count(value)
    if value is None:
        return None
    text = value if type(value) is str else str(value)
    return storable(redacted_start(text, MAX_NAME))


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
