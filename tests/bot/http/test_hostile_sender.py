"""What an agent can do with the ids of its turn, over real HTTP: add to it, and nothing more."""

import json
import time
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.http.otlp_receiver import Collector
from bot.http.turn_address import turn_address
from bot.turns.eraser import forget
from storage import ActiveSpan, Observability
from storage.health import health
from storage.model.erasure import Erasure
from storage.model.span import Span
from storage.otlp import bounds
from storage.queries.traces import TraceSummary, recent_traces, trace_spans
from tests.support.planted import where

SECOND = 1_000_000_000
YEAR = 365 * 24 * 3_600 * SECOND
PLACE = {"team": "T1", "channel": "C1", "thread_ts": "1.2", "user": "U1", "audience": "C1"}


@pytest.fixture
def url(observability: Observability) -> Iterator[str]:
    collector = Collector(observability, capture=str)
    yield collector.listen()
    collector.stop()


@pytest.fixture
def attempt(observability: Observability) -> Iterator[ActiveSpan]:
    """The span under which an agent of ours runs; its ids are what the agent knows."""
    with (
        observability.span("slack message", **PLACE),
        observability.span("attempt claude", configured_provider="claude") as span,
    ):
        assert observability.flush()
        yield span


def send(
    url: str, attempt: ActiveSpan | None, *spans: dict[str, Any], service: str = "agent"
) -> None:
    ids = () if attempt is None else (attempt.trace_id, attempt.span_id)
    names = ("tracebot.parent.trace_id", "tracebot.parent.span_id")
    facts = {"service.name": service, **dict(zip(names, ids, strict=False))}
    resource = {"attributes": attributes(**facts)}
    content = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [*spans]}]}]}
    assert httpx.post(f"{url}/v1/traces", json=content).status_code == 200


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue" if isinstance(value, int) else "stringValue": value}}
        for key, value in values.items()
    ]


def a_span(digit: str = "a", *, start: int | None = None, **fields: Any) -> dict[str, Any]:
    begins = time.time_ns() if start is None else start
    ends = fields.pop("end", begins + 5)
    times = {"startTimeUnixNano": str(begins), "endTimeUnixNano": str(ends)}
    return {"traceId": "9" * 32, "spanId": digit * 16, "name": "work", **times, **fields}


def spending(**figures: Any) -> list[dict[str, Any]]:
    names = {
        "input": "gen_ai.usage.input_tokens",
        "output": "gen_ai.usage.output_tokens",
        "dollars": "gen_ai.usage.cost",
    }
    return attributes(**{names[name]: value for name, value in figures.items()})


def summary(observability: Observability, trace_id: str) -> TraceSummary:
    assert observability.flush()
    found = recent_traces(observability.database).traces
    return next(each for each in found if each.trace_id == trace_id)


def received(observability: Observability, trace_id: str) -> list[Span]:
    assert observability.flush()
    spans = trace_spans(observability.database, trace_id)
    return [span for span in spans if span.process is None]


def test_a_span_without_a_scope_does_not_pass_for_one_of_ours_when_text_is_erased(
    url: str, attempt: ActiveSpan, observability: Observability, tmp_path: Path
) -> None:
    mark = "zebra-4711"
    told = attributes(**{mark: 1, "emoji": mark, "slack.reply_ts": mark})
    send(url, attempt, a_span(name=f"read {mark}", attributes=told))
    send(url, attempt, a_span("b", name="reply", attributes=told))
    assert received(observability, attempt.trace_id)
    erasure = Erasure(at=time.time_ns(), by="shell", user="U1")
    forget(observability, erasure)
    assert where(tmp_path, mark) == []


@pytest.mark.parametrize(
    ("start", "end"), [(1, 2), (1, 2**63 - 1), (2**63 - 2, 2**63 - 1), (None, 2**63 - 1)]
)
def test_a_trace_stays_at_its_time_whatever_is_sent(
    url: str, observability: Observability, attempt: ActiveSpan, start: int | None, end: int
) -> None:
    before = summary(observability, attempt.trace_id)
    send(url, attempt, a_span(start=start, end=end))
    after = summary(observability, attempt.trace_id)
    assert (after.started_at, after.status, after.name) == (
        before.started_at,
        "running",
        "slack message",
    )
    (span,) = received(observability, attempt.trace_id)
    assert before.started_at <= span.started_at <= (span.ended_at or 0) <= time.time_ns()
    assert span.attributes[bounds.CLOCK] == (start or span.started_at)


