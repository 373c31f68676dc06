"""What another process sends is stored once, and its tokens are counted once."""

from dataclasses import replace
from typing import Any

import pytest
from peewee import Database

from storage import Observability
from storage.model.batch import Batch
from storage.model.span import WITHIN, Span
from storage.queries.statistics import statistics
from storage.queries.traces import TraceSummary, recent_traces, trace_spans
from storage.store.batch import store

NOW = 1_764_000_000 * 10**9
HOUR = 3_600 * 10**9
TRACE = "0123456789abcdef0123456789abcdef"


def sent(span_id: str, *, parent: str | None = None, **fields: Any) -> Span:
    """A span as a receiver hands it over."""
    times = {"started_at": NOW, "ended_at": NOW + 10**6, "duration_ns": 10**6, "status": "ok"}
    given = {"trace_id": TRACE, "name": "chat", "platform": "otlp", **times, **fields}
    return Span(span_id=span_id, parent_id=parent, received=True, **given)


def within(attempt: str, trace_id: str, span_id: str = "b" * 16, **fields: Any) -> Span:
    """A request that an agent of ours reports, within our own span of it."""
    given: dict[str, Any] = {"input_tokens": 70, "output_tokens": 7, "model": "m"} | fields
    attributes = {WITHIN: attempt}
    return sent(span_id, parent=attempt, trace_id=trace_id, attributes=attributes, **given)


def only(database: Database) -> TraceSummary:
    (summary,) = recent_traces(database).traces
    return summary


def tokens(database: Database) -> list[int | None]:
    """Input tokens of the one trace, of the statistics, and of the statistics by model."""
    since, until = NOW - 10**6 * HOUR, NOW + 10**6 * HOUR
    figures = statistics(database, since=since, until=until, by="model")
    by_model = sum(group.input_tokens for group in figures.groups)
    return [only(database).input_tokens, figures.total.input_tokens, by_model]


def test_the_same_spans_sent_twice_change_nothing(observability: Observability) -> None:
    for _ in range(2):
        observability.receive(
            [sent("a" * 16, input_tokens=5), sent("b" * 16, parent="a" * 16, status="error")]
        )
        assert observability.flush()
    summary = only(observability.database)
    assert (summary.span_count, summary.error_count, summary.input_tokens) == (2, 1, 5)
    figures = statistics(observability.database, since=NOW, until=NOW + HOUR)
    assert (figures.total.traces, figures.total.input_tokens) == (1, 5)


def test_a_span_that_comes_twice_in_one_batch_is_stored_once(observability: Observability) -> None:
    observability.receive([sent("a" * 16, name="first"), sent("a" * 16, name="second")] * 400)
    assert observability.flush()
    assert only(observability.database).span_count == 1
    assert [span.name for span in trace_spans(observability.database, TRACE)] == ["first"]


def test_what_comes_late_is_added_once(observability: Observability) -> None:
    observability.receive([sent("a" * 16)])
    assert observability.flush()
    observability.receive([sent(f"{n:016x}", parent="a" * 16) for n in range(1, 600)])
    observability.receive([sent(f"{n:016x}", parent="a" * 16) for n in range(300, 900)])
    assert observability.flush()
    assert only(observability.database).span_count == 900


def test_a_sent_span_does_not_take_the_place_of_ours(observability: Observability) -> None:
    with observability.span("turn", audience="T1") as turn:
        assert observability.flush()
        lie = sent(turn.span_id, trace_id=turn.trace_id, name="lie", audience=None)
        observability.receive([lie])
        assert observability.flush()
    assert observability.flush()
    (span,) = trace_spans(observability.database, turn.trace_id)
    assert (span.name, span.audience, span.status) == ("turn", "T1", "ok")
    assert only(observability.database).span_count == 1


def test_what_is_known_is_passed_over_and_what_comes_with_it_is_stored(
    observability: Observability,
) -> None:
    with observability.span("turn", audience="T1") as turn:
        assert observability.flush()
        forged = sent(turn.span_id, trace_id=turn.trace_id, name="forged", audience="T2")
        fresh = sent("a" * 16, trace_id=turn.trace_id, parent=turn.span_id, name="fresh")
        observability.receive([forged, fresh])
        assert observability.flush()
        stored = trace_spans(observability.database, turn.trace_id)
        told = {span.name: (span.status, span.audience) for span in stored}
        assert told == {"turn": ("running", "T1"), "fresh": ("ok", None)}


@pytest.mark.parametrize("when", ["during", "with its end", "after"])
def test_tokens_that_the_attempt_tells_are_counted_once(
    observability: Observability, when: str
) -> None:
    with observability.span("turn"):
        attempt = observability.start_span("attempt claude", {"configured_provider": "claude"})
        assert observability.flush()
        telemetry = within(attempt.span_id, attempt.trace_id)
        if when == "during":
            observability.receive([telemetry])
            assert observability.flush()
        attempt.set(input_tokens=100, output_tokens=10, model="m")
        if when == "with its end":
            observability.receive([telemetry])
        attempt.end()
        assert observability.flush()
        if when == "after":
            observability.receive([telemetry])
    assert observability.flush()
    assert tokens(observability.database) == [100, 100, 100]
    stored = trace_spans(observability.database, attempt.trace_id)
    assert {span.name: span.input_tokens for span in stored}["chat"] == 70


