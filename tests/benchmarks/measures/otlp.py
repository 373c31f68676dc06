"""Measure how many spans a second are received over HTTP and committed by one process.

The sender is another process, with two connections; a request has 512 spans. The peer is the same
web server on the same requests, where it only decodes them and answers. Both have the thresholds
of the garbage collector with which `tracebot serve` and `tracebot collect` run.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.cli.main import YOUNG_OBJECTS
from bot.http.otlp_receiver import Collector
from bot.http.server import WebServer
from storage import Observability
from storage.model.semconv import INHERITED
from storage.model.span import Span
from tests.benchmarks.as_otlp import request_of
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run
from tests.benchmarks.traces import make_spans

SPANS = 51_200
BATCH = 512

SENDER = """
import http.client, pathlib, sys, threading, time
host, folder = sys.argv[1:]
bodies = [path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())]
waiting = iter(bodies)
lock = threading.Lock()
def send():
    connection = http.client.HTTPConnection(host)
    while True:
        with lock:
            body = next(waiting, None)
        if body is None:
            return
        while True:
            headers = {"content-type": "application/x-protobuf"}
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                break
            assert answer.status == 503, answer.status  # The receiver's queue is full.
            time.sleep(0.05)
threads = [threading.Thread(target=send) for _ in range(2)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done", flush=True)
"""


def measure(run: Run) -> Iterator[Figure]:
    rounds = iter(range(1, 1_000))  # Each database and folder is used once.

    def bodies(folder: Path) -> Path:
        spans = make_spans(run.count(SPANS))
        sent = folder / f"sent{next(rounds)}"
        sent.mkdir()
        for start in range(0, len(spans), BATCH):
            some = [as_sent(span) for span in spans[start : start + BATCH]]
            body = request_of(some).SerializeToString()
            (sent / f"{start:09}").write_bytes(body)
        return sent

    usual = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS)
    with run.folder() as folder:
        ours, decoding = run.medians(
            lambda: _ours(folder / f"{next(rounds)}.db", bodies(folder)),
            lambda: _decoding(bodies(folder)),
        )
    gc.set_threshold(*usual)
    yield Figure(
        name="otlp, received and stored",
        ours=ours,
        theirs=decoding,
        unit="spans/s",
        peer="the same server, only decoding",
        at_least=40_000,
    )


def as_sent(span: Span) -> Span:
    """Add what a program knows about itself: not the conversation that it belongs to."""
    unknown = dict.fromkeys(INHERITED | {"configured_provider", "cost", "cost_source", "text"})
    unknown |= dict.fromkeys(("decision", "reason"))
    kept = {
        name: fact for name, fact in span.attributes.items() if not name.startswith("tracebot.")
    }
    return replace(span, attributes=kept, **unknown)


def _ours(path: Path, bodies: Path) -> float:
    with Observability.open(path, platform="otlp") as observability:
        collector = Collector(observability, capture=lambda text: text[:200])
        url = collector.listen()
        rate = _rate(url, bodies, lambda: observability.flush(300))
        collector.stop()
        observability.database.close()
    return rate


def _decoding(bodies: Path) -> float:
    async def traces(request: Request) -> Response:
        ExportTraceServiceRequest.FromString(await request.body())
        return Response(b"", media_type="application/x-protobuf")

    web = Starlette(routes=[Route("/v1/traces", traces, methods=["POST"])])
    server = WebServer(web, host="127.0.0.1", port=0)
    server.start()
    rate = _rate(f"http://127.0.0.1:{server.port}", bodies, lambda: True)
    server.stop()
    return rate


def _rate(url: str, bodies: Path, finish: Callable[[], bool]) -> float:
    """Return spans per second, from the first request to the end of *finish*."""
    count = sum(
        len(scope.spans)
        for path in bodies.iterdir()
        for resource in ExportTraceServiceRequest.FromString(path.read_bytes()).resource_spans
        for scope in resource.scope_spans
    )
    command = [sys.executable, "-c", SENDER, url.removeprefix("http://"), str(bodies)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sender:
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdout.readline()
        started = time.perf_counter()
        sender.stdin.write(b"go\n")
        sender.stdin.flush()
        assert sender.stdout.readline() == b"done\n"
        assert finish()
        took = time.perf_counter() - started
    return count / took
