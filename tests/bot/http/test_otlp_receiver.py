"""The OTLP receiver over real HTTP: real exporters, and everything a stranger may send."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import Compression, OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from bot.http.otlp_receiver import MAX_BODY, Collector, listen_to_agents
from bot.http.telemetry_store import RESERVED
from bot.settings import Settings, SettingsError
from storage import Observability
from storage.database.driver import Connection
from storage.database.models import MetricRow
from storage.queries.traces import recent_traces, trace_spans
from storage.store.spool_files import spool_folder, waiting
from tests.support.paths import ROOT

JSON = {"content-type": "application/json"}
GZIP = {"content-encoding": "gzip"}
PROTOBUF = {"content-type": "application/x-protobuf"}
TRACE = "5b8efff798038103d269b633813fc60c"


@pytest.fixture
def collector(observability: Observability) -> Iterator[Collector]:
    running = Collector(observability, capture=lambda text: text[:9])
    yield running
    running.stop()


@pytest.fixture
def url(collector: Collector) -> str:
    return collector.listen()


def a_request(*span_ids: str, trace_id: str = TRACE) -> dict[str, Any]:
    """An export request of one trace, in JSON."""
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 5)}
    spans = [{"traceId": trace_id, "spanId": each * 16, "name": each, **times} for each in span_ids]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def body_of(*span_ids: str) -> bytes:
    return json.dumps(a_request(*span_ids)).encode()


def stored(observability: Observability, trace_id: str = TRACE) -> list[str]:
    assert observability.flush()
    return [span.name for span in trace_spans(observability.database, trace_id)]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_opentelemetrys_own_exporter_is_understood(
    url: str, observability: Observability, compression: Compression
) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("cart", "1.0")
    with tracer.start_as_current_span("order") as order:
        order.set_attribute("gen_ai.request.model", "gpt-5")
        with tracer.start_as_current_span("pay") as pay:
            pay.record_exception(ValueError("no money"))
    provider.shutdown()
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    root, child = trace_spans(observability.database, summary.trace_id)
    assert (root.name, root.model, root.scope) == ("order", "gpt-5", "cart")
    assert (child.name, child.parent_id) == ("pay", root.span_id)
    assert child.events[0]["name"] == "exception"
    assert root.attributes["service.name"] == "shop"


def test_opentelemetrys_metrics_are_understood(url: str, observability: Observability) -> None:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"))
    provider = MeterProvider(metric_readers=[reader])
    meter = provider.get_meter("cart")
    meter.create_counter("orders").add(3, {"city": "Berlin"})
    meter.create_histogram("wait").record(2.5)
    provider.shutdown()
    assert observability.flush()
    rows = MetricRow.select().dicts().execute(observability.database)
    found = {row["name"]: row["value"] for row in rows}
    assert found == {"orders": 3.0, "wait.count": 1.0, "wait.sum": 2.5}


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_an_address_may_end_in_a_slash(url: str, signal: str) -> None:
    told = httpx.post(f"{url}/v1/{signal}/", content=b"{}", headers=JSON)
    assert (told.status_code, told.json()) == (200, {})


def test_the_answer_is_in_the_encoding_of_the_request(url: str) -> None:
    told = httpx.post(f"{url}/v1/traces", content=body_of("a"), headers=JSON)
    assert (told.status_code, told.json()) == (200, {})
    assert told.headers["content-type"] == "application/json"
    told = httpx.post(f"{url}/v1/traces", content=b"", headers=PROTOBUF)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["content-type"] == "application/x-protobuf"
    told = httpx.post(f"{url}/v1/logs", content=b"\xff", headers=PROTOBUF)
    assert told.status_code == 400
    assert b"not valid OTLP logs in protobuf" in told.content


def test_a_bad_span_is_rejected_and_the_good_ones_are_stored(
    url: str, observability: Observability
) -> None:
    content = a_request("a", "b")
    content["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "nonsense"
    told = httpx.post(f"{url}/v1/traces", json=content)
    partial = told.json()["partialSuccess"]
    assert (told.status_code, partial["rejectedSpans"]) == (200, "1")
    assert "nonsense" in partial["errorMessage"]
    assert stored(observability) == ["b"]


def test_a_body_may_come_in_pieces(url: str, observability: Observability) -> None:
    body = body_of("a", "b")
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    told = httpx.post(f"{url}/v1/traces", content=pieces, headers=JSON)
    assert told.status_code == 200
    assert "content-length" not in told.request.headers
    assert stored(observability) == ["a", "b"]


def test_the_same_request_twice_changes_nothing(url: str, observability: Observability) -> None:
    for _ in range(2):
        assert httpx.post(f"{url}/v1/traces", content=body_of("a", "b"), headers=JSON).is_success
        assert stored(observability) == ["a", "b"]
    (summary,) = recent_traces(observability.database).traces
    assert summary.span_count == 2


def test_gzip_in_several_members_is_read(url: str, observability: Observability) -> None:
    body = body_of("a")
    content = gzip.compress(body[:20]) + gzip.compress(body[20:])
    headers = {**JSON, "content-encoding": "gzip"}
    assert httpx.post(f"{url}/v1/traces", content=content, headers=headers).status_code == 200
    assert stored(observability) == ["a"]


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)


def refuse(url: str, content: bytes, headers: dict[str, str], status: int) -> None:
    told = httpx.post(f"{url}/v1/traces", content=content, headers={**JSON, **headers})
    assert told.status_code == status
    assert told.json()["message"]
    assert "access-control-allow-origin" not in told.headers


def test_a_body_that_is_too_long_is_refused(url: str) -> None:
    refuse(url, b" " * (MAX_BODY + 1), {}, 413)
    refuse(url, gzipped(b" " * (MAX_BODY + 1)), GZIP, 413)
    refuse(url, gzipped(b" " * 2 * MAX_BODY)[:-9], GZIP, 413)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (gzipped(b"{}")[:-3], GZIP, 400),
        (gzipped(b"") * 100, GZIP, 400),
        (b"{}", GZIP, 400),
        (zlib.compress(b"{}"), {"content-encoding": "deflate"}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-type": ""}, 415),
        (b"{", {}, 400),
        (b"{}", {"origin": "https://evil.example"}, 403),
        (b"{}", {"origin": "null"}, 403),
        (b"{}", {"host": "evil.example"}, 403),
        (b"{}", {"host": "127.0.0.1.evil.example:80"}, 403),
    ],
    ids=range(11),
)
def test_what_is_not_taken_is_refused(
    url: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    refuse(url, content, headers, status)


def test_a_body_without_an_end_is_cut(url: str) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    with pytest.raises(httpx.HTTPError):
        told = httpx.post(f"{url}/v1/traces", content=endless(), headers=JSON)
        told.raise_for_status()
    assert httpx.post(f"{url}/v1/traces", content=b"{}", headers=JSON).status_code == 200


def test_no_page_of_a_browser_is_let_in_by_asking_first(url: str) -> None:
    asked = httpx.options(f"{url}/v1/traces", headers={"origin": "https://evil.example"})
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]


def test_who_breaks_off_leaves_nothing_behind(url: str, observability: Observability) -> None:
    host, port = url.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                b"content-type: application/json\r\ncontent-length: 999\r\n\r\n{"
            )
    # Until the server has seen that they are gone, it asks to come again.
    deadline = time.monotonic() + 10
    while (told := httpx.post(f"{url}/v1/traces", content=body_of("a"), headers=JSON)).is_error:
        assert told.status_code == 503 and time.monotonic() < deadline
    assert stored(observability) == ["a"]


def test_a_full_queue_asks_to_come_again(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Collector(observability, capture=str)
    url = full.listen()
    monkeypatch.setattr(Observability, "room", property(lambda self: RESERVED + 1))
    told = httpx.post(f"{url}/v1/traces", content=body_of("a", "b"), headers=JSON)
    assert (told.status_code, told.headers["retry-after"]) == (503, "2")
    monkeypatch.setattr(Observability, "room", property(lambda self: RESERVED))
    told = httpx.post(f"{url}/v1/traces", content=b"", headers=PROTOBUF)
    assert (told.status_code, told.headers["retry-after"]) == (503, "2")
    monkeypatch.undo()
    assert httpx.post(f"{url}/v1/traces", content=body_of("a", "b"), headers=JSON).is_success
    assert stored(observability) == ["a", "b"]
    full.stop()


def test_with_a_token_only_who_has_it_may_send(observability: Observability) -> None:
    guarded = Collector(observability, capture=str, token="s3cret")
    url = guarded.listen()
    for given in ({}, {"authorization": "Bearer s3creT"}, {"authorization": "Bearer é"}):
        headers = {name.encode(): value.encode() for name, value in {**JSON, **given}.items()}
        told = httpx.post(f"{url}/v1/traces", content=b"{}", headers=headers)
        assert (told.status_code, told.headers["www-authenticate"]) == (401, "Bearer")
    for given in ("Bearer s3cret", "bearer s3cret", "BEARER  s3cret"):
        headers = {**JSON, "authorization": given, "host": "tracebot.example"}
        assert httpx.post(f"{url}/v1/traces", content=b"{}", headers=headers).status_code == 200
    guarded.stop()


def test_with_a_key_only_who_knows_the_address_may_send(observability: Observability) -> None:
    guarded = Collector(observability, capture=str, key="0123456789abcdef")
    url = guarded.listen()
    base = url.removesuffix("/0123456789abcdef")
    assert base != url
    for path in ("/v1/traces", "/0123456789abcdee/v1/traces", "//v1/traces", "/health"):
        told = httpx.post(f"{base}{path}", content=body_of("a"), headers=JSON)
        assert told.status_code == 404
        assert "start tracebot collect for other programs" in told.text
    assert httpx.get(f"{url}/health").json() == {"ok": True}
    assert httpx.post(f"{url}/v1/traces", content=body_of("b"), headers=JSON).is_success
    assert stored(observability) == ["b"]
    guarded.stop()


def test_a_key_may_be_sent_as_the_token_by_programs_whose_address_others_can_read(
    observability: Observability,
) -> None:
    guarded = Collector(observability, capture=str, key="0123456789abcdef")
    base = guarded.listen().removesuffix("/0123456789abcdef")
    for key, status in (("0123456789abcdee", 404), ("x", 404), ("0123456789abcdef", 200)):
        headers = {**JSON, "authorization": f"Bearer {key}"}
        told = httpx.post(f"{base}/v1/traces", content=body_of("a"), headers=headers)
        assert told.status_code == status
    assert stored(observability) == ["a"]
    guarded.stop()


def test_many_senders_at_once_lose_nothing(url: str, observability: Observability) -> None:
    outcomes: list[int] = []

    def send(number: int) -> None:
        content = a_request("a", "b", "c", trace_id=f"{number + 1:032x}")
        while True:
            told = httpx.post(f"{url}/v1/traces", json=content, timeout=30)
            outcomes.append(told.status_code)
            if told.status_code != 503:
                return
            time.sleep(0.05)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {200, 503}
    for number in range(30):
        assert stored(observability, f"{number + 1:032x}") == ["a", "b", "c"]


CHILD = """
import os
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
context = extract({"traceparent": os.environ.get("TRACEPARENT", "")})
tracer = provider.get_tracer("agent")
with tracer.start_as_current_span("think", context=context) as span:
    span.set_attribute("slack.team.id", "T9")
    span.set_attribute("tracebot.audience", "T9")
    span.set_attribute("gen_ai.usage.input_tokens", 7)
    with tracer.start_as_current_span("tool"):
        pass