def test_a_start_just_before_the_turn_does_not_move_it(
    url: str, observability: Observability, attempt: ActiveSpan
) -> None:
    before = summary(observability, attempt.trace_id)
    start = before.started_at - 30 * SECOND
    send(url, attempt, a_span(start=start))
    assert summary(observability, attempt.trace_id).started_at == before.started_at
    (span,) = received(observability, attempt.trace_id)
    assert span.started_at == start


def test_a_trace_keeps_its_people_its_name_and_its_error(
    url: str, observability: Observability, attempt: ActiveSpan
) -> None:
    claims = attributes(**{"slack.user.id": "U9", "tracebot.audience": "T1", "slack.team.id": "T9"})
    claims += attributes(**{"tracebot.decision": "skip", "audience": "T1", "user": "U9"})
    status = {"code": 2, "message": "rm -rf"}
    send(url, attempt, a_span(attributes=claims, status=status, name="theirs"))
    found = summary(observability, attempt.trace_id)
    assert (found.name, found.decision, found.error_message) == ("slack message", None, None)
    assert (found.channel, found.user, found.audience) == ("C1", "U1", "C1")
    (span,) = received(observability, attempt.trace_id)
    names = {name for name in span.attributes if name.startswith(("tracebot.", "slack."))}
    assert (span.audience, span.user, names) == ("C1", "U1", set())


@pytest.mark.parametrize(
    ("figures", "cause"),
    [
        ({"dollars": "27000000"}, "cost"),
        ({"dollars": "27000000000000"}, None),
        ({"dollars": "1e300"}, None),
        ({"dollars": "inf"}, None),
        ({"input": 10**15}, "input_tokens"),
        ({"output": 10**12}, "output_tokens"),
        ({"input": -5}, None),
    ],
)
def test_figures_are_bounded_by_what_a_turn_can_spend(
    url: str,
    observability: Observability,
    attempt: ActiveSpan,
    figures: dict[str, Any],
    cause: str | None,
) -> None:
    send(url, attempt, a_span(attributes=spending(**figures)))
    attempt.set(input_tokens=None)
    attempt.end()
    found = summary(observability, attempt.trace_id)
    assert not any((found.cost, found.input_tokens, found.output_tokens))
    (span,) = received(observability, attempt.trace_id)
    assert span.attributes.get(bounds.REFUSED_FIGURES) == ([cause] if cause else None)
    observability.close()
    refused = health(observability.database, now=time.time_ns()).refused
    assert refused == ({f"otlp: impossible {cause}": 1} if cause else {})


def test_many_spans_together_are_bounded_like_one(
    url: str, observability: Observability, attempt: ActiveSpan
) -> None:
    spans = [
        a_span(digit, attributes=spending(dollars="90", input=10_000_000)) for digit in "abcdef123"
    ]
    for span in spans:
        send(url, attempt, span)
    send(url, attempt, *[{**span, "spanId": "4" + span["spanId"][1:]} for span in spans])
    attempt.end()
    found = summary(observability, attempt.trace_id)
    assert 90_000_000 <= (found.cost or 0) < 1_500_000_000
    assert 10_000_000 <= (found.input_tokens or 0) < 200_000_000


def test_plausible_figures_are_kept(
    url: str, observability: Observability, attempt: ActiveSpan
) -> None:
    send(url, attempt, a_span(attributes=spending(dollars="1.5", input=900_000, output=32_000)))
    attempt.end()
    found = summary(observability, attempt.trace_id)
    assert (found.cost, found.input_tokens, found.output_tokens) == (1_500_000, 900_000, 32_000)


