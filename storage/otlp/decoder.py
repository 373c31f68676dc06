"""OTLP: the bytes in which OpenTelemetry sends traces, logs and metrics → our values.

Protobuf and JSON, https://opentelemetry.io/docs/specs/otlp/. What cannot be read at all raises
`BadTelemetry`; an item that makes no sense among good ones is rejected, and counted. Nothing
here says where a span belongs or who may see it: `storage.otlp.correlation` does.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service

from storage.model.records import Log, Metric
from storage.model.span import Span
from storage.otlp.items import Capture, Malformed, Resource, Scope, read_log, read_metric, read_span
from storage.otlp.json_encoding import read_json

Signal = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]

T = TypeVar("T")

REQUESTS: Mapping[Signal, Any] = {
    "traces": trace_service.ExportTraceServiceRequest,
    "logs": logs_service.ExportLogsServiceRequest,
    "metrics": metrics_service.ExportMetricsServiceRequest,
}
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
    """The bytes are not what their content type says."""


@dataclass(slots=True)
class Telemetry:
    """What one request holds, by who sent it; and how much of it made no sense, and why."""

    spans: list[tuple[Resource, list[Span]]] = field(default_factory=list)
    logs: list[tuple[Resource, list[Log]]] = field(default_factory=list)
    metrics: list[tuple[Resource, list[Metric]]] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""

    def reject(self, reason: str) -> None:
        self.rejected += 1
        self.reason = self.reason or reason


def read(body: bytes, signal: Signal, *, encoding: Encoding, capture: Capture) -> Telemetry:
    """What `body` holds; `capture` says what is kept of a text that somebody wrote.

    Raises `BadTelemetry`.
    """
    telemetry = Telemetry()
    for resource, scope, items in _envelopes(body, signal, encoding, telemetry, capture):
        if signal == "traces":
            telemetry.spans.append((resource, [*_each(read_span, items, scope, telemetry)]))
        elif signal == "logs":
            telemetry.logs.append((resource, [*_each(read_log, items, scope, telemetry)]))
        else:
            metrics = [
                point for points in _each(read_metric, items, scope, telemetry) for point in points
            ]
            telemetry.metrics.append((resource, metrics))
    return telemetry


def _each(
    read_item: Any, items: Iterable[Any], scope: Scope, telemetry: Telemetry
) -> Iterator[Any]:
    for item in items:
        try:
            yield read_item(item, scope)
        except Malformed as error:
            telemetry.reject(str(error))


def _envelopes(
    body: bytes, signal: Signal, encoding: Encoding, telemetry: Telemetry, capture: Capture
) -> Iterator[tuple[Resource, Scope, Iterable[Any]]]:
    """Each scope's items, as protobuf messages whatever the encoding."""
    resources, scopes, items = PARTS[signal]
    request = REQUESTS[signal]()
    try:
        if encoding == "json":
            read_json(body, request, PARTS[signal], telemetry.reject)
        else:
            request.MergeFromString(body)
    except (DecodeError, Malformed) as error:
        raise BadTelemetry(f"This is no {encoding} of OTLP's {signal}: {error}.") from None
    for sent in getattr(request, resources):
        resource = Resource.of(sent.resource)
        for scope in getattr(sent, scopes):
            yield resource, Scope(resource, scope, capture), getattr(scope, items)


def answer(signal: Signal, telemetry: Telemetry, *, encoding: Encoding) -> bytes:
    """What the sender is told: nothing where all is well, else how much was rejected and why."""
    if not telemetry.rejected:
        return b"{}" if encoding == "json" else b""
    rejected, reason = telemetry.rejected, telemetry.reason
    if encoding == "json":
        name = "".join(part.title() for part in REJECTED[signal].split("_"))
        told = {name[0].lower() + name[1:]: str(rejected), "errorMessage": reason}
        return json.dumps({"partialSuccess": told}).encode()
    response = RESPONSES[signal]()
    setattr(response.partial_success, REJECTED[signal], rejected)
    response.partial_success.error_message = reason
    encoded: bytes = response.SerializeToString()
    return encoded


def refusal(message: str, *, encoding: Encoding) -> bytes:
    """A `google.rpc.Status` with a message, which is its second field."""
    if encoding == "json":
        return json.dumps({"message": message}).encode()
    text = message.encode()[:127]
    return bytes([0x12, len(text)]) + text