provider.shutdown()
"""


@pytest.mark.parametrize("takes_traceparent", [True, False])
def test_a_child_process_hangs_under_the_span_that_started_it(
    url: str, observability: Observability, takes_traceparent: bool
) -> None:
    place = {"team": "T1", "channel": "C1", "user": "U1", "audience": "C1"}
    with (
        observability.span("slack message", **place),
        observability.span("attempt agent", configured_provider="agent") as attempt,
    ):
        parent = f"tracebot.parent.trace_id={attempt.trace_id}"
        environment = {
            "PATH": os.environ["PATH"],
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_RESOURCE_ATTRIBUTES": f"{parent},tracebot.parent.span_id={attempt.span_id}",
        }
        if takes_traceparent:
            environment["TRACEPARENT"] = attempt.traceparent
        subprocess.run([sys.executable, "-c", CHILD], env=environment, check=True, timeout=60)
        attempt.set(input_tokens=10)
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    spans = {span.name: span for span in trace_spans(observability.database, summary.trace_id)}
    think, tool = spans["think"], spans["tool"]
    assert think.parent_id == attempt.span_id
    assert tool.parent_id == think.span_id
    for span in (think, tool):
        seen = (span.platform, span.team, span.channel, span.user, span.audience)
        assert seen == ("slack", "T1", "C1", "U1", "C1")
    assert (summary.input_tokens, summary.span_count) == (10, 4)


@pytest.fixture
def collecting(db_path: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[Any, str]]]:
    """Start `tracebot collect` as a user would; the process and its URL."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
        program = [sys.executable, "-c", "from bot.cli.main import main; main()"]
        process = subprocess.Popen(
            [*program, "collect", "--database", str(db_path), *options],
            env={**os.environ, "HOME": str(tmp_path), **environment},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stderr is not None
        said = process.stderr.readline()
        if found := re.search(r"at (http://\S+) and", said):
            assert f"OTEL_EXPORTER_OTLP_ENDPOINT={found[1]} " in process.stderr.readline()
            assert "Ctrl-C" in process.stderr.readline()
        return process, found[1] if found else said

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_second_signal_leaves_to_the_spool_what_a_busy_database_does_not_take(
    collecting: Callable[..., tuple[Any, str]], db_path: Path
) -> None:
    process, url = collecting("--port", "0")
    blocker = Connection(str(db_path))
    try:
        blocker.execute("BEGIN IMMEDIATE")
        assert httpx.post(f"{url}/v1/traces", json=a_request("a")).status_code == 200
        process.send_signal(signal.SIGINT)
        while "waiting for up to 60 s" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 1
    finally:
        blocker.rollback()
        blocker.close()
    assert "Not all of them are stored yet" in process.stderr.read()
    assert waiting(spool_folder(db_path))[0] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_collect_stores_all_it_took_before_it_stops(
    collecting: Callable[..., tuple[Any, str]], observability: Observability, number: int
) -> None:
    process, url = collecting("--port", "0")
    for trace in range(1, 40):
        content = a_request(*"abcdef", trace_id=f"{trace:032x}")
        assert httpx.post(f"{url}/v1/traces", json=content).status_code == 200
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "received 234 spans" in said
    for trace in range(1, 40):
        assert len(stored(observability, f"{trace:032x}")) == 6


def test_collect_is_not_open_to_others_without_a_token(
    collecting: Callable[..., tuple[Any, str]],
) -> None:
    process, said = collecting("--host", "0.0.0.0", "--port", "0")
    assert "TRACEBOT_OTLP_TOKEN" in said
    assert process.wait(30) == 1


def test_collect_says_when_its_port_is_taken(
    collecting: Callable[..., tuple[Any, str]], url: str
) -> None:
    process, said = collecting("--port", url.rpartition(":")[2])
    assert "--port" in said
    assert process.wait(30) == 1


def test_what_a_recorded_command_sends_hangs_under_it(
    url: str, observability: Observability, db_path: Path, tmp_path: Path
) -> None:
    script = tmp_path / "program.py"
    script.write_text(f"import sys\nsys.stdin.read()\n{CHILD}")
    program = [sys.executable, "-c", "from bot.cli.main import main; main()", "run"]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
    environment["OTEL_RESOURCE_ATTRIBUTES"] = "service.name=shop,tracebot.parent.span_id=old"
    with subprocess.Popen(
        [*program, "--database", str(db_path), "--", sys.executable, str(script)],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
    ) as running:
        deadline = time.monotonic() + 60
        while not recent_traces(observability.database).traces:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.communicate(timeout=60)
    assert running.returncode == 0
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    spans = {span.name: span for span in trace_spans(observability.database, summary.trace_id)}
    command = next(span for name, span in spans.items() if name.startswith("run "))
    assert spans["think"].parent_id == command.span_id
    assert spans["think"].attributes["service.name"] == "shop"
    assert (summary.platform, summary.input_tokens) == ("cli", 7)


def test_serve_listens_to_its_agents_where_it_is_told(collector: Collector) -> None:
    assert listen_to_agents(collector, Settings(_env_file=None, otlp_port="off")) is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="TRACEBOT_OTLP_PORT"):
            listen_to_agents(collector, Settings(_env_file=None, otlp_port=port))
    url = listen_to_agents(collector, Settings(_env_file=None))
    assert httpx.get(f"{url}/health").json() == {"ok": True}
