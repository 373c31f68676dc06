"""What the recording API holds becomes the value that is stored, whatever its attributes are."""

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model import prices
from storage.model.semconv import ATTRIBUTES, FIELDS, INTEGERS, NAMELESS, OLDER, REQUEST_MODEL
from storage.tracing.active_span import ActiveSpan
from storage.writer.span_values import to_span

NAMES = st.one_of(st.sampled_from(sorted(FIELDS)), st.text(max_size=5))
VALUES = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.sampled_from(sorted(NAMELESS)),
    st.integers(),
    st.booleans(),
    st.just("\ud800"),
    st.floats(),
)
ATTRIBUTE_SETS = st.dictionaries(NAMES, VALUES, max_size=12)


def expected(name: str, value: object) -> object:
    if FIELDS[name] not in INTEGERS:
        return value if isinstance(value, str) else str(value)
    if isinstance(value, bool):
        return None
    try:
        number = int(float(value)) if isinstance(value, str) else int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= 10**15 else None


def active(context: dict[str, object], attributes: dict[str, Any]) -> ActiveSpan:
    return ActiveSpan("a step", lambda span: None, context=context, attributes=attributes)


@given(ATTRIBUTE_SETS, ATTRIBUTE_SETS)
def test_known_names_fill_columns_and_the_rest_stay_attributes(
    context: dict[str, object], attributes: dict[str, Any]
) -> None:
    span = active(context, attributes)
    span.end()
    merged = {**span.context, **attributes}
    filled = [name for name, value in merged.items() if name in FIELDS and value is not None]
    # The last of the conventional names counts, else the first of the older ones.
    older = [name for name in reversed(filled) if name in OLDER]
    columns: dict[str, Any] = {
        FIELDS[name]: expected(name, merged[name])
        for name in (*older, *(name for name in filled if name not in OLDER))
    }
    if columns.get("input_tokens") is not None and columns.get("configured_provider") is None:
        cached = columns.get("cached_tokens") or 0
        columns["input_tokens"] += cached if cached > columns["input_tokens"] else 0
    if columns.get("model") in NAMELESS:
        asked = merged.get(REQUEST_MODEL)
        columns["model"] = asked if isinstance(asked, str) and asked not in NAMELESS else None
    for _ in range(2):  # The second time by what was remembered of the first.
        value = to_span(span, process="host:1:1:1", ended=True)
        assert {name: getattr(value, name) for name in ATTRIBUTES} == {
            name: columns.get(name) for name in ATTRIBUTES
        }
        assert list(value.attributes) == [name for name in merged if name not in FIELDS]


def test_a_span_is_its_own_from_id_to_end() -> None:
    parent = ("0" * 31 + "1", "0" * 15 + "2")
    span = ActiveSpan(
        "invoke_agent claude",
        lambda span: None,
        kind="client",
        parent=parent,
        context={"platform": "slack"},
        attributes={"gen_ai.agent.name": "claude", "x": 1},
        scope="library",
    )
    span.event("noted", at="once")
    span.fail("timeout", "too late", status="timeout")
    running = to_span(span, process="host:1:1:1", ended=False)
    span.end()
    value = to_span(span, process="host:1:1:1", ended=True)
    assert (running.status, running.ended_at) == ("running", None)
    assert (value.trace_id, value.parent_id, value.span_id) == (*parent, span.span_id)
    assert (value.name, value.kind, value.status) == ("invoke_agent claude", "client", "timeout")
    assert (value.started_at, value.ended_at) == (span.started_at, span.ended_at)
    assert value.duration_ns == span.duration_ns
    assert (value.platform, value.agent, value.attributes) == ("slack", "claude", {"x": 1})
    assert (value.error_type, value.error_message) == ("timeout", "too late")
    assert [event["name"] for event in value.events] == ["noted"]
    assert (value.scope, value.process, value.entry) == ("library", "host:1:1:1", True)
    assert (value.links, value.received) == ((), False)


