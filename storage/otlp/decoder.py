"""Decode an OTLP request: bytes in, `Telemetry` out, and the answer for its sender.

In: the body of a request with traces, logs or metrics, in protobuf or JSON, as
https://opentelemetry.io/docs/specs/otlp/ defines it. Out: our values, each with the `Resource` that
sent it. A body that cannot be decoded raises `BadTelemetry`; an invalid item among valid ones is
rejected and counted. Next: `storage.otlp.items`, which converts each item.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, TypeVar

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service
from opentelemetry.proto.logs.v1 import logs_pb2 as logs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from storage.model.records import Log, Metric
from storage.model.span import Span
from storage.otlp.items import read_log, read_metric, read_span
from storage.otlp.json_encoding import read_json
from storage.otlp.losses import Losses, Malformed
from storage.otlp.request import Request
from storage.otlp.scope import Capture, Envelope, Resource, Scope
from storage.otlp.span_message import SpanMessage
from storage.otlp.wire import read_protobuf

Signal = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]

T = TypeVar("T")

MESSAGES: Mapping[Signal, tuple[Any, Any, Any]] = {
    "traces": (trace.ResourceSpans, trace.ScopeSpans, trace.Span),
    "logs": (logs.ResourceLogs, logs.ScopeLogs, logs.LogRecord),
    "metrics": (metrics.ResourceMetrics, metrics.ScopeMetrics, metrics.Metric),
}
"""The classes of the messages around items, and of an item."""

RESPONSES: Mapping[Signal, Any] = {
    "traces": trace_service.ExportTraceServiceResponse,
    "logs": logs_service.ExportLogsServiceResponse,
    "metrics": metrics_service.ExportMetricsServiceResponse,
}
PARTS: Mapping[Signal, tuple[str, str, str]] = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
}
REJECTED: Mapping[Signal, str] = {
    "traces": "rejected_spans",
    "logs": "rejected_log_records",
    "metrics": "rejected_data_points",
}


class BadTelemetry(ValueError):
    """The body is not what its content type says."""


@dataclass(slots=True)
class Telemetry:
    """The content of one request, by sender, and what of it was lost."""

    spans: list[tuple[Resource, list[Span]]] = field(default_factory=list)
    logs: list[tuple[Resource, list[Log]]] = field(default_factory=list)
    metrics: list[tuple[Resource, list[Metric]]] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)

    @property
    def items(self) -> int:
        """Return how many spans, log records and metrics there are."""
        sent: Iterable[tuple[Resource, Sized]] = chain(self.spans, self.logs, self.metrics)
        return sum(len(items) for _, items in sent)


def read(
    body: bytes,
    signal: Signal,
    *,
    encoding: Encoding,
    capture: Capture,
    within: str | None = None,
) -> Telemetry:
    """Decode `body`. `capture` decides what is kept of texts.

    `within` is the only trace of ours that its sender may add to; None lets it add to any.

    Raises `BadTelemetry`, and `TooManyItems` before anything is decoded.
    """
    request = Request()
    telemetry = Telemetry(losses=request.losses)
    try:
        for sent, sent_scope, items in _envelopes(body, signal, encoding, request):
            resource = Resource.of(sent)
            if within is not None:
                resource = resource.limited(within)
            scope = Scope(resource, sent_scope, capture, request)
            _add(telemetry, signal, resource, scope, items)
    except Malformed as error:
        why = _mistaken(body, encoding) or error
        raise BadTelemetry(f"The body is not valid OTLP {signal} in {encoding}: {why}.") from None
    return telemetry


def _mistaken(body: bytes, encoding: Encoding) -> str | None:
    """Return what to tell a sender whose headers name another form than the body has."""
    if body.startswith(b"\x1f\x8b"):
        return "it is compressed, send Content-Encoding: gzip"
    if encoding == "protobuf" and body.lstrip().startswith(b"{"):
        return "it is JSON, send Content-Type: application/json"
    return None


def _add(
    telemetry: Telemetry, signal: Signal, resource: Resource, scope: Scope, items: Iterable[Any]
) -> None:
    if signal == "traces":
        telemetry.spans.append((resource, [*_each(read_span, items, scope)]))
    elif signal == "logs":
        telemetry.logs.append((resource, [*_each(read_log, items, scope)]))
    else:
        points = chain.from_iterable(_each(read_metric, items, scope))
        telemetry.metrics.append((resource, [*points]))


def _each(read_item: Any, items: Iterable[Any], scope: Scope) -> Iterator[Any]:
    for item in items:
        try:
            yield read_item(item, scope)
        except Malformed as error:
            scope.losses.refuse(error)


def _envelopes(
    body: bytes, signal: Signal, encoding: Encoding, request: Request
) -> Iterator[Envelope]:
    """Yield each scope's items as protobuf messages, whatever the encoding."""
    resource_kind, scope_kind, item_kind = MESSAGES[signal]
    if encoding == "protobuf":
        kind = SpanMessage if signal == "traces" else item_kind
        yield from read_protobuf(body, (resource_kind, scope_kind, kind), request)
        return
    for resource, scope, items in read_json(body, MESSAGES[signal], PARTS[signal], request):
        if signal == "traces":
            items = (SpanMessage.FromString(item.SerializeToString()) for item in items)
        yield resource, scope, items


def answer(signal: Signal, losses: Losses, *, encoding: Encoding) -> bytes:
    """Encode the response: empty, or how many items were refused and the first reasons.

    Values that were cut are told as a warning, with no item refused.
    """
    if not losses.reasons:
        return b"{}" if encoding == "json" else b""
    refused, reasons = losses.refused.total(), "; ".join(losses.reasons)
    if encoding == "json":
        name = "".join(part.title() for part in REJECTED[signal].split("_"))
        told = {name[0].lower() + name[1:]: str(refused)} if refused else {}
        return json.dumps({"partialSuccess": {**told, "errorMessage": reasons}}).encode()
    response = RESPONSES[signal]()
    setattr(response.partial_success, REJECTED[signal], refused)
    response.partial_success.error_message = reasons
    encoded: bytes = response.SerializeToString()
    return encoded


def refusal(message: str, *, encoding: Encoding) -> bytes:
    """Encode a `google.rpc.Status` with a message, which is its second field."""
    if encoding == "json":
        return json.dumps({"message": message}).encode()
    text = message.encode()[:127]
    return bytes([0x12, len(text)]) + text
