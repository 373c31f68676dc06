"""OpenTelemetry's API as libraries call it: what ends up in the database."""

import contextlib
import time
from collections.abc import Callable

import pytest
from opentelemetry import trace
from opentelemetry.trace.status import Status, StatusCode

from storage import Observability
from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans
from storage.tracing.recording_span import MAX_EVENTS


def stored(observability: Observability) -> Span:
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    return next(iter(trace_spans(observability.database, summary.trace_id)))


def test_a_library_names_and_links_its_span_and_sets_its_attributes(
    observability: Observability,
) -> None:
    far = trace.SpanContext(1, 2, is_remote=True)
    span = observability.start_span("GET")
    assert span.is_recording()
    span.update_name("GET /users")
    span.set_attributes({"http.route": "/users"})
    span.add_link(far, {"why": "retry"})
    span.add_link(trace.SpanContext(3, 4, is_remote=True))
    span.end()
    assert not span.is_recording()
    found = stored(observability)
    assert (found.name, found.status) == ("GET /users", "ok")
    assert found.attributes["http.route"] == "/users"
    assert [(link["trace_id"], link["attributes"]) for link in found.links] == [
        (f"{1:032x}", {"why": "retry"}),
        (f"{3:032x}", {}),
    ]


def test_the_calls_of_a_frameworks_agent_have_its_name(observability: Observability) -> None:
    tracer, name = trace.get_tracer("framework"), "gen_ai.agent.name"
    with tracer.start_as_current_span("run", attributes={name: "planner"}):
        with tracer.start_as_current_span("chat"):
            pass
        with tracer.start_as_current_span("delegate") as delegate:
            delegate.set_attribute(name, "writer")
            with tracer.start_as_current_span("write"):
                pass
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    spans = trace_spans(observability.database, summary.trace_id)
    agents = {span.name: span.agent for span in spans}
    planned = dict.fromkeys(("run", "chat"), "planner")
    assert agents == {**planned, **dict.fromkeys(("delegate", "write"), "writer")}


def test_nothing_changes_a_span_after_its_end(observability: Observability) -> None:
    span = observability.start_span("work", {"step": 1})
    span.end()
    span.end()
    span.set(step=2)
    span.set_attribute("step", 3)
    span.add_event("late")
    span.fail("error", "late")
    span.set_status(StatusCode.OK)
    span.record_failure(ValueError("late"))
    found = stored(observability)
    assert (found.status, found.attributes["step"], found.events) == ("ok", 1, [])


@pytest.mark.parametrize(
    ("status", "description", "expected"),
    [
        (StatusCode.ERROR, "no route", ("error", "no route")),
        (Status(StatusCode.ERROR, "no route"), None, ("error", "no route")),
        (Status(StatusCode.OK), None, ("ok", None)),
        (StatusCode.UNSET, None, ("ok", None)),
    ],
)
def test_a_status_is_given_as_a_code_or_as_an_object(
    observability: Observability,
    status: Status | StatusCode,
    description: str | None,
    expected: tuple[str, str | None],
) -> None:
    span = observability.start_span("work")
    span.set_status(status, description)
    span.end()
    found = stored(observability)
    assert (found.status, found.error_message) == expected


def test_a_library_may_correct_an_error_to_ok(observability: Observability) -> None:
    span = observability.start_span("work")
    span.set_status(StatusCode.ERROR, "failed once")
    span.set_status(StatusCode.OK)
    span.end()
    assert stored(observability).status == "ok"


def test_ok_is_final(observability: Observability) -> None:
    with contextlib.suppress(ValueError), observability.start_span("work") as span:
        span.set_status(StatusCode.OK)
        span.set_status(StatusCode.ERROR, "late")
        raise ValueError("later")
    assert stored(observability).status == "ok"


BAD = ValueError("bad")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (lambda span: span.set_status(StatusCode.ERROR, "no"), ("error", "no")),
        (
            lambda span: (
                span.set_attribute("error.type", "429"),
                span.set_status(StatusCode.ERROR, "slow down"),
            ),
            ("429", "slow down"),
        ),
        (
            lambda span: (
                span.set_status(StatusCode.ERROR, "slow down"),
                span.set_attribute("error.type", "429"),
            ),
            ("429", "slow down"),
        ),
        (
            lambda span: (
                span.record_exception(KeyError("first")),
                span.record_exception(BAD),
                span.set_status(StatusCode.ERROR),
            ),
            ("ValueError", "bad"),
        ),
        (
            lambda span: (
                span.set_status(StatusCode.ERROR, "it broke"),
                span.record_exception(BAD),
            ),
            ("ValueError", "it broke"),
        ),
    ],
    ids=["status", "type and status", "status and type", "exceptions", "status and exception"],
)
def test_an_error_has_the_type_that_its_library_tells(
    observability: Observability,
    record: Callable[[trace.Span], object],
    expected: tuple[str, str],
) -> None:
    with observability.start_span("work") as span:
        record(span)
    found = stored(observability)
    assert (found.status, found.error_type, found.error_message) == ("error", *expected)


