"""Requests of OTLP in JSON, and what the decoder reads from them."""

import json
from typing import Any

from storage.model.records import Metric
from storage.model.span import Span
from storage.otlp.decoder import Signal, Telemetry, read

TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173"
START = 1_544_712_660_000_000_000


def value(python: Any) -> dict[str, Any]:
    """An `AnyValue` in OTLP's JSON."""
    if isinstance(python, bool):
        return {"boolValue": python}
    if isinstance(python, int):
        return {"intValue": str(python)}
    if isinstance(python, float):
        return {"doubleValue": python}
    if isinstance(python, list):
        return {"arrayValue": {"values": [value(item) for item in python]}}
    if isinstance(python, dict):
        return {"kvlistValue": {"values": attributes(python)}}
    return {"stringValue": python}


def attributes(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value(fact)} for name, fact in facts.items()]


def a_span(facts: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "chat gpt-5",
        "kind": 3,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 1_500),
        "attributes": attributes(facts or {}),
        **fields,
    }


def request(*spans: Any, service: str = "shop", scope: str = "lib") -> dict[str, Any]:
    resource = {"attributes": attributes({"service.name": service, "host.name": "vm"})}
    scope_spans = {"scope": {"name": scope}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope_spans]}]}


def read_json(content: Any, signal: Signal = "traces", *, capture: Any = str) -> Telemetry:
    return read(json.dumps(content).encode(), signal, encoding="json", capture=capture)


def spans_of(telemetry: Telemetry) -> list[Span]:
    return [span for _, spans in telemetry.spans for span in spans]


def metrics_of(*metrics: dict[str, Any]) -> list[Metric]:
    content = {"resourceMetrics": [{"scopeMetrics": [{"metrics": list(metrics)}]}]}
    return [point for _, points in read_json(content, "metrics").metrics for point in points]
