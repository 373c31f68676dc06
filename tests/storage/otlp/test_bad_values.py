"""A bad value costs itself: its item and the whole request are kept, in both encodings."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service

from storage.model.span import Span
from storage.otlp import losses as lost
from storage.otlp.decoder import Encoding, Signal, Telemetry, read
from tests.support.otlp_bytes import (
    HALF_AN_EMOJI,
    as_protobuf,
    in_protobuf,
    nested,
    tagged,
    with_bytes,
)
from tests.support.otlp_requests import (
    PARENT,
    START,
    TRACE,
    a_span,
    attributes,
    metrics_of,
    read_json,
    request,
    spans_of,
)

BAD = "@@@"
"""Stands for three bytes that are not UTF-8: half of a surrogate pair, as JavaScript cuts it."""

FIRST, SECOND, LAST = "1" * 16, "2" * 16, "3" * 16


def with_bad_text(content: dict[str, Any], signal: Signal, how: str) -> Telemetry:
    """Read a request in which BAD stands where a text is not valid."""
    if how == "protobuf":
        body = as_protobuf(content, signal).replace(BAD.encode(), HALF_AN_EMOJI)
        return read(body, signal, encoding="protobuf", capture=str)
    text = json.dumps(content)
    escaped = how == "json, escaped"
    body = text.encode().replace(BAD.encode(), b"\\ud83d" if escaped else HALF_AN_EMOJI)
    return read(body, signal, encoding="json", capture=str)


def text_of(value: str) -> list[dict[str, Any]]:
    return attributes({"gen_ai.request.model": "m", "a": value, "b": "kept"})


PLACES: dict[str, Callable[[], dict[str, Any]]] = {
    "value": lambda: request(a_span(attributes=text_of(BAD))),
    "column": lambda: request(a_span({"gen_ai.provider.name": f"x{BAD}"})),
    "key": lambda: request(a_span({BAD: "x"})),
    "list": lambda: request(a_span({"a": ["x", f"{BAD}y"]})),
    "nested": lambda: request(a_span({"a": {"b": {"c": BAD}}})),
    "name": lambda: request(a_span(name=f"chat {BAD}")),
    "state": lambda: request(a_span(traceState=BAD)),
    "status": lambda: request(a_span(status={"code": 2, "message": BAD})),
    "event": lambda: request(a_span(events=[{"name": BAD, "timeUnixNano": str(START)}])),
    "event value": lambda: request(
        a_span(events=[{"name": "e", "timeUnixNano": str(START), "attributes": text_of(BAD)}])
    ),
    "link": lambda: request(
        a_span(links=[{"traceId": TRACE, "spanId": PARENT, "attributes": text_of(BAD)}])
    ),
    "resource": lambda: request(a_span(), service=f"shop{BAD}"),
    "scope": lambda: request(a_span(), scope=f"lib{BAD}"),
}


@pytest.mark.parametrize("how", ["protobuf", "json, escaped", "json, raw"])
@pytest.mark.parametrize("place", PLACES)
def test_half_an_emoji_costs_only_the_text_that_it_is_in(place: str, how: str) -> None:
    content = PLACES[place]()
    spans = content["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[:] = [a_span(spanId=FIRST), {**spans[0], "spanId": SECOND}, a_span(spanId=LAST)]
    telemetry = with_bad_text(content, "traces", how)
    found = spans_of(telemetry)
    assert [span.span_id for span in found] == [FIRST, SECOND, LAST]
    assert telemetry.losses.refused == {}
    assert telemetry.losses.cuts == {lost.INVALID_TEXT: 1}
    assert "Unicode" in telemetry.losses.reasons[0]
    if place == "value":
        assert found[1].model == "m"
        assert found[1].attributes["b"] == "kept"
        assert set(str(found[1].attributes["a"])) == {"\N{REPLACEMENT CHARACTER}"}
    for span in found:
        json.dumps(span.attributes).encode()
        assert span.scope is not None and span.scope.startswith("lib")


@pytest.mark.parametrize("how", ["protobuf", "json, escaped", "json, raw"])
def test_half_an_emoji_in_a_log_record_costs_only_itself(how: str) -> None:
    records = [
        {"body": {"stringValue": BAD}, "severityText": "info"},
        {"body": {"stringValue": "good"}, "attributes": text_of(BAD)},
        {"body": {"stringValue": "level"}, "severityText": BAD},
        {"body": {"stringValue": "last"}},
    ]
    content = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    telemetry = with_bad_text(content, "logs", how)
    ((_, found),) = telemetry.logs
    assert [log.message for log in found][1:] == ["good", "level", "last"]
    assert found[1].attributes["b"] == "kept"
    assert telemetry.losses.refused == {}
    assert telemetry.losses.cuts == {lost.INVALID_TEXT: 1 if how == "json, raw" else 3}


@pytest.mark.parametrize("how", ["protobuf", "json, escaped", "json, raw"])
def test_half_an_emoji_in_a_metric_costs_only_itself(how: str) -> None:
    point = {"asInt": "5", "timeUnixNano": str(START)}
    labelled = {**point, "attributes": text_of(BAD)}
    metrics = [
        {"name": f"a{BAD}", "gauge": {"dataPoints": [point]}},
        {"name": "b", "unit": BAD, "sum": {"dataPoints": [labelled, point]}},
        {"name": "c", "description": BAD, "gauge": {"dataPoints": [point]}},
    ]
    content = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    telemetry = with_bad_text(content, "metrics", how)
    ((_, found),) = telemetry.metrics
    assert [metric.value for metric in found] == [5.0] * 4
    assert [metric.name for metric in found][1:] == ["b", "b", "c"]
    assert found[1].labels["b"] == "kept"


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_a_parent_of_zeros_is_none(encoding: Encoding) -> None:
    content = request(a_span(parentSpanId="0" * 16))
    body = (
        as_protobuf(content, "traces") if encoding == "protobuf" else json.dumps(content).encode()
    )
    telemetry = read(body, "traces", encoding=encoding, capture=str)
    (span,) = spans_of(telemetry)
    assert span.parent_id is None
    assert telemetry.losses.cuts == {}


IN_JSON: list[tuple[dict[str, Any], str]] = [
    ({"parentSpanId": "ab"}, lost.INVALID_ID),
    ({"parentSpanId": 5}, lost.INVALID_ID),
    ({"kind": "SPAN_KIND_TELEPATHY"}, lost.UNKNOWN_ENUM),
    ({"kind": 99}, lost.UNKNOWN_ENUM),
    ({"kind": [3]}, lost.UNKNOWN_ENUM),
    ({"status": {"code": 7}}, lost.UNKNOWN_ENUM),
    ({"status": {"code": "STATUS_CODE_MAYBE"}}, lost.UNKNOWN_ENUM),
    ({"status": "bad"}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": "soon"}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": -5}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": 2**70}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": 1.5}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": "1.5"}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": "1e999"}, lost.INVALID_VALUE),
    ({"startTimeUnixNano": True}, lost.INVALID_VALUE),
    ({"endTimeUnixNano": "9" * 5_000}, lost.INVALID_VALUE),
    ({"endTimeUnixNano": "2026-11-27T10:00:00Z"}, lost.INVALID_VALUE),
    ({"endTimeUnixNano": -5}, lost.INVALID_VALUE),
    ({"flags": 2**40}, lost.INVALID_VALUE),
    ({"name": 5}, lost.INVALID_VALUE),
    ({"name": {"a": 1}}, lost.INVALID_VALUE),
    ({"attributes": {"key": "no list"}}, lost.INVALID_VALUE),
    ({"attributes": ["text", {"key": "b", "value": {"stringValue": "kept"}}]}, lost.INVALID_VALUE),
    ({"events": 5}, lost.INVALID_VALUE),
    ({"events": [[]]}, lost.INVALID_VALUE),
    ({"links": [{"traceId": "xyz", "spanId": PARENT}]}, lost.INVALID_ID),
]


@pytest.mark.parametrize(("wrong", "cause"), IN_JSON, ids=str)
def test_a_bad_field_in_json_costs_only_itself(wrong: dict[str, Any], cause: str) -> None:
    content = request(a_span(spanId=FIRST), a_span(**wrong), a_span(spanId=LAST))
    telemetry = read_json(content)
    assert [span.status for span in spans_of(telemetry)] == ["ok"] * 3
    assert telemetry.losses.refused == {}
    assert cause in telemetry.losses.cuts
    assert telemetry.losses.reasons


def test_an_end_may_be_absent_in_json_in_any_form() -> None:
    for absent in (None, "", 0, "0", []):
        (span,) = spans_of(read_json(request(a_span(endTimeUnixNano=absent))))
        assert span.status == "running"


@pytest.mark.parametrize(
    "value",
    [
        {"intValue": "1e9999"},
        {"intValue": str(2**63)},
        {"intValue": 2**70},
        {"intValue": 1.5},
        {"intValue": True},
        {"doubleValue": "many"},
        {"doubleValue": {}},
        {"boolValue": "yes"},
        {"stringValue": 5},
        {"bytesValue": "!"},
        {"bytesValue": 5},
        {"arrayValue": 5},
        {"arrayValue": {"values": {"a": 1}}},
        {"kvlistValue": {"values": [5]}},
        "no object",
        [1],
    ],
    ids=str,
)
def test_a_bad_attribute_in_json_costs_only_itself(value: Any) -> None:
    pairs = [*attributes({"a": 1}), {"key": "bad", "value": value}, *attributes({"z": "kept"})]
    telemetry = read_json(request(a_span(attributes=pairs)))
    (span,) = spans_of(telemetry)
    assert (span.attributes["a"], span.attributes["z"]) == (1, "kept")
    assert telemetry.losses.cuts == {lost.INVALID_VALUE: 1}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"intValue": str(2**63 - 1)}, 2**63 - 1),
        ({"intValue": str(-(2**63))}, -(2**63)),
        ({"intValue": 5.0}, 5),
        ({"doubleValue": 5}, 5.0),
        ({"doubleValue": "-Infinity"}, float("-inf")),
        ({"bytesValue": "AAEC"}, "[3 bytes]"),
        ({"bytesValue": "-_8"}, "[2 bytes]"),
        ({"stringValue": "a\0b"}, "a\0b"),
        ({"arrayValue": {}}, []),
        ({"arrayValue": {"values": [None, {}]}}, [None, None]),
    ],
    ids=str,
)
def test_an_unusual_value_in_json_is_one_all_the_same(value: Any, kept: Any) -> None:
    telemetry = read_json(request(a_span(attributes=[{"key": "a", "value": value}])))
    (span,) = spans_of(telemetry)
    assert span.attributes["a"] == kept
    assert telemetry.losses.cuts == {}


def test_json_may_have_raw_line_breaks_long_numbers_and_nan() -> None:
    body = json.dumps(request(a_span({"a": "x\ny", "n": 1}))).replace("\\n", "\n")
    body = body.replace('{"intValue": "1"}', '{"doubleValue": NaN, "unknown": ' + "9" * 5_000 + "}")
    (span,) = spans_of(read(body.encode(), "traces", encoding="json", capture=str))
    assert span.attributes["a"] == "x\ny"


def test_what_is_no_object_in_json_is_left_out_alone() -> None:
    good = request(a_span(spanId=FIRST))["resourceSpans"][0]
    content = {"resourceSpans": [5, None, {"scopeSpans": [[], *good["scopeSpans"]]}, good]}
    telemetry = read_json(content)
    assert [span.span_id for span in spans_of(telemetry)] == [FIRST, FIRST]
    assert telemetry.losses.cuts == {lost.INVALID_VALUE: 3}
    telemetry = read_json(request(5, a_span(), None))
    assert len(spans_of(telemetry)) == 1


@pytest.mark.parametrize("depth", [31, 60, 1_000, 30_000])
@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_a_value_that_is_nested_too_deeply_costs_only_itself(
    depth: int, encoding: Encoding
) -> None:
    spans = [a_span(spanId=FIRST), a_span({"b": "kept"}, spanId=SECOND), a_span(spanId=LAST)]
    if encoding == "protobuf":
        body = in_protobuf(request(*spans), 1, with_bytes(9, tagged(b"deep", nested(depth))))
    else:
        deep = '{"arrayValue":{"values":[' * depth + "]}}" * depth
        text = json.dumps(request(*spans))
        mark = '{"key": "b"'
        body = text.replace(mark, f'{{"key":"deep","value":{deep}}},{mark}').encode()
    telemetry = read(body, "traces", encoding=encoding, capture=str)
    found = spans_of(telemetry)
    assert [span.span_id for span in found] == [FIRST, SECOND, LAST]
    assert found[1].attributes["b"] == "kept"
    assert telemetry.losses.refused == {}
    assert telemetry.losses.cuts == ({} if depth == 31 else {lost.TOO_DEEP: 1})


BY_HAND = {
    "cut off attribute": with_bytes(9, b"\x0a\x7fshort"),
    "group": with_bytes(9, b"\x0b\x0c"),
    "field without number": with_bytes(9, b"\x00\x01"),
    "number of eleven bytes": with_bytes(9, b"\x10" + b"\xff" * 11),
    "long tag": with_bytes(9, b"\x8a\x80\x80\x80\x80\x80\x00\x01k"),
    "text in place of a number": with_bytes(6, b"client"),
    "number in place of an attribute": b"\x48\x05",
    "cut off event": with_bytes(11, b"\x12\x05"),
    "not a link": with_bytes(13, b"\xff\xff\xff"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_bad_field_in_protobuf_costs_only_itself(name: str) -> None:
    spans = [a_span(spanId=FIRST), a_span({"b": "kept"}, spanId=SECOND), a_span(spanId=LAST)]
    body = in_protobuf(request(*spans), 1, BY_HAND[name])
    telemetry = read(body, "traces", encoding="protobuf", capture=str)
    found = spans_of(telemetry)
    assert [span.span_id for span in found] == [FIRST, SECOND, LAST]
    assert found[1].attributes["b"] == "kept"
    assert telemetry.losses.refused == {}


def test_a_span_whose_end_is_missing_keeps_what_came_before() -> None:
    spans = [a_span(spanId=FIRST), a_span({"b": "kept"}, spanId=SECOND), a_span(spanId=LAST)]
    body = in_protobuf(request(*spans), 1, b"\x4a\x7f")
    found = spans_of(telemetry := read(body, "traces", encoding="protobuf", capture=str))
    assert [span.span_id for span in found] == [FIRST, SECOND, LAST]
    assert telemetry.losses.cuts == {lost.INVALID_VALUE: 1}


def test_a_value_with_too_many_others_costs_only_itself() -> None:
    bomb = with_bytes(9, tagged(b"bomb", with_bytes(5, b"\x0a\x00" * 50_000)))
    spans = [a_span(spanId=FIRST), a_span({"b": "kept"}, spanId=SECOND), a_span(spanId=LAST)]
    telemetry = read(
        in_protobuf(request(*spans), 1, bomb), "traces", encoding="protobuf", capture=str
    )
    found = spans_of(telemetry)
    assert [span.span_id for span in found] == [FIRST, SECOND, LAST]
    assert found[1].attributes["b"] == "kept"
    assert telemetry.losses.cuts == {lost.TOO_MANY_VALUES: 1}


def test_a_bad_scope_costs_no_other_scope() -> None:
    good = as_protobuf(request(a_span(spanId=FIRST)), "traces")
    bad = with_bytes(1, with_bytes(2, with_bytes(1, b"\x0a\x03lib") + b"\x12\x7f"))
    telemetry = read(good + bad + good, "traces", encoding="protobuf", capture=str)
    assert [span.span_id for span in spans_of(telemetry)] == [FIRST, FIRST]
    assert telemetry.losses.refused == {lost.INVALID_ITEM: 1}


MESSAGES = 151
FLATTENED = {
    f"llm.input_messages.{number}.message.{part}": part
    for number in range(MESSAGES)
    for part in ("role", "content")
}
COLUMNS = {
    "llm.model_name": "gpt-5",
    "llm.token_count.prompt": 900,
    "llm.token_count.completion": 40,
    "llm.token_count.prompt_details.cache_write": 7,
    "llm.cost.total": 0.25,
    "openinference.span.kind": "LLM",
    "gen_ai.response.id": "r1",
    "session.id": "s1",
    "langfuse.observation.level": "ERROR",
    "langfuse.observation.status_message": "no",
}


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_columns_are_filled_however_many_messages_come_first(encoding: Encoding) -> None:
    content = request(a_span({**FLATTENED, **COLUMNS}))
    body = (
        as_protobuf(content, "traces") if encoding == "protobuf" else json.dumps(content).encode()
    )
    telemetry = read(body, "traces", encoding=encoding, capture=str)
    (span,) = spans_of(telemetry)
    assert (span.model, span.input_tokens, span.output_tokens) == ("gpt-5", 900, 40)
    assert (span.cost, span.cost_source) == (250_000, "reported")
    assert span.attributes["gen_ai.usage.cache_write.input_tokens"] == 7
    assert span.attributes["gen_ai.operation.name"] == "chat"
    assert span.attributes["gen_ai.response.id"] == "r1"
    assert span.attributes["gen_ai.conversation.id"] == "s1"
    assert (span.status, span.error_message) == ("error", "no")
    messages = [name for name in span.attributes if name.startswith("llm.input_messages.")]
    assert messages == list(FLATTENED)[:256]
    assert span.attributes["tracebot.dropped.attributes"] == 2 * MESSAGES - 256
    assert telemetry.losses.cuts == {lost.TOO_MANY_ATTRIBUTES: 2 * MESSAGES - 256}


def test_an_exception_is_kept_however_many_events_there_are() -> None:
    raised = {"name": "exception", "attributes": attributes({"exception.type": "ValueError"})}
    chunks = [{"name": "chunk", "attributes": attributes({"n": n})} for n in range(200)]
    for events in ([*chunks[:128], raised], [raised, *chunks], [*chunks[:99], raised, *chunks]):
        sent = a_span(status={"code": 2}, events=events)
        telemetry = read_json(request(sent))
        (span,) = spans_of(telemetry)
        assert span.error_type == "ValueError"
        names = [event["name"] for event in span.events]
        assert (len(names), names.count("exception")) == (128, 1)
        assert span.events[-1]["attributes"] in ({"exception.type": "ValueError"}, {"n": 199})
        left_out = len(events) - 128
        assert span.attributes["tracebot.dropped.events"] == left_out
        assert telemetry.losses.cuts == {lost.TOO_MANY_EVENTS: left_out}


def test_an_exception_with_many_attributes_keeps_its_own() -> None:
    many = {f"local.{number}": number for number in range(500)}
    raised = attributes({**many, "exception.type": "ValueError", "exception.message": "no"})
    sent = a_span(status={"code": 2}, events=[{"name": "exception", "attributes": raised}])
    (span,) = spans_of(read_json(request(sent)))
    assert span.error_type == "ValueError"
    kept = span.events[0]["attributes"]
    assert (kept["exception.message"], kept["tracebot.dropped.attributes"]) == ("no", 244)


def test_an_attribute_without_a_name_is_left_out_and_the_last_of_two_counts() -> None:
    pairs = [*attributes({"": "nothing", "a": 1}), *attributes({"a": 2})]
    telemetry = read_json(request(a_span(attributes=pairs)))
    (span,) = spans_of(telemetry)
    assert span.attributes == {"service.name": "shop", "a": 2}
    assert telemetry.losses.cuts == {lost.NO_NAME: 1}


@pytest.mark.parametrize("point", [{}, {"asInt": "x"}, {"asDouble": "NaN"}, {"asDouble": "inf"}])
def test_a_data_point_without_a_number_is_not_zero(point: dict[str, Any]) -> None:
    found = metrics_of({"name": "up", "gauge": {"dataPoints": [point, {"asInt": 1}]}})
    assert [metric.value for metric in found] == [1.0]


def test_a_series_that_ended_and_a_histogram_without_a_sum_lose_nothing() -> None:
    ended = {"flags": 1, "timeUnixNano": str(START)}
    content = [
        {"name": "up", "gauge": {"dataPoints": [ended]}},
        {"name": "wait", "histogram": {"dataPoints": [{"count": "4"}]}},
    ]
    sent = {"resourceMetrics": [{"scopeMetrics": [{"metrics": content}]}]}
    telemetry = read_json(sent, "metrics")
    ((_, found),) = telemetry.metrics
    assert [(metric.name, metric.value) for metric in found] == [("wait.count", 4.0)]
    assert telemetry.losses.cuts == {}


def test_a_log_record_with_ids_of_zeros_or_rubbish_is_kept_without_them() -> None:
    records = [
        {"traceId": "0" * 32, "spanId": "0" * 16, "body": {"stringValue": "zeros"}},
        {"traceId": "xyz", "spanId": "ab", "body": {"stringValue": "rubbish"}},
    ]
    sent = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    telemetry = read_json(sent, "logs")
    ((_, found),) = telemetry.logs
    ids = [(log.message, log.trace_id, log.span_id) for log in found]
    assert ids == [("zeros", None, None), ("rubbish", None, None)]
    assert telemetry.losses.cuts == {lost.INVALID_ID: 2}


def span_bytes(span: dict[str, Any]) -> bytes:
    body = as_protobuf(request(span), "traces")
    message = trace_service.ExportTraceServiceRequest.FromString(body)
    encoded: bytes = message.resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    return encoded


DAMAGED = span_bytes(
    a_span(
        {"gen_ai.request.model": "m", "a": [1, {"b": "c"}], "d": 0.5, "e": "ü"},
        spanId=SECOND,
        events=[{"name": "exception", "attributes": attributes({"exception.type": "E"})}],
        links=[{"traceId": TRACE, "spanId": PARENT}],
        status={"code": 2, "message": "no"},
    )
)
NEIGHBOUR = {number: span_bytes(a_span({"b": "kept"}, spanId=number)) for number in (FIRST, LAST)}


@settings(max_examples=150, deadline=None)
@given(
    damage=st.lists(st.tuples(st.integers(0, len(DAMAGED) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(DAMAGED)),
    inserted=st.binary(max_size=8),
)
def test_random_damage_costs_no_neighbour(
    damage: list[tuple[int, int]], cut: int, inserted: bytes
) -> None:
    damaged = bytearray(DAMAGED)
    for at, byte in damage:
        damaged[at] = byte
    middle = bytes(damaged[:cut]) + inserted + bytes(damaged[cut:])
    pieces = (NEIGHBOUR[FIRST], middle, middle[:cut], NEIGHBOUR[LAST])
    spans = b"".join(with_bytes(2, piece) for piece in pieces)
    body = with_bytes(1, with_bytes(2, spans))
    telemetry = read(body, "traces", encoding="protobuf", capture=str)
    found: list[Span] = spans_of(telemetry)
    assert (found[0].span_id, found[-1].span_id) == (FIRST, LAST)
    assert found[0].attributes["b"] == found[-1].attributes["b"] == "kept"
    assert len(found) + telemetry.losses.refused.total() == 4
    for span in found:
        json.dumps(span.attributes).encode()


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["attributes", "events", "links", "status", "kind", "name", "parentSpanId"]),
    st.sampled_from([*"ab"]),
)
def test_whatever_stands_in_a_field_costs_no_other(value: Any, where: str, inner: str) -> None:
    fields = {where: value}
    if where == "attributes" and inner == "b":
        fields = {where: [{"key": "x", "value": value}, *attributes({"b": "kept"})]}
    spans = (a_span(spanId=FIRST), a_span(spanId=SECOND, **fields), a_span(spanId=LAST))
    telemetry = read_json(request(*spans))
    assert [span.span_id for span in spans_of(telemetry)] == [FIRST, SECOND, LAST]
    assert telemetry.losses.refused == {}
