"""What several spans report counts once, and what belongs together ends in one trace, over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from peewee import OperationalError

from bot.http.otlp_receiver import Collector
from bot.http.telemetry_store import RESERVED, TelemetryStore
from storage import ActiveSpan, Observability
from storage.database.transactions import transaction
from storage.model.span import Span
from storage.otlp.span_lookup import SpanLookup
from storage.queries.statistics import statistics
from storage.queries.traces import TraceSummary, recent_traces, trace_spans
from storage.recovery.opening import open_database

TRACE = "5b8efff798038103d269b633813fc60c"
SECOND = 10**9
IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CALL = {"gen_ai.request.model": "gpt-4o", IN: 1_000, OUT: 100}
PRICE = 3_500
"""Micro-dollars of a CALL."""

Send = Callable[..., None]


@pytest.fixture
def collector(observability: Observability) -> Iterator[Collector]:
    running = Collector(observability, capture=lambda text: None)
    yield running
    running.stop()


@pytest.fixture
def send(collector: Collector) -> Send:
    """Send the spans of each scope in one request."""
    url = collector.listen()

    def sent(*scopes: list[dict[str, Any]], resource: dict[str, str] | None = None) -> None:
        parts = [{"scope": {"name": str(n)}, "spans": spans} for n, spans in enumerate(scopes)]
        facts = {"attributes": _attributes(resource or {})}
        content = {"resourceSpans": [{"resource": facts, "scopeSpans": parts}]}
        answer = httpx.post(f"{url}/v1/traces", json=content)
        assert (answer.status_code, answer.json()) == (200, {})

    return sent


def a_span(
    digit: str, parent: str | None = None, *, trace_id: str = TRACE, ended: bool = True, **more: Any
) -> dict[str, Any]:
    now = time.time_ns()
    above = {} if parent is None else {"parentSpanId": parent if len(parent) > 1 else parent * 16}
    return {
        "traceId": trace_id,
        "spanId": digit * 16,
        **above,
        "name": digit,
        "startTimeUnixNano": str(now - SECOND),
        **({"endTimeUnixNano": str(now)} if ended else {}),
        "attributes": _attributes(more.pop("attributes", {})),
        **more,
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return [{"key": name, "value": {kinds[type(v)]: v}} for name, v in values.items()]


def only(observability: Observability) -> TraceSummary:
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    return summary


def counted(observability: Observability) -> tuple[int | None, int | None, int | None]:
    """Input and output tokens, and cost: the same of the trace, in all, and of the models."""
    summary = only(observability)
    now = time.time_ns()
    found = statistics(observability.database, since=now, until=now, by="model")
    total = found.total
    figures = (summary.input_tokens, summary.output_tokens, summary.cost)
    assert (total.input_tokens, total.output_tokens, total.cost) == figures
    models = [(group.input_tokens, group.output_tokens) for group in found.groups]
    assert tuple(map(sum, zip(*models, strict=True))) == figures[:2]
    return figures


AGENT = {**CALL, IN: 2_500, OUT: 200}
BEYOND = (2_500, 200, PRICE * 2 + 1_250)
"""An agent with two calls of 1,000, and 500 tokens of input that no call reports."""


def test_an_agent_span_counts_with_what_its_calls_do_not_report(
    send: Send, observability: Observability
) -> None:
    agent = a_span("a", attributes=AGENT)
    calls = [a_span(digit, "a", attributes=CALL) for digit in "bc"]
    send([agent], calls)
    assert counted(observability)[:2] == BEYOND[:2]


@pytest.mark.parametrize("order", ["agent last", "agent first", "agent between"])
def test_an_agent_span_in_another_request_corrects_what_was_added(
    send: Send, observability: Observability, order: str
) -> None:
    agent, first, second = (
        a_span("a", attributes=AGENT),
        *(a_span(digit, "a", attributes=CALL) for digit in "bc"),
    )
    ordered = {
        "agent last": [first, second, agent],
        "agent first": [agent, first, second],
        "agent between": [first, agent, second],
    }
    for span in ordered[order]:
        send([span])
        assert observability.flush()
    assert counted(observability)[:2] == BEYOND[:2]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (2, 0, 1)], ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one request", "three"])
def test_what_calls_spend_counts_for_the_agent_above_that_alone_has_the_name(
    send: Send, observability: Observability, order: tuple[int, ...], together: bool
) -> None:
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    spans = [
        a_span("1", attributes=named),
        a_span("2", "1"),
        a_span("3", "2", attributes=CALL),
    ]
    for request in [order] if together else [(place,) for place in order]:
        send([spans[place] for place in request])
        assert observability.flush()
    now = time.time_ns()
    (agent,) = statistics(observability.database, since=now, until=now, by="agent").groups
    assert (agent.key, agent.input_tokens, agent.output_tokens) == ("planner", 1_000, 100)
    assert (agent.cost, agent.traces) == (PRICE, 1)


def test_two_instrumentations_of_one_client_count_once(
    send: Send, observability: Observability
) -> None:
    call = {**CALL, "gen_ai.response.id": "r1"}
    send([a_span("a"), a_span("b", "a", attributes=call)], [a_span("c", "a", attributes=call)])
    send([a_span("d", "b", attributes=call)])
    assert counted(observability) == (1_000, 100, PRICE)


def test_calls_with_an_empty_or_repeated_id_count_each(
    send: Send, observability: Observability
) -> None:
    empty = {**CALL, "gen_ai.response.id": ""}
    spans = [a_span(digit, attributes=empty) for digit in "ab"]
    later = {**CALL, "gen_ai.response.id": "chatcmpl-0"}
    spans += [a_span(digit, attributes=later) for digit in "cd"]
    begins = int(spans[3]["endTimeUnixNano"])
    spans[3] |= {"startTimeUnixNano": str(begins), "endTimeUnixNano": str(begins + SECOND)}
    send(spans)
    assert counted(observability) == (4_000, 400, 4 * PRICE)


def test_a_wrapper_with_zeros_or_only_a_cost_hides_nothing(
    send: Send, observability: Observability
) -> None:
    send([a_span("a", attributes={IN: 0, OUT: 0}), a_span("b", "a", attributes=CALL)])
    send([a_span("c", attributes={"operation.cost": 0.01}), a_span("d", "c", attributes=CALL)])
    assert counted(observability) == (2_000, 200, PRICE + 10_000)


def test_what_an_instrumented_library_reports_under_a_span_of_ours_counts_once(
    send: Send, observability: Observability
) -> None:
    with observability.span("agent", **CALL) as agent:
        with observability.span("inner", **CALL):
            pass
        assert observability.flush()
        send([a_span("b", agent.span_id, trace_id=agent.trace_id, attributes=CALL)])
    assert counted(observability) == (2_000, 200, 2 * PRICE)


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({**CALL, "operation.cost": 0.25}, 250_000),
        ({**CALL, "gen_ai.cost.total_cost": 0.25}, 250_000),
        ({**CALL, "langfuse.observation.cost_details": json.dumps({"total": 0.25})}, 250_000),
        (CALL, PRICE),
        ({**CALL, "gen_ai.request.model": "openai/gpt-4o"}, PRICE),
        ({**CALL, "gen_ai.request.model": "my-own"}, None),
    ],
    ids=str,
)
def test_a_call_has_the_cost_that_its_sender_reports_else_an_estimate(
    send: Send, observability: Observability, attributes: dict[str, Any], cost: int | None
) -> None:
    send([a_span("a", attributes=attributes)])
    assert counted(observability) == (1_000, 100, cost)
    (span,) = trace_spans(observability.database, TRACE)
    reported = {250_000: "reported", PRICE: "estimated", None: None}
    assert span.cost_source == reported[cost]


@pytest.mark.parametrize(
    ("attributes", "figures"),
    [
        ({"input": 40, "input_cached_tokens": 60, "output": 10}, (100, 10, 60)),
        ({"input": 40, "cache_read_input_tokens": 60, "output_tokens": 10}, (100, 10, 60)),
        ({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}, (100, 10, None)),
        ({"input": 40, "cache_creation_input_tokens": 60, "output": 10}, (100, 10, None)),
        ([1], (None, None, None)),
    ],
    ids=str,
)
def test_langfuses_usage_is_read(
    send: Send, observability: Observability, attributes: Any, figures: tuple[int | None, ...]
) -> None:
    details = {"langfuse.observation.usage_details": json.dumps(attributes)}
    send([a_span("a", attributes={**details, "langfuse.observation.model.name": "m"})])
    found = only(observability)
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == figures


def test_parts_that_are_larger_than_the_whole_are_added_to_it(
    send: Send, observability: Observability
) -> None:
    parts = {
        "gen_ai.usage.cache_read.input_tokens": 50,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 30,
    }
    send([a_span("a", attributes={IN: 5, OUT: 7, **parts})])
    found = only(observability)
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == (65, 37, 50)


# One trace in the end.


@pytest.fixture
def turn(observability: Observability) -> Iterator[ActiveSpan]:
    with observability.span("slack message", platform="slack", audience="T1", team="T1") as span:
        assert observability.flush()
        yield span


def ended_in(observability: Observability, turn: ActiveSpan) -> dict[str, str | None]:
    """Wait for the one trace, and return its spans with their parents."""
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    assert (summary.trace_id, summary.platform) == (turn.trace_id, "slack")
    spans = trace_spans(observability.database, turn.trace_id)
    assert {span.audience for span in spans} == {"T1"}
    return {span.name: span.parent_id for span in spans if span is not turn}


def test_children_that_come_before_their_parent_are_in_its_trace(
    send: Send, observability: Observability, turn: ActiveSpan
) -> None:
    ours = {"trace_id": turn.trace_id}
    for span in (
        a_span("c", "b", **ours),
        a_span("b", "a", **ours),
        a_span("a", turn.span_id, **ours),
    ):
        send([span])
    found = ended_in(observability, turn)
    assert found == {"slack message": None, "a": turn.span_id, "b": "a" * 16, "c": "b" * 16}


def test_scopes_of_one_request_are_in_one_trace(
    send: Send, observability: Observability, turn: ActiveSpan
) -> None:
    ours = {"trace_id": turn.trace_id}
    send([a_span("b", "a", **ours)], [a_span("a", turn.span_id, **ours)])
    assert ended_in(observability, turn).keys() == {"slack message", "a", "b"}


def test_what_asks_for_its_parent_too_early_finds_it_later(
    send: Send, observability: Observability, turn: ActiveSpan, collector: Collector
) -> None:
    ids = (turn.trace_id, "3" * 16)
    parent = {"tracebot.parent.trace_id": turn.trace_id, "tracebot.parent.span_id": ids[1]}
    send([a_span("a")], resource=parent)
    assert list(ended_in(observability, turn)) == ["slack message"]
    place = {"platform": "slack", "audience": "T1", "team": "T1", "process": "another:1:1:1"}
    (trace_id, span_id), began = ids, time.time_ns()
    late = Span(trace_id, span_id, "attempt", began, parent_id=turn.span_id, **place)  # type: ignore[arg-type]
    observability.receive([late])
    until = time.monotonic() + 20
    while "a" not in ended_in(observability, turn) and time.monotonic() < until:
        time.sleep(0.05)
    assert ended_in(observability, turn)["a"] == ids[1]


def test_what_still_waits_when_the_collector_stops_is_stored_by_itself(
    send: Send, observability: Observability, turn: ActiveSpan, collector: Collector
) -> None:
    send([a_span("b", "a", trace_id=turn.trace_id)])
    collector.stop()
    assert observability.flush()
    traces = {each.platform: each.trace_id for each in recent_traces(observability.database).traces}
    assert traces.keys() == {"slack", "otlp"}
    assert [span.name for span in trace_spans(observability.database, traces["otlp"])] == ["b"]


def unreadable(*given: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("trouble", ["queue", "database"])
def test_a_span_that_waits_is_kept_when_its_parent_has_to_be_sent_again(
    send: Send,
    observability: Observability,
    turn: ActiveSpan,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    ours = {"trace_id": turn.trace_id}
    send([a_span("b", "a", **ours)])
    parent = a_span("a", turn.span_id, **ours)
    with monkeypatch.context() as patch:
        if trouble == "queue":
            patch.setattr(Observability, "room", property(lambda self: RESERVED + 1))
        else:
            patch.setattr(SpanLookup, "local_traces", unreadable)
        with pytest.raises(AssertionError, match="503"):
            send([parent, a_span("c", "a", **ours)])
    assert ended_in(observability, turn).keys() == {"slack message"}
    send([parent])
    assert ended_in(observability, turn).keys() == {"slack message", "a", "b"}


def test_what_waits_is_stored_by_itself_if_the_database_cannot_be_read_at_the_end(
    send: Send,
    observability: Observability,
    turn: ActiveSpan,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send([a_span("b", "a", trace_id=turn.trace_id), a_span("c", "b", trace_id=turn.trace_id)])
    with monkeypatch.context() as patch:
        patch.setattr(SpanLookup, "local_traces", unreadable)
        collector.stop()
    assert observability.flush()
    traces = {each.platform: each.trace_id for each in recent_traces(observability.database).traces}
    stored = trace_spans(observability.database, traces["otlp"])
    assert {span.name: (span.parent_id, span.audience) for span in stored} == {
        "b": ("a" * 16, None),
        "c": ("b" * 16, None),
    }


def test_a_trace_without_a_root_is_counted_later_if_the_database_is_locked(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted_traces() -> int:
        return statistics(observability.database, since=0, until=time.time_ns()).total.traces

    monkeypatch.setattr("storage.store.rootless.PATIENCE_S", 0.0)
    monkeypatch.setattr("storage.otlp.correlation.QUIET_NS", 0)
    received = TelemetryStore(observability, capture=str)
    content = {"resourceSpans": [{"scopeSpans": [{"spans": [a_span("b", "a")]}]}]}
    received.store(json.dumps(content).encode(), signal="traces", encoding="json")
    assert observability.flush()
    other = open_database(observability.database.path)
    with transaction(other):
        received.store_waited()
        assert (counted_traces(), received.waiting) == (0, 1)
    other.close()
    received.store_waited()
    assert (counted_traces(), received.waiting) == (1, 0)


def test_a_span_that_is_sent_while_it_runs_is_replaced_by_its_ended_form(
    send: Send, observability: Observability
) -> None:
    send([a_span("a", ended=False)])
    assert only(observability).status == "running"
    whole = a_span("a", attributes=CALL, status={"code": 2})
    send([whole])
    send([a_span("a", ended=False)])
    summary = only(observability)
    assert (summary.status, summary.span_count, summary.error_count) == ("error", 1, 1)
    assert counted(observability) == (1_000, 100, PRICE)
    (span,) = trace_spans(observability.database, TRACE)
    assert span.duration_ns is not None and span.duration_ns >= SECOND


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_a_trace_of_several_agents_has_the_agent_of_its_root(
    send: Send, observability: Observability, order: tuple[int, ...], together: bool
) -> None:
    spans = [
        a_span("1", attributes={"gen_ai.agent.name": "main"}),
        a_span("2", "1", attributes={"gen_ai.agent.name": "helper"}),
        a_span("3", "2", attributes=CALL),
    ]
    sent = [spans[place] for place in order]
    for scope in [sent] if together else [[span] for span in sent]:
        send(scope)
        assert observability.flush()
    assert only(observability).agent == "main"
