"""The spans of an application that runs OpenTelemetry's SDK are recorded with ours.

A process can set OpenTelemetry's provider only once, so each test runs a process.
"""

from pathlib import Path

from opentelemetry.sdk.trace import SpanProcessor as OfTheSDK
from peewee import Database

from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans
from storage.tracing.sdk_bridge import SpanProcessor
from tests.support.sdk_process import PROVIDER_FIRST, run


def spans_of(database: Database) -> dict[str, Span]:
    (summary,) = recent_traces(database).traces
    return {span.name: span for span in trace_spans(database, summary.trace_id)}


def test_spans_of_the_sdk_and_ours_are_one_tree(db_path: Path, database: Database) -> None:
    said = run(
        db_path,
        f"""{PROVIDER_FIRST}
with Observability.open(sys.argv[1], platform="cli") as observability:
    with observability.span("turn", channel="C1", audience="C1"):
        with tracer.start_as_current_span("order", kind=trace.SpanKind.CLIENT) as order:
            order.set_attribute("gen_ai.usage.input_tokens", 7)
            order.add_event("paid", {{"by": "card"}})
            with observability.span("inner"):
                pass
            with tracer.start_as_current_span("pack"):
                pass
print(Elsewhere.seen)
""",
    )
    assert said.strip() == "['pack', 'order']"
    spans = spans_of(database)
    turn, order, inner, pack = (spans[name] for name in ("turn", "order", "inner", "pack"))
    assert (order.parent_id, order.kind, order.scope) == (turn.span_id, "client", "shop")
    assert (order.input_tokens, order.channel, order.audience) == (7, "C1", "C1")
    assert order.events[0]["name"] == "paid"
    assert inner.parent_id == pack.parent_id == order.span_id
    assert (inner.channel, inner.audience) == ("C1", "C1")
    assert (pack.channel, pack.status) == ("C1", "ok")


def test_a_failure_that_the_sdk_saw_is_recorded(db_path: Path, database: Database) -> None:
    run(
        db_path,
        f"""{PROVIDER_FIRST}
with Observability.open(sys.argv[1], platform="cli"):
    try:
        with tracer.start_as_current_span("order"):
            raise ValueError("no money")
    except ValueError:
        pass
""",
    )
    order = spans_of(database)["order"]
    assert (order.parent_id, order.status, order.error_type) == (None, "error", "ValueError")
    assert "no money" in (order.error_message or "")
    assert order.events[0]["name"] == "exception"


def test_an_error_of_the_sdk_has_the_type_that_its_library_tells(
    db_path: Path, database: Database
) -> None:
    run(
        db_path,
        f"""{PROVIDER_FIRST}
with Observability.open(sys.argv[1], platform="cli"):
    with tracer.start_as_current_span("order") as order:
        order.set_attribute("error.type", "429")
        order.set_status(trace.StatusCode.ERROR, "slow down")
""",
    )
    order = spans_of(database)["order"]
    assert (order.error_type, order.error_message) == ("429", "slow down")


def test_our_processor_has_every_method_that_the_sdk_calls() -> None:
    expected = {name for name in vars(OfTheSDK) if callable(getattr(OfTheSDK, name))}
    assert "_on_ending" in expected  # Private, so a new version may rename it.
    assert expected - set(dir(SpanProcessor)) == set()


def test_a_recording_that_is_closed_records_no_more(db_path: Path, database: Database) -> None:
    run(
        db_path,
        f"""{PROVIDER_FIRST}
for name in ("first", "second"):
    with Observability.open(sys.argv[1], platform="cli"):
        if name == "first":
            open_still = tracer.start_span("open still")
        with tracer.start_as_current_span(name):
            provider.force_flush()
    with tracer.start_as_current_span("between"):
        pass
open_still.end()
""",
    )
    traces = recent_traces(database).traces
    assert sorted(trace.name for trace in traces) == ["first", "open still", "second"]
    assert {trace.name: trace.span_count for trace in traces}["first"] == 1


def test_a_span_that_nobody_ends_is_not_kept(db_path: Path, database: Database) -> None:
    said = run(
        db_path,
        f"""{PROVIDER_FIRST}
import gc
from storage.tracing.current import MIRRORED
with Observability.open(sys.argv[1], platform="cli"):
    held = tracer.start_span("held")
    tracer.start_span("abandoned", attributes={{"text": "hello"}})
    gc.collect()
    print([span.name for span in MIRRORED.values()])
    held.end()
    print(len(MIRRORED))
""",
    )
    assert said.split("\n") == ["['held']", "0", ""]
