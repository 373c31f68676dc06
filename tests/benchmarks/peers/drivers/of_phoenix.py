"""Phoenix: its server on loopback with a SQLite database, its SDK, its GraphQL.

The queries are those of its own pages (traces, one trace, a project's statistics) without what
ours do not show: annotations, evaluations, the children of each row.
"""

import atexit
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from answering import later, per_span, read_traces, resident, serve, timed, wait_until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

BATCH = 512
"""Spans per request, as in the OpenTelemetry SDK."""
AGENTS = ("claude", "codex", "gemini", "copilot", "opencode", "echo")
ITS_AGENT = "attributes['gen_ai']['agent']['name']"

LIST = """query ($project: ID!) { node(id: $project) { ... on Project {
  spans(first: 20, sort: {col: startTime, dir: desc}, filterCondition: "parent_span is None") {
    edges { node {
      spanId name statusCode statusMessage startTime endTime latencyMs cumulativeTokenCountTotal
      trace { traceId userId numSpans costSummary { total { cost } } } } }
    pageInfo { endCursor hasNextPage } } } } }"""

TRACE = """query ($project: ID!, $trace: ID!) { node(id: $project) { ... on Project {
  trace(traceId: $trace) { latencyMs numSpans costSummary { total { cost } }
    spans(first: 1000) { edges { node {
      spanId parentId name spanKind statusCode startTime endTime latencyMs tokenCountTotal
      attributes } } } } } } }"""

STATS = (
    "query ($project: ID!, $time: TimeRange!) { node(id: $project) { ... on Project {"
    + "".join(
        f"""{agent}: recordCount(timeRange: $time, filterCondition: "{condition}")
        {agent}_p50: latencyMsQuantile(
          probability: 0.5, timeRange: $time, filterCondition: "{condition}")
        {agent}_p95: latencyMsQuantile(
          probability: 0.95, timeRange: $time, filterCondition: "{condition}")
        {agent}_p99: latencyMsQuantile(
          probability: 0.99, timeRange: $time, filterCondition: "{condition}")
        {agent}_tokens: tokenCountTotal(timeRange: $time, filterCondition: "{condition}")
        """
        for agent in AGENTS
        for condition in (f"parent_id is None and {ITS_AGENT} == '{agent}'",)
    )
    + "} } }"
)


class Phoenix:
    """Phoenix's server and one connection to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("phoenix_server.py"), "serve"],
            env={
                **os.environ,
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(self.port),
                "PHOENIX_WORKING_DIR": str(folder),
                "PHOENIX_TELEMETRY_ENABLED": "false",
                "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
                "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
            },
            stdin=subprocess.DEVNULL,
        )
        atexit.register(self.process.kill)  # However this driver ends.
        wait_until(self._answers, seconds=120)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        (project,) = self.ask("{ projects { edges { node { id } } } }")["projects"]["edges"]
        self.project = project["node"]["id"]

    def ask(self, query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables})
        answer = json.loads(self.request("POST", "/graphql", body, "application/json"))
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        return answer["data"]

    def send(self, payload: bytes) -> None:
        """Send a request, and retry while the server's queue is full, as exporters do."""
        for _ in range(1_000):
            if self.request("POST", "/v1/traces", payload, "application/x-protobuf") is not None:
                return
            time.sleep(0.1)
        raise RuntimeError("Phoenix takes no more spans.")

    def request(self, method: str, path: str, body: Any = None, form: str = "") -> bytes | None:
        """Return the server's answer, or None if it is too busy."""
        self.connection.request(method, path, body, {"content-type": form} if form else {})
        response = self.connection.getresponse()
        content = response.read()
        if response.status in (429, 503):
            return None
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {content[:500]!r}")
        return content

    def count(self) -> int:
        query = "query ($project: ID!) { node(id: $project) { ... on Project { recordCount } } }"
        return int(self.ask(query, project=self.project)["node"]["recordCount"])

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        database = sqlite3.connect(self.folder / "phoenix.db")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError("Phoenix's server did not start.")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


