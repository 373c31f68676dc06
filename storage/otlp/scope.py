"""Know who sent an item: the resource and the instrumentation scope of its envelope.

In: the messages of an envelope. Out: a `Resource`, by which `storage.otlp.correlation` finds the
place of its items, and a `Scope`, with which `storage.otlp.items` reads them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from storage.model.redaction import redacted_start
from storage.model.semconv import PARENT_SPAN_ID, PARENT_TRACE_ID
from storage.model.text import storable
from storage.model.trace_context import Ids, parse_traceparent
from storage.otlp.losses import INVALID_VALUE, Malformed
from storage.otlp.request import Request
from storage.otlp.sources import UNKNOWN, Source, source_of, source_of_scope

Capture = Callable[[str], str | None]
"""Return what to keep of a text that a person, model or tool wrote; None keeps nothing."""

Envelope = tuple[Any, Any, Iterable[Any]]
"""Messages of a resource and a scope, and those of the items that were sent in them."""

MAX_SCOPE = 200

OURS = ("tracebot.", "slack.")
"""Beginnings of names that no sender may set: they say who can see a span, and what we counted."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Name the sender: its `service.name`, and the span of ours that it says started it."""

    service: str
    source: Source
    parent: Ids | None
    within: str | None = None
    """The only trace of ours that it may add to; None if it may add to any."""

    def limited(self, trace_id: str) -> Self:
        """Return the resource of a sender that may add to this trace only."""
        is_there = self.parent is not None and self.parent[0] == trace_id
        return replace(self, parent=self.parent if is_there else None, within=trace_id)

    def may_join(self, trace_id: str) -> bool:
        """Return whether it may add to this trace of ours."""
        return self.within in (None, trace_id)

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


Becomes = Literal["rest", "column", "older", "content", "words", "nothing"]
"""The destination of an attribute.

`older` names lose against `column` ones; `content` is kept as far as TRACEBOT_CAPTURE allows, and
so are `words` unless they are a number.
"""

Target = tuple[Becomes, str]
"""The destination of an attribute, and the name of its column or its conventional name."""

Placed = tuple[Becomes, str, Any]
"""The same with what is kept of its value. `content` and `words` have become `rest`."""


class Scope:
    """Hold what the items of one instrumentation scope share."""

    __slots__ = (
        *("capture", "facts", "losses", "name", "remembered", "request", "source", "targets"),
    )

    def __init__(self, resource: Resource, sent: Any, capture: Capture, request: Request) -> None:
        self.source = resource.source
        self.capture = capture
        self.request = request
        self.losses = request.losses
        self.name = storable(redacted_start(sent.scope.name, MAX_SCOPE)) or None
        if self.source is UNKNOWN and self.name:
            self.source = source_of_scope(self.name)
        url = redacted_start(sent.schema_url, MAX_SCOPE)
        facts = {"service.name": resource.service, "otel.schema_url": url}
        self.facts = {name: value for name, value in facts.items() if value}
        self.targets: dict[str, Target] = {}
        self.remembered: dict[bytes, Placed] = {}
        """The places and values of attributes, by their bytes."""

    def value_of(self, sent: Any) -> Any:
        """Return an `AnyValue` as `value_of` does, and count the values within it."""
        value = value_of(sent)
        if isinstance(value, list | dict):
            self.request.add_values(_size(value))
        return value

    def decoded(self, data: bytes, kind: Any) -> Any:
        """Return a part of an item as a message, which is empty if it cannot be decoded."""
        try:
            return self.request.decoded(data, kind)
        except Malformed as error:
            self.losses.cut(INVALID_VALUE, reason=str(error))
            return kind()


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


def _size(value: Any) -> int:
    """Return the number of values within a list or mapping, at any depth."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 1
    return 1 + sum(map(_size, value))
