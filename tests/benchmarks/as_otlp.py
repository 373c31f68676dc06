"""Spans as a sender would encode them: an OTLP request with conventional attribute names."""

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.model.semconv import ATTRIBUTES, SCHEMA_URL
from storage.model.span import Kind, Span
from storage.otlp.items import ERROR, KINDS

NUMBERS: Mapping[Kind, int] = {kind: number for number, kind in KINDS.items()}
SERVICE = "shop"


def request_of(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """Return one export request; spans keep their ids and are grouped by scope."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add(schema_url=SCHEMA_URL)
    resource.resource.attributes.add(key="service.name").value.string_value = SERVICE
    scopes: dict[str | None, Any] = {}
    for span in spans:
        scope = scopes.get(span.scope)
        if scope is None:
            scope = scopes[span.scope] = resource.scope_spans.add(schema_url=SCHEMA_URL)
            scope.scope.name = span.scope or SERVICE
        _fill(scope.spans.add(), span)
    return request


def _fill(sent: Any, span: Span) -> None:
    sent.trace_id, sent.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
    if span.parent_id:
        sent.parent_span_id = bytes.fromhex(span.parent_id)
    sent.name = span.name
    sent.kind = NUMBERS[span.kind]
    sent.start_time_unix_nano = span.started_at
    sent.end_time_unix_nano = span.ended_at or 0
    if span.failed:
        sent.status.code, sent.status.message = ERROR, span.error_message or ""
    columns = {name: getattr(span, field) for field, name in ATTRIBUTES.items()}
    _attributes(sent.attributes, {**span.attributes, **columns})
    for event in span.events:
        kept = sent.events.add(name=str(event.get("name", "")))
        _attributes(kept.attributes, event.get("attributes"))


def _attributes(pairs: Any, attributes: object) -> None:
    if isinstance(attributes, Mapping):
        for name, value in attributes.items():
            if value is not None:
                _value(pairs.add(key=str(name)).value, value)


def _value(kept: Any, value: object) -> None:
    if isinstance(value, bool):
        kept.bool_value = value
    elif isinstance(value, int) and abs(value) < 2**63:
        kept.int_value = value
    elif isinstance(value, float):
        kept.double_value = value
    elif isinstance(value, Mapping):
        kept.kvlist_value.SetInParent()
        _attributes(kept.kvlist_value.values, value)
    elif isinstance(value, list | tuple):
        kept.array_value.SetInParent()
        for item in value:
            _value(kept.array_value.values.add(), item)
    elif value is not None:
        kept.string_value = str(value)
