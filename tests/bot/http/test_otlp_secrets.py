"""Telemetry that other programs send is redacted before it is cut and stored."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.http.otlp_receiver import Collector
from bot.settings import Settings
from storage import Observability
from tests.support.planted import SECRET, across, without_secret

JSON = {"content-type": "application/json"}
NAME, KEY, SCOPE, PREVIEW, TEXT = 1_000, 500, 200, 200, 65_536


@pytest.fixture
def url(observability: Observability) -> Iterator[str]:
    collector = Collector(observability, capture=Settings(_env_file=None).captured)
    yield collector.listen()
    collector.stop()


def attributes(facts: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in facts.items()]


def span(facts: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    now = time.time_ns()
    return {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "name": "chat",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 5),
        "attributes": attributes(facts or {}),
        **fields,
    }


def traces(sent: dict[str, Any], *, scope: str = "lib", service: str = "app") -> dict[str, Any]:
    resource = {"attributes": attributes({"service.name": service})}
    scopes = [{"scope": {"name": scope}, "spans": [sent]}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


def send(url: str, signal: str, body: dict[str, Any]) -> None:
    response = httpx.post(f"{url}/v1/{signal}", content=json.dumps(body), headers=JSON)
    assert response.status_code == 200
    assert "rejected" not in response.text.lower()


EXCEPTION = {"name": "exception", "attributes": attributes({"exception.type": across(NAME)})}


@pytest.mark.parametrize(
    "body",
    [
        traces(span(name=across(NAME))),
        traces(span(), scope=across(SCOPE)),
        traces(span(), service=across(SCOPE)),
        traces(span({"gen_ai.response.model": across(KEY)})),
        traces(span({"gen_ai.request.model": f"gpt {SECRET}"})),
        traces(span({"gen_ai.agent.name": across(KEY)})),
        traces(span({"gen_ai.prompt": across(PREVIEW)})),
        traces(span({"note": json.dumps({"a": json.dumps({"b": f"x\n{SECRET}\ny"})})})),
        traces(span({f"note {SECRET}": "x"})),
        traces(span(events=[{"name": across(NAME)}])),
        traces(span(status={"code": 2, "message": across(TEXT)}, events=[EXCEPTION])),
        traces(span(links=[{"attributes": attributes({"a": SECRET})}])),
    ],
)
def test_a_span_has_no_secret(url: str, observability: Observability, body: dict[str, Any]) -> None:
    send(url, "traces", body)
    without_secret(observability)


def test_a_log_record_has_no_secret(url: str, observability: Observability) -> None:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityText": f"level {SECRET}",
        "body": {"stringValue": across(TEXT)},
        "attributes": attributes({"a": SECRET, SECRET: "b"}),
    }
    send(url, "logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    without_secret(observability)


def test_a_metric_has_no_secret(url: str, observability: Observability) -> None:
    point = {
        "asDouble": 1.0,
        "timeUnixNano": str(time.time_ns()),
        "attributes": attributes({"a": SECRET}),
    }
    metric = {"name": across(NAME), "gauge": {"dataPoints": [point]}}
    send(url, "metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})
    without_secret(observability)
