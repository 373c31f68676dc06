"""One span with 8 attributes, start to end, on the caller's thread.

The peer is the OpenTelemetry SDK's span without a processor: what a span costs before anything
is done with it. Ours is handed to a running writer, which stores what it got between stretches.
"""

import time
from collections.abc import Callable, Iterator

from opentelemetry.sdk.trace import TracerProvider

from storage import Observability
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run

ATTRIBUTES = {
    "messaging.system": "slack",
    "messaging.operation.type": "process",
    "messaging.destination.name": "C0123456789",
    "gen_ai.agent.name": "claude",
    "gen_ai.request.model": "claude-sonnet-5",
    "gen_ai.usage.input_tokens": 1_204,
    "gen_ai.usage.output_tokens": 356,
    "server.address": "slack.example.com",
}
SPANS = 1_000
STRETCHES = 9


def measure(run: Run) -> Iterator[Figure]:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")

    def theirs() -> None:
        with tracer.start_as_current_span("invoke_agent claude", attributes=ATTRIBUTES):
            pass

    with run.folder() as folder, Observability.open(folder / "t.db", platform="cli") as recording:

        def ours() -> None:
            with recording.span("invoke_agent claude", **ATTRIBUTES):
                pass

        def microseconds(span: Callable[[], None]) -> float:
            recording.flush(30)
            started = time.perf_counter_ns()
            for _ in range(run.count(SPANS)):
                span()
            return (time.perf_counter_ns() - started) / run.count(SPANS) / 1_000

        many = Run(cache=run.cache, rounds=run.rounds * run.count(STRETCHES), note=run.note)
        mine, peer = many.medians(lambda: microseconds(ours), lambda: microseconds(theirs))
        recording.database.close()
    yield Figure(
        name="caller",
        ours=mine,
        theirs=peer,
        unit="µs",
        peer="OpenTelemetry SDK's span, no processor",
        ratio_at_most=0.25,
    )