def test_a_turn_takes_a_bounded_number_of_spans(
    url: str,
    observability: Observability,
    attempt: ActiveSpan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MAX_ITEMS", 5)
    send(url, attempt, *(a_span(digit) for digit in "abcdef1234"))
    assert len(received(observability, attempt.trace_id)) == 5


def test_our_own_metrics_cannot_be_sent(
    url: str, observability: Observability, attempt: ActiveSpan
) -> None:
    point = {"timeUnixNano": str(time.time_ns()), "asInt": "999"}
    ours = ("tracebot.dropped", "tracebot.refused", " tracebot.dropped", "TraceBot.dropped")
    names = (*ours, "\0tracebot.dropped", "mine")
    metrics = [{"name": name, "gauge": {"dataPoints": [point]}} for name in names]
    content = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    told = httpx.post(f"{url}/v1/metrics", json=content)
    assert told.json()["partialSuccess"]["rejectedDataPoints"] == "4"
    assert "our own" in told.json()["partialSuccess"]["errorMessage"]
    assert observability.flush()
    found = health(observability.database, now=time.time_ns())
    assert (found.dropped, found.refused) == (0, {})


def test_an_ended_turn_takes_nothing_more(url: str, observability: Observability) -> None:
    long_ago = time.time_ns() - 3_600 * SECOND
    span = observability.start_span("attempt claude", PLACE, started_at=long_ago)
    span.ended_at = long_ago + SECOND
    observability.end_span(span)
    observability.receive(
        [
            Span(
                trace_id="7" * 32,
                span_id="7" * 16,
                name="old",
                status="ok",
                started_at=long_ago,
                ended_at=long_ago + SECOND,
                platform="slack",
                audience="C1",
                process="p",
            )
        ]
    )
    assert observability.flush()
    resource = attributes(
        **{"tracebot.parent.trace_id": "7" * 32, "tracebot.parent.span_id": "7" * 16}
    )
    late = {"resource": {"attributes": resource}, "scopeSpans": [{"spans": [a_span()]}]}
    assert httpx.post(f"{url}/v1/traces", json={"resourceSpans": [late]}).is_success
    direct = a_span("b", parentSpanId="7" * 16) | {"traceId": "7" * 32}
    send(url, None, direct)
    assert len(trace_spans(observability.database, "7" * 32)) == 1
    assert observability.flush()
    assert all(each.audience is None for each in received(observability, "9" * 32))


def test_spans_that_come_before_ours_do_not_name_its_trace(
    observability: Observability,
) -> None:
    trace_id, now = "8" * 32, time.time_ns()
    common: dict[str, Any] = {"trace_id": trace_id, "status": "ok", "ended_at": now}
    theirs = Span(
        span_id="a" * 16,
        name="theirs",
        started_at=now - YEAR,
        platform="otlp",
        received=True,
        user="U9",
        **common,
    )
    observability.receive([theirs])
    assert observability.flush()
    ours = Span(
        span_id="b" * 16,
        name="ours",
        started_at=now,
        platform="slack",
        process="p",
        **PLACE,
        **common,
    )
    observability.receive([ours])
    found = summary(observability, trace_id)
    assert (found.name, found.platform, found.started_at) == ("ours", "slack", now)
    assert (found.user, found.audience) == ("U1", "C1")


@pytest.mark.parametrize("start", [1, 2**63 - 2])
def test_a_clock_that_is_not_set_is_marked_on_a_trace_of_its_own(
    url: str, observability: Observability, start: int
) -> None:
    before = time.time_ns()
    send(url, None, a_span(start=start, end=start + 1))
    found = summary(observability, "9" * 32)
    assert before <= found.started_at <= time.time_ns()
    (span,) = received(observability, "9" * 32)
    assert span.attributes[bounds.CLOCK] == start


@pytest.mark.parametrize("at", ["0", "1", str(2**63 - 1)])
def test_logs_and_metrics_get_a_time_that_can_be_true(
    url: str, observability: Observability, at: str
) -> None:
    records = [{"timeUnixNano": at, "body": {"stringValue": "x"}}]
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    assert httpx.post(f"{url}/v1/logs", json=logs).is_success
    point = {"timeUnixNano": at, "asDouble": 1.5}
    metric = {"name": "m", "gauge": {"dataPoints": [point]}}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    assert httpx.post(f"{url}/v1/metrics", json=metrics).is_success
    assert observability.flush()
    for table in ("logs", "metrics"):
        query = f"SELECT recorded_at FROM {table}"
        ((recorded_at,),) = observability.database.execute_sql(query).fetchall()
        assert abs(recorded_at - time.time_ns()) < 60 * SECOND


def test_a_text_that_looks_like_ours_releases_nothing(
    url: str, observability: Observability, attempt: ActiveSpan
) -> None:
    inner = {"key": "tracebot.within.span_id", "value": {"stringValue": attempt.span_id}}
    forged = {"key": "x", "value": {"kvlistValue": {"values": [inner]}}}
    send(url, None, a_span(attributes=[forged, *spending(input=5)]))
    (span,) = received(observability, "9" * 32)
    assert "within" not in json.dumps(dict(span.attributes))


@pytest.mark.parametrize("together", [True, False])
def test_a_span_of_ours_is_stored_though_another_came_with_its_ids(
    observability: Observability, together: bool
) -> None:
    now = time.time_ns()
    ids: dict[str, Any] = {"trace_id": "8" * 32, "span_id": "b" * 16, "started_at": now}
    theirs = Span(name="theirs", status="ok", ended_at=now, platform="otlp", received=True, **ids)
    observability.receive([theirs])
    assert together or observability.flush()
    for status in ("running", "ok"):
        ours = Span(name="ours", status=status, platform="slack", process="p", **PLACE, **ids)
        observability.receive([ours])
    assert observability.flush()
    (span,) = trace_spans(observability.database, "8" * 32)
    assert (span.name, span.status, span.audience) == ("ours", "ok", "C1")


def test_what_is_sent_with_the_key_of_a_turn_joins_no_other_one(
    observability: Observability, attempt: ActiveSpan
) -> None:
    """People can see the ids of a running turn, and tell the agent of another one to use them."""
    guarded = Collector(observability, capture=str, key="0123456789abcdef")
    receiver = guarded.listen()
    base = receiver.rpartition("/")[0]
    other = Context().run(observability.start_span, "slack message", PLACE)
    assert observability.flush()
    address = turn_address(receiver, attempt.trace_id)
    claims = spending(dollars="90")
    send(address, other, a_span(attributes=claims))
    send(address, None, a_span("b", parentSpanId=other.span_id) | {"traceId": other.trace_id})
    send(address, attempt, a_span("c", attributes=claims))
    send(address, None, a_span("d", parentSpanId=attempt.span_id) | {"traceId": attempt.trace_id})
    key, trace_id = address.removeprefix(f"{base}/"), other.trace_id
    for forged in (f"{trace_id}{key[32:]}", trace_id, key[:-1], f"{key}0"):
        path = f"{base}/{forged}/v1/traces"
        assert httpx.post(path, json={}).status_code == 404
        headers = {"authorization": f"Bearer {forged}"}
        assert httpx.post(f"{base}/v1/traces", json={}, headers=headers).status_code == 404
    guarded.stop()
    assert received(observability, other.trace_id) == []
    assert {each.span_id[0] for each in received(observability, attempt.trace_id)} == {"c", "d"}
    other.end()
    assert summary(observability, other.trace_id).cost is None


def test_what_waits_for_its_parent_joins_no_trace_of_another_sender_nor_lets_it_in(
    observability: Observability, attempt: ActiveSpan
) -> None:
    """Exporters send children first, which wait: meanwhile another turn's agent names their ids."""
    guarded = Collector(observability, capture=str, key="0123456789abcdef")
    receiver = guarded.listen()
    other = Context().run(observability.start_span, "slack message", PLACE)
    assert observability.flush()
    theirs, own = (turn_address(receiver, each.trace_id) for each in (other, attempt))
    call = a_span(
        "a", parentSpanId="b" * 16, name="handle_responses", attributes=spending(output=5)
    )
    send(theirs, other, call, service="codex")
    send(theirs, None, a_span("d", parentSpanId="e" * 16) | {"traceId": other.trace_id})
    joins = a_span("c", parentSpanId="a" * 16, attributes=spending(dollars="50"))
    send(own, None, a_span("b"), joins)
    send(own, attempt, a_span("e") | {"traceId": other.trace_id})
    guarded.stop()
    assert [each.span_id[0] for each in received(observability, other.trace_id)] == ["a"]
    assert [each.span_id[0] for each in received(observability, attempt.trace_id)] == ["e"]


def test_an_address_without_a_key_is_the_same_for_each_turn() -> None:
    assert turn_address("http://127.0.0.1:4318", "a" * 32) == "http://127.0.0.1:4318"
