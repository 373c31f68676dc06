"""Where received telemetry belongs, and what senders cannot talk their way into."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from storage import ActiveSpan, Observability
from storage.model.records import Log, Metric
from storage.model.semconv import OPERATION
from storage.model.span import Span
from storage.otlp.correlation import QUIET_NS, TraceCorrelator
from storage.otlp.noise import NoiseFilter
from storage.otlp.scope import Resource
from storage.otlp.sources import source_of
from storage.otlp.span_lookup import SpanLookup
from storage.queries.statistics import statistics
from storage.queries.traces import recent_traces, trace_spans
from storage.store.rootless import count_rootless

NOW = 1_764_000_000 * 10**9
SECOND = 10**9
THEIRS = "abcdefabcdefabcdefabcdefabcdefab"
PLACE = {
    "team": "T1",
    "channel": "C1",
    "thread_ts": "1.2",
    "message_ts": "1.3",
    "user": "U1",
    "agent": "helper",
    "audience": "C1",
}


@pytest.fixture
def attempt(observability: Observability) -> Iterator[ActiveSpan]:
    """The span under which an agent of ours runs."""
    with (
        observability.span("slack message", **PLACE),
        observability.span("attempt claude", configured_provider="claude") as span,
    ):
        yield span


@pytest.fixture
def clock() -> list[int]:
    """The time in nanoseconds since the epoch, as a test sets it."""
    return [time.time_ns()]


@pytest.fixture
def correlator(observability: Observability, clock: list[int]) -> TraceCorrelator:
    lookup = SpanLookup(
        observability.database, flush=observability.flush, now=lambda: clock[0] / SECOND
    )
    return TraceCorrelator(lookup, now=lambda: clock[0])


def sender(parent: Any = None, service: str = "shop") -> Resource:
    ids = (parent.trace_id, parent.span_id) if isinstance(parent, ActiveSpan) else parent
    return Resource(service, source_of(service), ids)


def sent(span_id: str, parent: str | None = None, **fields: Any) -> Span:
    given: dict[str, Any] = {"trace_id": THEIRS, "name": "work", "status": "ok"} | fields
    times = {"started_at": NOW, "ended_at": NOW, "duration_ns": 0}
    digits = parent * 16 if parent and len(parent) == 1 else parent
    return Span(
        span_id=span_id * 16,
        parent_id=digits,
        platform="otlp",
        received=True,
        **times,
        **given,
    )


def placed(correlator: TraceCorrelator, resource: Resource, spans: list[Span]) -> list[Span]:
    """Return the spans of a request, at once also those that would wait for their parent."""
    return [*correlator.spans([(resource, spans)]), *correlator.waited(at_once=True)]


def context(span: Span) -> dict[str, Any]:
    return {name: getattr(span, name) for name in PLACE}


def test_all_of_a_child_hangs_under_the_span_that_started_it(
    correlator: TraceCorrelator, attempt: ActiveSpan
) -> None:
    root, child = placed(correlator, sender(attempt), [sent("a"), sent("b", "a")])
    assert (root.trace_id, root.parent_id) == (attempt.trace_id, attempt.span_id)
    assert (child.trace_id, child.parent_id) == (attempt.trace_id, "a" * 16)
    for span in (root, child):
        assert context(span) == PLACE
        assert (span.platform, span.entry) == ("slack", False)


def test_a_child_that_took_traceparent_hangs_there_too(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    assert observability.flush()
    ours = {"trace_id": attempt.trace_id}
    spans = [sent("b", "a", **ours), sent("a", attempt.span_id, **ours)]
    assert [context(span) for span in placed(correlator, sender(), spans)] == [PLACE, PLACE]
    assert {span.trace_id for span in spans} == {attempt.trace_id}
    assert [span.parent_id for span in spans] == ["a" * 16, attempt.span_id]


def test_what_a_child_says_of_itself_is_not_believed(
    correlator: TraceCorrelator, attempt: ActiveSpan
) -> None:
    lie = sent("a", team="T9", channel="C9", user="U9", audience="T9", agent="root", thread_ts="9")
    (span,) = placed(correlator, sender(attempt), [lie])
    assert context(span) == PLACE


def test_a_span_that_is_not_there_is_nobodys_parent(correlator: TraceCorrelator) -> None:
    root, child = placed(correlator, sender(("1" * 32, "2" * 16)), [sent("a"), sent("b", "a")])
    assert (root.trace_id, root.parent_id, root.platform) == (THEIRS, None, "otlp")
    assert child.parent_id == "a" * 16
    assert set(context(root).values()) == {None}


def test_a_trace_of_ours_is_not_joined_by_its_id_alone(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    assert observability.flush()
    ours = {"trace_id": attempt.trace_id}
    spans = [sent("a", **ours), sent("b", "a", **ours), sent("c", "9", **ours)]
    for span in placed(correlator, sender(), spans):
        assert span.trace_id != attempt.trace_id
        assert (span.platform, span.audience) == ("otlp", None)
    assert len({span.trace_id for span in spans}) == 1
    (wrong,) = placed(correlator, sender((attempt.trace_id, "9" * 16)), [sent("d", **ours)])
    assert wrong.trace_id == spans[0].trace_id
    logs = correlator.logs(sender(), [log(attempt.trace_id)])
    assert [each.trace_id for each in logs] == [spans[0].trace_id]


def test_a_child_cannot_take_the_place_of_our_own_spans(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    lie = sent("a", name="lie")
    lie.span_id = attempt.span_id
    observability.receive(placed(correlator, sender(attempt), [lie]))
    assert observability.flush()
    names = [span.name for span in trace_spans(observability.database, attempt.trace_id)]
    assert "lie" not in names


def test_a_trace_of_nobodys_is_seen_by_no_one_in_slack(
    correlator: TraceCorrelator, observability: Observability
) -> None:
    observability.receive(placed(correlator, sender(), [sent("a", audience=None)]))
    assert observability.flush()
    database = observability.database
    assert recent_traces(database, audiences=["T1", "C1", "U1"]).traces == ()
    assert recent_traces(database).traces[0].platform == "otlp"


def test_a_trace_whose_root_is_yet_to_come_is_listed_by_what_is_there(
    correlator: TraceCorrelator, observability: Observability
) -> None:
    observability.receive(placed(correlator, sender(), [sent("b", "a", name="step")]))
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    assert (summary.name, summary.status) == ("step", "ok")
    observability.receive(placed(correlator, sender(), [sent("a", name="whole", status="error")]))
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    assert (summary.name, summary.status, summary.span_count) == ("whole", "error", 2)


def test_spans_that_go_in_a_ring_are_stored(
    correlator: TraceCorrelator, attempt: ActiveSpan
) -> None:
    ring = [sent("a", "b", input_tokens=1), sent("b", "a", input_tokens=1)]
    assert len(placed(correlator, sender(attempt), ring)) == 2
    noisy = [sent("a", "b", name="session_task.turn"), sent("b", "a")]
    assert len(placed(correlator, sender(service="codex_exec"), noisy)) == 1


def test_a_trace_whose_root_never_comes_counts_once(
    correlator: TraceCorrelator, observability: Observability, clock: list[int]
) -> None:
    def counted(*spans: Span) -> tuple[int, int, float | None]:
        observability.receive(placed(correlator, sender(), [*spans]))
        assert observability.flush()
        count_rootless(observability.database, correlator.take_rootless())
        found = statistics(observability.database, since=0, until=clock[0]).total
        return found.traces, found.errors, found.p50_ns

    times = {"started_at": clock[0] - 2 * SECOND, "ended_at": clock[0], "duration_ns": 2 * SECOND}
    server = replace(sent("a", "9", name="POST /chat", status="error"), **times)
    assert counted(server, replace(sent("b", "a"), **times)) == (0, 0, None)
    clock[0] += QUIET_NS
    assert counted() == (1, 1, 2 * SECOND)
    assert counted(replace(sent("c", "9"), **times)) == (1, 1, 2 * SECOND)
    clock[0] += QUIET_NS
    begun = replace(sent("9", status="running"), ended_at=None, duration_ns=None)
    assert counted(begun) == (1, 1, 2 * SECOND)
    assert counted(replace(sent("9"), **times)) == (1, 1, 2 * SECOND), "the root came late"
    assert correlator.rootless == 0


def test_a_trace_that_is_a_ring_ends(
    correlator: TraceCorrelator, observability: Observability
) -> None:
    ring = [sent("a", "b", name="first"), sent("b", "a"), sent("c", "a")]
    observability.receive(placed(correlator, sender(), ring))
    assert observability.flush()
    (summary,) = recent_traces(observability.database).traces
    assert (summary.name, summary.status, summary.span_count) == ("first", "ok", 3)


def test_noise_is_left_out_and_counted_and_its_children_move_up(
    correlator: TraceCorrelator, attempt: ActiveSpan
) -> None:
    def turn() -> list[Span]:
        return [
            sent("a", name="codex.exec"),
            sent("b", "a", name="session_loop"),
            sent("c", "b", name="session_task.turn"),
            sent("d", "c", name="try_run_sampling_request", model="gpt-5"),
            sent("e", "d", name="handle_responses", input_tokens=800, output_tokens=7),
            sent("1", "d", name="handle_responses"),
            sent("f", "9", name="mcp.tools.call"),
        ]

    kept = placed(correlator, sender(attempt, "codex_exec"), turn())
    up = {span.name: span.parent_id for span in kept}
    assert up == {
        "session_task.turn": attempt.span_id,
        "handle_responses": "c" * 16,
        "mcp.tools.call": attempt.span_id,
    }
    assert correlator.filtered == {"codex_exec": 4}
    alone = placed(correlator, sender(service="codex_exec"), turn())
    up = {span.name: span.parent_id for span in alone}
    assert up["session_task.turn"] is None
    assert up["mcp.tools.call"] == "9" * 16
    (call,) = (span for span in alone if span.name == "handle_responses")
    assert (call.model, call.cost, call.cost_source) == ("gpt-5", 1_070, "estimated")


KEPT = {"codex_exec": "mcp.tools.call", "opencode": "ai.streamText"}


def some_of_them_noise(chance: random.Random, service: str) -> list[Span]:
    """Return the spans of a tree in any order, whose top may be below what is never sent."""
    spans = []
    for number in range(1, 10):
        above = chance.choice([None, "e", *range(1, number), *range(1, number)])
        fields: dict[str, Any] = {"name": chance.choice(["noise", "noise", KEPT[service]])}
        fields["model"] = chance.choice([None, "gpt-5"]) if fields["name"] == "noise" else None
        fields["input_tokens"] = chance.choice([None, 100])
        spans.append(sent(str(number), None if above is None else str(above), **fields))
    return chance.sample(spans, len(spans))


@pytest.mark.parametrize("service", KEPT)
@pytest.mark.parametrize("started", [True, False], ids=["in our attempt", "alone"])
def test_noise_is_left_out_wherever_its_sender_cuts_its_requests(
    observability: Observability, attempt: ActiveSpan, service: str, started: bool
) -> None:
    assert observability.flush()
    resource = sender(attempt if started else None, service)

    def places(requests: list[list[Span]]) -> dict[str, Any]:
        correlator = TraceCorrelator(SpanLookup(observability.database, flush=lambda: None))
        spans = joins(correlator, *((resource, copied(request)) for request in requests))
        spans += correlator.waited(at_once=True)
        assert correlator.waiting == 0
        return {span.span_id: (span.parent_id, span.model, span.cost) for span in spans}

    for seed in range(40):
        chance = random.Random(seed)
        spans = some_of_them_noise(chance, service)
        cuts = sorted(chance.sample(range(len(spans) + 1), chance.randint(0, 6)))
        parts = [spans[a:b] for a, b in pairwise([0, *cuts, len(spans)])]
        assert places(parts) == places([spans]), seed


def copied(spans: list[Span]) -> list[Span]:
    return [replace(span) for span in spans]


def test_what_is_below_noise_that_does_not_come_is_stored_all_the_same(
    correlator: TraceCorrelator, attempt: ActiveSpan, clock: list[int]
) -> None:
    tool = sent("a", "9", name="mcp.tools.call")
    call = sent("b", "8", name="handle_responses", output_tokens=7)
    assert joins(correlator, (sender(attempt, "codex_exec"), [tool, call])) == []
    clock[0] += 31 * SECOND
    found = {span.span_id[0]: span for span in correlator.waited()}
    assert {span.trace_id for span in found.values()} == {attempt.trace_id}
    assert found["a"].parent_id == attempt.span_id
    assert (found["b"].parent_id, found["b"].within) == ("8" * 16, attempt.span_id)


def test_links_to_noise_are_remembered_in_bounded_memory() -> None:
    noise = NoiseFilter()
    spans = [replace(sent("a"), span_id=f"{number:016x}") for number in range(11_000)]
    for number in range(6):
        resource = sender((THEIRS, f"{number:016x}"), "codex_exec")
        assert noise.kept(resource, spans[:5_500]) == noise.kept(resource, spans[5_500:]) == []
    assert noise.remembered == 5 * 10_000


@pytest.mark.parametrize("service", ["opencode", "Codex Desktop"])
def test_what_a_plug_in_records_of_agents_and_calls_is_no_noise(
    correlator: TraceCorrelator, service: str
) -> None:
    run, call = ({OPERATION: each} for each in ("invoke_agent", "chat"))
    spans = [
        sent("a", name="opencode.session", attributes=run),
        sent("b", "a", name="Bus.publish"),
        sent("c", "b", name="opencode.llm", attributes=call),
    ]
    kept = placed(correlator, sender(service=service), spans)
    up = {span.name: span.parent_id for span in kept}
    assert up == {"opencode.session": None, "opencode.llm": "a" * 16}


def test_what_an_agent_reports_of_its_own_calls_is_part_of_our_call_of_it(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    call, work = placed(correlator, sender(attempt), [sent("a", input_tokens=5), sent("b")])
    assert (call.within, work.within) == (attempt.span_id, None)
    observability.receive([call])
    assert observability.flush()
    nested = sent("c", "a", trace_id=attempt.trace_id, output_tokens=5)
    (found,) = placed(correlator, sender(), [nested])
    assert (found.within, found.parent_id) == (attempt.span_id, call.span_id)


def test_what_runs_in_a_command_makes_calls_of_its_own(
    correlator: TraceCorrelator, observability: Observability
) -> None:
    with observability.span("run claude", platform="cli") as command:
        (span,) = placed(correlator, sender(command), [sent("a", input_tokens=5)])
    assert (span.within, span.platform, span.parent_id) == (None, "cli", command.span_id)


# One trace in the end.


def joins(correlator: TraceCorrelator, *requests: tuple[Resource, list[Span]]) -> list[Span]:
    return [span for request in requests for span in correlator.spans([request])]


def test_a_child_that_comes_before_its_parent_joins_it_in_our_trace(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    assert observability.flush()
    ours = {"trace_id": attempt.trace_id}
    spans = [sent("c", "b", **ours), sent("b", "a", **ours), sent("a", attempt.span_id, **ours)]
    found = joins(correlator, *((sender(), [span]) for span in spans))
    assert [span.span_id[0] for span in found] == ["a", "b", "c"]
    assert [context(span) for span in found] == [PLACE] * 3
    assert {span.trace_id for span in found} == {attempt.trace_id}
    assert correlator.waiting == 0


def test_the_scopes_and_resources_of_a_request_belong_together(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    assert observability.flush()
    ours = {"trace_id": attempt.trace_id}
    scopes = [
        (sender(), [sent("b", "a", **ours)]),
        (sender(), [sent("a", attempt.span_id, **ours)]),
        (sender(service="other"), [sent("c", "b", **ours)]),
    ]
    assert [context(span) for span in correlator.spans(scopes)] == [PLACE] * 3
    processes = [(sender(service="server"), [sent("e", "d")]), (sender(attempt), [sent("d")])]
    assert {span.trace_id for span in correlator.spans(processes)} == {attempt.trace_id}


def test_what_came_before_our_own_span_was_stored_hangs_under_it_in_the_end(
    correlator: TraceCorrelator, observability: Observability, clock: list[int]
) -> None:
    with observability.span("slack message", **PLACE) as turn:
        assert observability.flush()
        ids = "1234567812345678"
        early = [sent("a", ids, trace_id=turn.trace_id), sent("b")]
        first = correlator.spans([(sender(), early[:1])])
        second = correlator.spans([(sender((turn.trace_id, ids)), early[1:])])
        assert (first, second, correlator.waiting) == ([], [], 2)
        late = Span(span_id=ids, trace_id=turn.trace_id, name="late", started_at=NOW, **PLACE)
        observability.receive([replace(late, process="elsewhere")])
        clock[0] += 2 * SECOND
        found = correlator.waited()
    assert [(span.trace_id, span.parent_id) for span in found] == [(turn.trace_id, ids)] * 2
    assert [context(span) for span in found] == [PLACE] * 2


def test_a_parent_that_does_not_come_is_waited_for_only_so_long(
    correlator: TraceCorrelator,
    attempt: ActiveSpan,
    observability: Observability,
    clock: list[int],
) -> None:
    assert observability.flush()
    ours = {"trace_id": attempt.trace_id}
    assert joins(correlator, (sender(), [sent("b", "a", **ours)])) == []
    assert correlator.waited() == []
    clock[0] += 31 * SECOND
    (span,) = correlator.waited()
    assert (span.platform, span.entry) == ("otlp", True)
    assert span.trace_id != attempt.trace_id
    (again,) = placed(correlator, sender(), [sent("c", **ours)])
    assert again.trace_id == span.trace_id


def test_made_up_parents_are_waited_for_in_bounded_memory(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    assert observability.flush()
    ours = {"trace_id": attempt.trace_id}

    def spans(parents: Iterable[int]) -> list[Span]:
        named = enumerate(parents, 1)
        return [
            replace(sent("a", f"{parent:016x}", **ours), span_id=f"b{number:015x}")
            for number, parent in named
        ]

    found = correlator.spans([(sender(), spans(range(1, 1_001)))])
    assert (len(found), correlator.waiting) == (500, 500)
    assert attempt.trace_id not in {span.trace_id for span in found}
    assert len(correlator.spans([(sender(), spans([1] * 3_000))])) == 1_500
    assert correlator.waiting == 2_000


def test_a_chain_of_ten_thousand_is_placed(
    correlator: TraceCorrelator, attempt: ActiveSpan, observability: Observability
) -> None:
    assert observability.flush()

    def chain(first: str | None, **fields: Any) -> list[Span]:
        ids = [first, *(f"{number:016x}" for number in range(1, 10_001))]
        return [replace(sent("a", **fields), span_id=b, parent_id=a) for a, b in pairwise(ids)]

    under = chain(attempt.span_id, trace_id=attempt.trace_id)
    assert {span.trace_id for span in placed(correlator, sender(), under)} == {attempt.trace_id}
    noise = [*chain(None), replace(sent("f"), parent_id=f"{10_000:016x}", name="mcp.tools.call")]
    (kept,) = placed(correlator, sender(attempt, "codex_exec"), noise)
    assert kept.parent_id == attempt.span_id


def log(trace_id: str | None = None) -> Log:
    return Log(
        level="info",
        message="m",
        attributes={},
        recorded_at=NOW,
        trace_id=trace_id,
        span_id="b" * 16 if trace_id else None,
    )


def test_logs_and_metrics_of_a_child_are_found_with_its_trace(
    correlator: TraceCorrelator, attempt: ActiveSpan
) -> None:
    metric = Metric(name="m", value=1.0, labels={}, recorded_at=NOW, trace_id=None, span_id=None)
    (placed,) = correlator.metrics(sender(attempt), [metric])
    assert (placed.trace_id, placed.span_id) == (attempt.trace_id, attempt.span_id)
    bare, inside = correlator.logs(sender(attempt), [log(), log(THEIRS)])
    assert (bare.trace_id, bare.span_id) == (attempt.trace_id, attempt.span_id)
    assert (inside.trace_id, inside.span_id) == (attempt.trace_id, "b" * 16)
    assert [*correlator.metrics(sender(), [metric])] == [metric]


def test_a_span_that_is_not_there_is_not_asked_for_at_every_turn(
    observability: Observability,
) -> None:
    flushed: list[int] = []
    clock = [0.0]
    record = SpanLookup(
        observability.database, flush=lambda: flushed.append(1), now=lambda: clock[0]
    )
    for _ in range(3):
        assert record.span(("1" * 32, "2" * 16)) is None
    assert len(flushed) == 1
    clock[0] = 6.0
    assert record.span(("1" * 32, "2" * 16)) is None
    assert len(flushed) == 2
