"""Bad values over real HTTP: what is kept, what is counted, and what their sender is told."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from bot.http.otlp_receiver import Collector
from reports.render import json_output, slack, terminal
from reports.views.health import health_view
from storage import Observability
from storage.health import Health, health
from storage.model.retention import Retention
from storage.model.span import Span
from storage.otlp import bounds
from storage.queries.traces import recent_traces, trace_spans
from storage.upkeep.retention import apply_retention
from tests.support.otlp_bytes import HALF_AN_EMOJI, as_protobuf
from tests.support.paths import ROOT

SECOND = 1_000_000_000
DAY = 24 * 3_600 * SECOND
YEAR = 365 * DAY
TRACE = "5b8efff798038103d269b633813fc60c"
TYPES = {"protobuf": "application/x-protobuf", "json": "application/json"}


@pytest.fixture
def collector(observability: Observability) -> Iterator[Collector]:
    running = Collector(observability, capture=str)
    yield running
    running.stop()


@pytest.fixture
def url(collector: Collector) -> str:
    return collector.listen()


def a_span(digit: str = "a", **fields: Any) -> dict[str, Any]:
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 5)}
    return {"traceId": TRACE, "spanId": digit * 16, "name": digit, **times, **fields}


def a_request(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "lib"}, "spans": [*spans]}]}]}


def text(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value}}


def post(url: str, content: dict[str, Any], encoding: str, kind: str = "traces") -> httpx.Response:
    """Send a request in which @@@ stands for text that is not valid."""
    if encoding == "protobuf":
        body = as_protobuf(content, kind).replace(b"@@@", HALF_AN_EMOJI)
    else:
        body = json.dumps(content).encode().replace(b"@@@", b"\\ud83d")
    headers = {"content-type": TYPES[encoding]}
    return httpx.post(f"{url}/v1/{kind}", content=body, headers=headers, timeout=60)


def stored(observability: Observability, trace_id: str = TRACE) -> dict[str, Span]:
    assert observability.flush()
    return {span.span_id[0]: span for span in trace_spans(observability.database, trace_id)}


def counted(observability: Observability) -> Health:
    observability.close()
    return health(observability.database, now=time.time_ns())


@pytest.mark.parametrize("encoding", TYPES)
def test_half_an_emoji_costs_itself_and_its_sender_is_told(
    url: str, observability: Observability, encoding: str
) -> None:
    bad = a_span("b", name="chat @@@", attributes=[text("model.note", "@@@"), text("x", "kept")])
    content = a_request(a_span("a"), bad, a_span("c"))
    content["resourceSpans"][0]["resource"] = {
        "attributes": [text("host.name", "@@@"), text("service.name", "shop")]
    }
    told = post(url, content, encoding)
    assert told.status_code == 200
    if encoding == "json":
        (message,) = told.json()["partialSuccess"].values()
    else:
        response = trace_service.ExportTraceServiceResponse.FromString(told.content)
        assert response.partial_success.rejected_spans == 0
        message = response.partial_success.error_message
    assert "not valid Unicode" in message
    found = stored(observability)
    assert sorted(found) == [*"abc"]
    assert found["b"].attributes["x"] == "kept"
    assert found["b"].attributes["service.name"] == "shop"
    assert counted(observability).cut == {"otlp: invalid text": 3}


@pytest.mark.parametrize("encoding", TYPES)
def test_logs_and_metrics_with_bad_text_are_stored(
    url: str, observability: Observability, encoding: str
) -> None:
    now = str(time.time_ns())
    records = [{"timeUnixNano": now, "body": {"stringValue": body}} for body in ("good", "@@@")]
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    assert post(url, logs, encoding, "logs").status_code == 200
    point = {"timeUnixNano": now, "asInt": "5"}
    metrics = [{"name": name, "gauge": {"dataPoints": [point]}} for name in ("good", "bad@@@")]
    sent = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    assert post(url, sent, encoding, "metrics").status_code == 200
    assert observability.flush()
    query = observability.database.execute_sql
    messages = [row[0] for row in query("SELECT message FROM logs").fetchall()]
    assert "good" in messages
    names = [row[0] for row in query("SELECT name FROM metrics WHERE value = 5").fetchall()]
    assert len(names) == 2


def test_a_real_exporters_span_with_hundreds_of_messages_keeps_its_model_and_tokens(
    url: str, observability: Observability
) -> None:
    provider = TracerProvider(span_limits=SpanLimits(max_attributes=10_000))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    with provider.get_tracer("openinference").start_as_current_span("llm") as sent:
        for number in range(151):
            for part in ("role", "content"):
                sent.set_attribute(f"llm.input_messages.{number}.message.{part}", part)
        sent.set_attribute("llm.model_name", "gpt-5")
        sent.set_attribute("llm.token_count.prompt", 900)
        sent.set_attribute("llm.token_count.completion", 40)
    provider.shutdown()
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    assert (summary.model, summary.input_tokens, summary.output_tokens) == ("gpt-5", 900, 40)
    (span,) = trace_spans(observability.database, summary.trace_id)
    assert span.attributes["tracebot.dropped.attributes"] == 46
    assert counted(observability).cut == {"otlp: too many attributes": 46}


def test_a_rejected_span_is_counted_by_its_cause(
    url: str, observability: Observability, collector: Collector
) -> None:
    told = post(url, a_request(a_span("a"), {**a_span("b"), "traceId": "0" * 32}), "json")
    partial = told.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "0" * 32 in partial["errorMessage"]
    assert [*stored(observability)] == ["a"]
    assert collector.counts.rejected == {"invalid id": 1}
    found = counted(observability)
    assert (found.cut, found.refused) == ({"otlp: invalid id": 1}, {})


def test_refused_requests_are_logged_and_shown_in_health(
    url: str, observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    assert httpx.post(f"{url}/", content=b"").status_code == 404
    assert httpx.post(f"{url}/v1/traces/", content=b"", follow_redirects=True).status_code != 500
    refused = httpx.get(f"{url}/v1/traces")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert "/v1/traces" in refused.json()["message"]
    assert httpx.post(f"{url}/v1/traces", content=b"{", headers={"content-type": "x"}).is_error
    assert post(url, {"resourceSpans": 5}, "json").status_code == 400
    found = counted(observability)
    assert found.refused["otlp: path"] >= 1
    assert {"otlp: method", "otlp: encoding", "otlp: body"} <= set(found.refused)
    assert "otlp: encoding" in caplog.text


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "otlp: gRPC"),
        (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(194), "otlp: https"),
        (b"\x00\x01\r\n\r\n", "otlp: HTTP"),
    ],
    ids=["gRPC", "https", "nonsense"],
)
def test_what_is_not_our_protocol_is_counted_by_its_name(
    url: str, observability: Observability, sent: bytes, cause: str
) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(sent)
        with suppress(ConnectionResetError):
            while client.recv(4_096):
                pass
    assert counted(observability).refused == {cause: 1}


def test_a_java_client_that_offers_http_2_is_answered_without_a_warning(
    url: str, observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEA"}
    with httpx.Client(headers=offer) as client:
        for name in "ab":
            answer = client.post(f"{url}/v1/traces", json=a_request(a_span(name)))
            assert (answer.status_code, answer.json()) == (200, {})
    assert [*stored(observability)] == ["a", "b"]
    assert not caplog.records


def test_health_shows_what_was_cut_in_every_form(url: str, observability: Observability) -> None:
    post(url, a_request(a_span("a", name="@@@", kind=99)), "json")
    found = counted(observability)
    view = health_view(found, now=time.time_ns(), private=False)
    assert view.ok
    expected = "2 in the last 24 h, 1 otlp: "
    assert dict(view.facts)["Cut"].startswith(expected)
    assert expected in terminal.render(view)
    assert expected in json.dumps(slack.render(view))
    raw = json.loads(json_output.render(view))
    assert raw["cut"] == {"otlp: invalid text": 1, "otlp: unknown enum": 1}
    assert raw["refused"] == {}


@pytest.mark.parametrize("encoding", TYPES)
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None),
        (None, 0),
        (2**64 - 1, 2**64 - 1),
        (2**63, 2**63 + 5),
        (1, 2),
        (0, -YEAR),
        (0, -1),
        (-5 * YEAR, 0),
        (-5 * YEAR, 100 * YEAR),
        (300 * DAY, 300 * DAY + 5),
        (100 * YEAR, 0),
    ],
    ids=str,
)
def test_a_clock_that_is_wrong_is_marked_and_bounded(
    url: str, observability: Observability, start: int | None, end: int | None, encoding: str
) -> None:
    now = time.time_ns()

    def absolute(time_ns: int | None) -> int | None:
        """Return what is sent: small times are from now on, the largest ones as they are."""
        if time_ns is None or time_ns in (1, 2) or time_ns >= 2**63:
            return time_ns
        return now + time_ns

    sent = {"startTimeUnixNano": absolute(start), "endTimeUnixNano": absolute(end)}
    times = {name: str(value) for name, value in sent.items() if value is not None}
    bare = {name: value for name, value in a_span("a").items() if not name.endswith("Nano")}
    assert post(url, a_request({**bare, **times}), encoding).status_code == 200
    span = stored(observability)["a"]
    assert span.ended_at is not None and span.duration_ns is not None
    assert now - 11 * YEAR < span.started_at <= span.ended_at <= time.time_ns()
    assert 0 <= span.duration_ns <= YEAR
    assert span.duration_ns == span.ended_at - span.started_at
    kept = min(sent["startTimeUnixNano"] or 0, 2**63 - 1)
    assert span.attributes[bounds.CLOCK] == kept
    assert bounds.CLOCK_END in span.attributes
    (summary,) = recent_traces(observability.database, since=now - YEAR).traces
    assert summary.started_at == span.started_at
    apply_retention(observability.database, Retention(older_than_ns=DAY), now=time.time_ns())
    assert recent_traces(observability.database).traces
    assert counted(observability).refused == {"otlp: wrong clock": 1}


@pytest.mark.parametrize("ahead", [5 * 60, 3_600, 20 * 365 * 86_400, -20 * 365 * 86_400], ids=str)
def test_a_span_keeps_its_length_if_only_the_clock_is_wrong(
    url: str, observability: Observability, ahead: int
) -> None:
    end = time.time_ns() + ahead * SECOND
    times = {"startTimeUnixNano": str(end - 8 * SECOND), "endTimeUnixNano": str(end)}
    post(url, a_request({**a_span("a"), **times}), "json")
    span = stored(observability)["a"]
    assert span.ended_at is not None and span.ended_at <= time.time_ns()
    assert (span.duration_ns, span.ended_at - span.started_at) == (8 * SECOND, 8 * SECOND)
    assert span.attributes[bounds.CLOCK] == end - 8 * SECOND


def test_a_start_years_ago_allows_no_span_a_higher_cost(
    url: str, observability: Observability
) -> None:
    long_ago = time.time_ns() - 9 * YEAR
    times = {"startTimeUnixNano": str(long_ago), "endTimeUnixNano": str(long_ago + 5)}
    dear = {"attributes": [{"key": "gen_ai.usage.cost", "value": {"doubleValue": 1e6}}]}
    post(url, a_request({**a_span("a", **dear), **times}), "json")
    span = stored(observability)["a"]
    assert (span.cost, span.attributes[bounds.REFUSED_FIGURES]) == (None, ["cost"])


def test_events_get_a_time_that_can_be_true(url: str, observability: Observability) -> None:
    events = [{"name": "e", "timeUnixNano": str(at)} for at in (0, 1, 2**63, 2**64 - 1)]
    span = a_span("a", events=[*events, {"name": "e", "timeUnixNano": str(time.time_ns())}])
    post(url, a_request(span), "protobuf")
    found = stored(observability)["a"]
    assert all(abs(event["at"] - found.started_at) < 60 * SECOND for event in found.events)  # type: ignore[operator]
    assert bounds.CLOCK not in found.attributes


def test_a_later_span_does_not_move_a_stored_trace(url: str, observability: Observability) -> None:
    root = a_span("a")
    post(url, a_request(root), "json")
    stored(observability)
    (before,) = recent_traces(observability.database).traces
    for digit, start in (("b", time.time_ns() - 5 * YEAR), ("c", 1), ("d", 2**63 - 1)):
        times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start)}
        post(url, a_request({**a_span(digit), "parentSpanId": "a" * 16, **times}), "json")
    assert len(stored(observability)) == 4
    (after,) = recent_traces(observability.database).traces
    assert (after.started_at, after.duration_ns) == (before.started_at, before.duration_ns)


@pytest.mark.parametrize("items", [50_001, 100_001])
@pytest.mark.parametrize("kind", ["traces", "logs", "metrics"])
def test_more_items_than_are_taken_at_once_are_413(url: str, kind: str, items: int) -> None:
    # An item of two bytes: the number of the field, and no content.
    part = {"traces": b"\x12\x00", "logs": b"\x12\x00", "metrics": b"\x12\x00"}[kind] * items
    inner = b"\x12" + varint(len(part)) + part
    body = b"\x0a" + varint(len(inner)) + inner
    told = httpx.post(
        f"{url}/v1/{kind}", content=body, headers={"content-type": TYPES["protobuf"]}, timeout=60
    )
    assert told.status_code == 413
    assert b"at most 50000" in told.content


def test_as_many_items_as_are_taken_at_once_are_stored(
    url: str, observability: Observability
) -> None:
    point = {"asInt": "1", "timeUnixNano": str(time.time_ns())}
    metrics = [{"name": "m", "gauge": {"dataPoints": [point] * 1_000}}] * 50
    sent = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    assert post(url, sent, "protobuf", "metrics").status_code == 200
    assert observability.flush(60)
    query = "SELECT count(*) FROM metrics WHERE name = 'm'"
    assert observability.database.execute_sql(query).fetchone() == (50_000,)


def varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def test_collect_says_at_the_end_what_it_left_out(db_path: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from bot.cli.main import main; main()"]
    with subprocess.Popen(
        [*program, "collect", "--port", "0", "--database", str(db_path)],
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        found = re.search(r"at (http://\S+) and", process.stderr.readline())
        assert found
        rejected = {**a_span("b"), "traceId": "0" * 32}
        post(found[1], a_request(a_span("a", name="@@@"), rejected), "protobuf")
        httpx.get(f"{found[1]}/v1/traces")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert "received 1 spans" in said
    assert "rejected 1 (1 invalid id)" in said
    assert "cut 1 (1 invalid text) of their values" in said
    assert "refused 1 (1 method) requests" in said
    assert "1 otlp: invalid text" in said


NOW = time.time_ns()
FACTS = [
    text("gen_ai.request.model", "m"),
    {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}},
    {"key": "a", "value": {"arrayValue": {"values": [{"doubleValue": 0.5}, {"boolValue": True}]}}},
    {"key": "m", "value": {"kvlistValue": {"values": [text("x", "ü\0")]}}},
    {"key": "b", "value": {"bytesValue": "AAEC"}},
]
WHOLE: dict[str, dict[str, Any]] = {
    "traces": a_request(
        a_span("a", attributes=FACTS, status={"code": 2, "message": "no"}),
        a_span(
            "b",
            parentSpanId="a" * 16,
            events=[{"name": "exception", "timeUnixNano": str(NOW), "attributes": FACTS}],
            links=[{"traceId": TRACE, "spanId": "a" * 16, "attributes": FACTS}],
        ),
    ),
    "logs": {
        "resourceLogs": [
            {
                "resource": {"attributes": [text("service.name", "shop")]},
                "scopeLogs": [
                    {
                        "logRecords": [
                            {"timeUnixNano": str(NOW), "severityNumber": 9, "attributes": FACTS}
                        ]
                    }
                ],
            }
        ]
    },
    "metrics": {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {"name": "m", "sum": {"dataPoints": [{"asInt": "1"}]}},
                            {"name": "h", "histogram": {"dataPoints": [{"count": "2", "sum": 1}]}},
                        ]
                    }
                ]
            }
        ]
    },
}
BODIES = {
    (kind, encoding): as_protobuf(content, kind)
    if encoding == "protobuf"
    else json.dumps(content).encode()
    for kind, content in WHOLE.items()
    for encoding in TYPES
}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(sorted(BODIES)),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=3)), min_size=1, max_size=5),
)
def test_a_damaged_request_never_fails_the_receiver_and_what_is_taken_is_stored(
    url: str,
    observability: Observability,
    sent: tuple[str, str],
    damage: list[tuple[int, bytes]],
) -> None:
    kind, encoding = sent
    body = bytearray(BODIES[sent])
    for at, replacement in damage:
        at %= len(body)
        body[at : at + len(replacement)] = replacement
    headers = {"content-type": TYPES[encoding]}
    told = httpx.post(f"{url}/v1/{kind}", content=bytes(body), headers=headers)
    assert told.status_code in (200, 400)
    assert observability.flush()
    trace_spans(observability.database, TRACE)
    dropped = (
        "SELECT count(*) FROM metrics WHERE name IN ('tracebot.dropped', 'tracebot.write_failed')"
    )
    assert observability.database.execute_sql(dropped).fetchone() == (0,)