def test_a_span_keeps_its_last_events_and_links_and_says_how_many_are_left_out(
    observability: Observability,
) -> None:
    span = observability.start_span("work")
    for number in range(1, MAX_EVENTS + 5):
        span.add_event(f"event {number}")
        span.add_link(trace.SpanContext(number, number, is_remote=True))
    span.record_exception(ValueError("at last"))
    span.end()
    found = stored(observability)
    names = [event["name"] for event in found.events]
    assert names == [*(f"event {number}" for number in range(6, MAX_EVENTS + 5)), "exception"]
    assert found.attributes["otel.dropped_events_count"] == 5
    assert [link["span_id"] for link in found.links][-1] == f"{MAX_EVENTS + 4:016x}"
    assert found.attributes["otel.dropped_links_count"] == 4


def test_exceptions_are_kept_before_the_events_that_follow(observability: Observability) -> None:
    span = observability.start_span("work")
    span.add_event("first")
    for error in (ValueError("one"), BAD):
        span.record_exception(error)
    for number in range(MAX_EVENTS):
        span.add_event(f"event {number}")
    span.end()
    names = [event["name"] for event in stored(observability).events]
    assert names == ["exception"] * 2 + [f"event {number}" for number in range(2, MAX_EVENTS)]


@pytest.mark.parametrize("end", [None, 1_764e6, 2**63 - 1], ids=str)
@pytest.mark.parametrize("start", [None, 1, 1_764e6, 1_764e9, 2**63 - 1], ids=str)
def test_a_span_whose_library_gives_impossible_times_has_those_of_the_clock(
    observability: Observability, start: float | None, end: float | None
) -> None:
    before = time.time_ns()
    span = trace.get_tracer("library").start_span("work", start_time=start)  # type: ignore[arg-type]
    span.end(end)  # type: ignore[arg-type]
    found = stored(observability)
    assert found.ended_at is not None and found.duration_ns is not None
    assert before <= found.started_at <= found.ended_at <= time.time_ns()
    assert found.attributes.get("tracebot.clock.sent_at") == (start and int(start))


def test_a_span_that_begins_a_moment_ahead_takes_no_negative_time(
    observability: Observability,
) -> None:
    ahead = time.time_ns() + 30 * 10**9
    observability.start_span("work", started_at=ahead).end()
    found = stored(observability)
    assert found.started_at == ahead and found.duration_ns is not None
    assert 0 <= found.duration_ns < 30 * 10**9


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("no"), "error"), (KeyboardInterrupt(), "cancelled")]
)
def test_a_span_ends_with_its_block_and_keeps_the_exception(
    observability: Observability, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), observability.start_span("work"):
        raise error
    found = stored(observability)
    assert (found.status, found.error_type) == (status, type(error).__name__)
    assert found.events[0]["attributes"]["exception.type"] == type(error).__name__


@pytest.mark.parametrize(
    ("before", "status", "told"),
    [
        (Status(StatusCode.ERROR, "HTTP 500"), "error", ("TimeoutError", "HTTP 500")),
        (Status(StatusCode.OK), "ok", (None, None)),
    ],
    ids=["error", "ok"],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_an_exception_that_leaves_a_library_is_kept_once_beside_its_status(
    observability: Observability,
    before: Status,
    status: str,
    told: tuple[str | None, str | None],
    recorded: bool,
) -> None:
    error = TimeoutError("slow")
    tracer = trace.get_tracer("library")
    with pytest.raises(TimeoutError), tracer.start_as_current_span("GET") as span:
        if recorded:
            span.record_exception(error)
        span.set_status(before)
        raise error
    found = stored(observability)
    assert (found.status, found.error_type, found.error_message) == (status, *told)
    (event,) = found.events
    assert event["attributes"]["exception.type"] == "TimeoutError"  # type: ignore[index,call-overload]


def test_a_tracer_takes_links_and_a_parent_from_elsewhere(observability: Observability) -> None:
    far = trace.SpanContext(1, 2, is_remote=True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(far))
    tracer = trace.get_tracer("library")
    with tracer.start_as_current_span("GET", context=context, links=[trace.Link(far)]):
        pass
    found = stored(observability)
    assert (found.trace_id, found.parent_id) == (f"{1:032x}", f"{2:016x}")
    assert found.links[0]["span_id"] == f"{2:016x}"


def test_a_parent_that_is_invalid_is_ignored(observability: Observability) -> None:
    context = trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(0, 0, False)))
    trace.get_tracer("library").start_span("GET", context=context).end()
    assert stored(observability).parent_id is None
