"""OTLP requests as bytes of protobuf, also such as protobuf itself would not write."""

import base64
import json
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service

HALF_AN_EMOJI = b"\xed\xa0\xbd"
"""Half of a surrogate pair, written as UTF-8 would write it if it could."""

IDS = ("traceId", "spanId", "parentSpanId")
REQUESTS = {
    "traces": trace_service.ExportTraceServiceRequest,
    "logs": logs_service.ExportLogsServiceRequest,
    "metrics": metrics_service.ExportMetricsServiceRequest,
}


def as_protobuf(content: dict[str, Any], signal: str) -> bytes:
    """Return a request that is given in OTLP's JSON."""
    encoded: bytes = ParseDict(_with_base64(content), REQUESTS[signal]()).SerializeToString()
    return encoded


def in_protobuf(content: dict[str, Any], place: int, added: bytes) -> bytes:
    """Return a request of spans with bytes added to the end of one of them."""
    scopes = content["resourceSpans"][0]["scopeSpans"][0]
    head = json.loads(json.dumps(content))
    head["resourceSpans"][0].pop("scopeSpans")
    message = REQUESTS["traces"].FromString(as_protobuf(head, "traces"))
    scope = ParseDict({"scope": scopes["scope"]}, message.resource_spans[0].scope_spans.add())
    encoded = scope.SerializeToString()
    message.resource_spans[0].ClearField("scope_spans")
    for number, span in enumerate(scopes["spans"]):
        sent = ParseDict(_with_base64(span), scope.spans.add()).SerializeToString()
        encoded += with_bytes(2, sent + (added if number == place else b""))
    return with_bytes(1, message.resource_spans[0].SerializeToString() + with_bytes(2, encoded))


def with_bytes(number: int, value: bytes) -> bytes:
    """Encode a field of a message whose value has a length."""
    length, digits = len(value), bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *digits, length]) + value


def tagged(key: bytes, value: bytes) -> bytes:
    """Encode a `KeyValue`."""
    return with_bytes(1, key) + with_bytes(2, value)


def nested(depth: int) -> bytes:
    """Encode an `AnyValue` of lists within lists."""
    # From the inside out, a copy for each level would take time with the square of the depth.
    heads: list[bytes] = []
    size = 0
    for _ in range(depth):
        for number in (1, 5):
            head = with_bytes(number, b"x" * 0)[:1] + _length(size)
            heads.append(head)
            size += len(head)
    return b"".join(reversed(heads))


def _length(size: int) -> bytes:
    digits = bytearray()
    while size > 127:
        digits.append(size & 127 | 128)
        size >>= 7
    return bytes([*digits, size])


def _with_base64(content: Any) -> Any:
    """Return OTLP's JSON as protobuf's, which has ids in Base64."""
    if isinstance(content, list):
        return [_with_base64(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        name: base64.b64encode(bytes.fromhex(value)).decode()
        if name in IDS
        else _with_base64(value)
        for name, value in content.items()
    }