@pytest.mark.parametrize("when", ["during", "with its end", "after"])
def test_the_telemetry_of_a_killed_agent_is_counted(
    observability: Observability, when: str
) -> None:
    with observability.span("turn"):
        attempt = observability.start_span("attempt claude", {"configured_provider": "claude"})
        assert observability.flush()
        telemetry = [
            within(attempt.span_id, attempt.trace_id),
            within(attempt.span_id, attempt.trace_id, "c" * 16, status="error"),
        ]
        if when == "during":
            observability.receive(telemetry)
            assert observability.flush()
            assert tokens(observability.database) == [140, 140, 140]
        if when == "with its end":
            observability.receive(telemetry)
        attempt.fail("timeout", "killed", status="timeout")
        attempt.end()
        assert observability.flush()
        if when == "after":
            observability.receive(telemetry)
    assert observability.flush()
    assert tokens(observability.database) == [140, 140, 140]
    summary = only(observability.database)
    assert (summary.span_count, summary.error_count) == (4, 2)


@pytest.mark.parametrize("batches", [1, 2])
def test_a_span_that_came_while_it_ran_is_replaced_by_its_ended_form(
    observability: Observability, batches: int
) -> None:
    ended = sent("a" * 16, input_tokens=5)
    running = replace(ended, status="running", ended_at=None, duration_ns=None, input_tokens=None)
    for spans in ([running, ended, running], [running, ended])[:batches]:
        observability.receive(spans[:1])
        if batches > 1:
            assert observability.flush()
        observability.receive(spans[1:])
        assert observability.flush()
    (stored,) = trace_spans(observability.database, TRACE)
    assert (stored.status, stored.duration_ns, stored.input_tokens) == ("ok", 10**6, 5)
    summary = only(observability.database)
    assert (summary.status, summary.span_count, summary.input_tokens) == ("ok", 1, 5)


def test_the_end_of_a_span_says_nothing_of_one_with_its_id_in_another_trace(
    observability: Observability,
) -> None:
    ended = sent("a" * 16, trace_id="f" * 32)
    observability.receive([replace(ended, status="running", ended_at=None, duration_ns=None)])
    calls = [
        sent(each * 16, input_tokens=5, parent=above)
        for each, above in (("b", None), ("c", "a" * 16))
    ]
    observability.receive(calls)
    assert observability.flush()
    observability.receive([ended, sent("a" * 16, parent="b" * 16)])
    assert observability.flush()
    traces = recent_traces(observability.database).traces
    found = {trace.trace_id: (trace.span_count, trace.input_tokens) for trace in traces}
    assert found == {"f" * 32: (1, None), TRACE: (3, 5)}


@pytest.mark.parametrize("form", ["ended", "running", "end of ours"])
def test_a_span_of_ours_counts_once_if_others_have_sent_it_before(
    observability: Observability, form: str
) -> None:
    facts: dict[str, Any] = {"status": "error", "input_tokens": 5, "model": "m"}
    copy = sent("a" * 16, **facts)
    if form == "running":
        copy = replace(copy, status="running", ended_at=None, duration_ns=None, input_tokens=None)
    observability.receive([copy])
    assert observability.flush()
    place = {"platform": "cli", "audience": "T1", "team": "T1", "process": "p:1:1-a:1"}
    ours = replace(sent("a" * 16, **facts, **place), received=False)
    if form == "end of ours":
        begun = replace(ours, status="running", ended_at=None, duration_ns=None, input_tokens=None)
        assert store(observability.database, Batch("p:1:1-a:1", 1, spans=[begun]))
        assert tokens(observability.database)[1:] == [0, 0]
    ended = Batch("p:1:1-a:1", 2, spans=[ours])
    ended.resumed = {ours.span_id} if form == "end of ours" else set()
    assert store(observability.database, ended)
    summary = only(observability.database)
    assert (summary.platform, summary.span_count, summary.error_count) == ("cli", 1, 1)
    assert tokens(observability.database) == [5, 5, 5]
    found = statistics(observability.database, since=NOW, until=NOW + HOUR, by="platform")
    assert (found.total.traces, found.total.errors) == (1, 1)
    assert {group.key: group.traces for group in found.groups if group.traces} == {"cli": 1}


def test_nobody_sends_the_end_of_a_span_of_ours(observability: Observability) -> None:
    with observability.span("turn") as turn:
        assert observability.flush()
        observability.receive([sent(turn.span_id, trace_id=turn.trace_id, name="lie")])
        assert observability.flush()
        (stored,) = trace_spans(observability.database, turn.trace_id)
        assert (stored.name, stored.status) == ("turn", "running")


def test_there_is_less_room_the_more_waits(observability: Observability) -> None:
    before = observability.room
    observability.receive([sent(f"{n:016x}") for n in range(1, 2_001)])
    assert before >= observability.room
    assert observability.flush()
    assert observability.room == before