CALL = {"model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 100}


@pytest.mark.parametrize("loaded", [True, False])
def test_a_call_of_a_library_has_an_estimate_if_that_waits_for_no_import(
    loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    monkeypatch.setattr(prices, "_loaded", threading.Event())
    monkeypatch.setattr("storage.writer.span_values.load_in_background", asked.set)
    if loaded:
        prices._load()
    call = active({}, {ATTRIBUTES[field]: value for field, value in CALL.items()})
    running = to_span(call, process="p", ended=False)
    assert running.cost is None and asked.is_set()
    call.end()
    ended = to_span(call, process="p", ended=True)
    assert (ended.cost, ended.cost_source) == ((3_500, "estimated") if loaded else (None, None))


@pytest.mark.parametrize(
    "cached",
    [
        {
            "gen_ai.usage.cache_read.input_tokens": 500,
            "gen_ai.usage.cache_creation.input_tokens": 300,
        },
        {
            "gen_ai.usage.input_token_details": "{'cache_read': 500, 'cache_creation': 300}",
        },
        {
            "gen_ai.usage.input_token_details": "{'cache_read': 500, 'cache_creation': 300, "
            "'audio': None}",
        },
        {
            "gen_ai.usage.input_token_details": '{"cache_read": 500, "cache_creation": 300, '
            '"Ann\'s": 1}',
        },
    ],
    ids=["conventions 1.38", "LangSmith", "Python, one unknown", "JSON, an apostrophe"],
)
def test_what_a_library_writes_to_the_cache_has_its_price(cached: dict[str, Any]) -> None:
    prices._load()
    names = {ATTRIBUTES[field]: value for field, value in CALL.items()}
    call = active({}, {**names, ATTRIBUTES["model"]: "claude-sonnet-4-5", **cached})
    call.end()
    # Dollars for a million: 3 for input, 0.30 from the cache, 3.75 to it, 15 for output.
    value = to_span(call, process="p", ended=True)
    assert (value.cost, value.cached_tokens) == (200 * 3 + 150 + 1_125 + 1_500, 500)


def test_tokens_by_kind_are_counted() -> None:
    usage = '{"input": 10, "output": 5, "input_cached_tokens": 3}'
    call = active({}, {"langfuse.observation.usage_details": usage})
    call.end()
    value = to_span(call, process="p", ended=True)
    assert (value.input_tokens, value.output_tokens, value.cached_tokens) == (13, 5, 3)


@pytest.mark.parametrize(("told", "kept"), [(-5, None), (True, None), ("12.0", 12), (3.0, 3)])
def test_a_count_is_a_number_that_is_not_negative(told: object, kept: int | None) -> None:
    call = active({}, {"input_tokens": told})
    call.end()
    assert to_span(call, process="p", ended=True).input_tokens == kept


@pytest.mark.parametrize("model", ["", "unknown"])
def test_an_empty_model_does_not_hide_the_one_that_was_asked_for(model: str) -> None:
    call = active({}, {"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": model})
    call.end()
    assert to_span(call, process="p", ended=True).model == "gpt-4o"


@pytest.mark.parametrize(
    ("cache", "cost"),
    [
        ({"gen_ai.usage.cache_read.input_tokens": 900}, 100 * 3 + 270 + 7 * 15),
        ({"gen_ai.usage.cache_creation_input_tokens": 900}, 100 * 3 + 3_375 + 7 * 15),
        ({"llm.usage.cached_tokens": 900}, 100 * 3 + 270 + 7 * 15),
    ],
)
def test_the_input_of_a_library_that_leaves_out_the_cache_is_completed(
    cache: dict[str, int], cost: int
) -> None:
    prices._load()
    facts = {"model": "claude-sonnet-4-5", "input_tokens": 100, "output_tokens": 7}
    call = active({}, {**{ATTRIBUTES[name]: value for name, value in facts.items()}, **cache})
    call.end()
    value = to_span(call, process="p", ended=True)
    assert (value.input_tokens, value.cost) == (1_000, cost)


def test_the_output_of_a_library_that_leaves_out_thoughts_is_completed() -> None:
    facts = {"input_tokens": 5, "output_tokens": 7, "llm.usage.reasoning_tokens": 50}
    call = active({}, facts)
    call.end()
    assert to_span(call, process="p", ended=True).output_tokens == 57


def test_a_total_shows_that_a_library_leaves_out_the_cache_and_thoughts() -> None:
    usage = {"prompt": 50, "completion": 10, "total": 97, "prompt_details.cache_read": 30}
    usage["completion_details.reasoning"] = 7
    call = active({}, {f"llm.token_count.{name}": tokens for name, tokens in usage.items()})
    call.end()
    value = to_span(call, process="p", ended=True)
    assert (value.input_tokens, value.output_tokens, value.cached_tokens) == (80, 17, 30)


def test_a_library_decides_neither_who_sees_its_span_nor_its_cost() -> None:
    """Names such as `channel` and `cost` are its own: they stay attributes, beside our columns."""
    turn = {"platform": "slack", "audience": "T1/U1", "team": "T1", "channel": "D1", "user": "U1"}
    theirs = {
        "audience": "https://api.example",
        "channel": "general",
        "user": "bob",
        "cost": 0.01,
        "text": "t",
        "reason": "because",
        "model": "car",
        "tracebot.audience": "T1",
    }
    known = {"gen_ai.request.model": "gpt-4o", "gen_ai.agent.name": "helper", "error.type": "x"}
    span = ActiveSpan(
        "call", lambda span: None, context=turn, attributes={**theirs, **known}, scope="library"
    )
    for _ in range(2):  # The second time by what was remembered of the first.
        value = to_span(span, process="p", ended=True)
        assert {name: getattr(value, name) for name in turn} == turn
        assert (value.text, value.reason, value.cost) == (None, None, None)
        assert (value.model, value.agent, value.error_type) == ("gpt-4o", "helper", "x")
        assert value.attributes == theirs
    ours = ActiveSpan("step", lambda span: None, context=turn, attributes={**theirs, **known})
    assert to_span(ours, process="p", ended=True).channel == "general"
    child = ActiveSpan("child", lambda span: None, parent=span)
    assert child.context == {**turn, "agent": "helper"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.cost": 9.2e12},
        {"gen_ai.usage.input_cost": 9.2e12, "gen_ai.usage.output_cost": 9.2e12},
        {"langfuse.observation.usage_details": '{"input": 9223372036854775807, "input_x": 1}'},
        {"gen_ai.usage.input_tokens": 10**15, "gen_ai.usage.cache_write_tokens": 2**62},
    ],
    ids=str,
)
def test_a_figure_that_cannot_be_true_fills_no_column(attributes: dict[str, Any]) -> None:
    span = ActiveSpan("a", lambda span: None, context={}, attributes=attributes, scope="library")
    span.end()
    value = to_span(span, process="p", ended=True)
    assert (value.input_tokens, value.cost, value.cost_source) == (None, None, None)
    assert value.attributes, "what was sent is lost"