class OfPhoenix:
    def __init__(self, folder: Path, receiver: str) -> None:
        self.phoenix = Phoenix(folder)
        self.receiver = receiver
        self.traces: list[str] = []
        ids = {"trace_id": "1" * 32, "span_id": "1" * 16, "parent_id": None}
        moment = time.time_ns()
        first = {"name": "first", "status": "ok", "started_at": moment, "ended_at": moment + 1}
        self.phoenix.send(_request([{**ids, **first, "attributes": {}}]))
        wait_until(lambda: self.phoenix.count() == 1, seconds=60)

    def caller(self, name: str, attributes: dict[str, Any], spans: int) -> dict[str, float]:
        """Return Phoenix's SDK with a batch processor that sends to the receiver."""
        from phoenix.otel import register

        provider = register(
            endpoint=f"{self.receiver}/v1/traces",
            protocol="http/protobuf",
            batch=True,
            set_global_tracer_provider=False,
            verbose=False,
        )
        tracer = provider.get_tracer("bench")

        def span() -> None:
            with tracer.start_as_current_span(name, attributes=attributes):
                pass

        found = per_span(span, spans=spans)
        provider.shutdown()
        return found

    def load(self, path: str) -> float:
        """Return seconds from the first request until all can be read."""
        loaded = read_traces(path)
        expected = self.phoenix.count() + sum(map(len, loaded))
        spans = [span for trace in loaded for span in trace]
        payloads = [_request(spans[at : at + BATCH]) for at in range(0, len(spans), BATCH)]
        started = time.perf_counter()
        for payload in payloads:
            self.phoenix.send(payload)
        wait_until(lambda: self.phoenix.count() >= expected, seconds=300)
        took = time.perf_counter() - started
        self.traces += [trace[0]["trace_id"] for trace in loaded]
        return took

    def list(self, times: int) -> dict[str, float]:
        return timed(lambda: len(self._ask(LIST)["spans"]["edges"]), times=times)

    def trace(self, number: int, times: int) -> dict[str, float]:
        trace_id = self.traces[number]
        return timed(
            lambda: len(self._ask(TRACE, trace=trace_id)["trace"]["spans"]["edges"]), times=times
        )

    def stats(self, since: int, until: int, times: int) -> dict[str, float]:
        moments = later(until)

        def by_agent() -> int:
            found = self._ask(STATS, time={"start": _iso(since), "end": _iso(next(moments))})
            assert all(found[f"{agent}_p95"] is not None for agent in AGENTS)
            return sum(found[agent] for agent in AGENTS)

        return timed(by_agent, times=times)

    def resident(self) -> float:
        return resident(self.phoenix.process.pid)

    def _ask(self, query: str, **variables: object) -> Any:
        return self.phoenix.ask(query, project=self.phoenix.project, **variables)["node"]


def _request(spans: list[dict[str, Any]]) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(map(_otlp, spans))
    return request.SerializeToString()


def _otlp(span: dict[str, Any]) -> Span:
    failed = span["status"] in ("error", "timeout")
    return Span(
        trace_id=bytes.fromhex(span["trace_id"]),
        span_id=bytes.fromhex(span["span_id"]),
        parent_span_id=bytes.fromhex(span["parent_id"] or ""),
        name=span["name"],
        start_time_unix_nano=span["started_at"],
        end_time_unix_nano=span["ended_at"],
        attributes=[
            KeyValue(key=name, value=_value(value)) for name, value in span["attributes"].items()
        ],
        status={"code": 2 if failed else 1},
    )


def _value(value: object) -> AnyValue:
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=str(value))


def _iso(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment // 1_000_000_000))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    of_phoenix = OfPhoenix(Path(sys.argv[1]), sys.argv[2])
    serve(of_phoenix)
    of_phoenix.phoenix.end()
