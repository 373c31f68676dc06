"""Rows made in a hurry are those made value by value."""

import copy
import json
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.span import Span
from storage.model.text import storable
from storage.store.span_rows import JSON_FIELDS, SPAN_FIELDS, as_json, scrub, span_rows
from tests.support.secrets import SECRETS


class Colour(Enum):
    RED = "red"


PIECES = st.sampled_from(
    [*SECRETS.values(), "token", "password", "api key", "=", ": ", '"', "\\", "\n", "{", "[", ","]
)
TEXTS = st.one_of(st.text(max_size=30), PIECES, st.lists(PIECES, max_size=6).map("".join))
NAMES = st.one_of(st.sampled_from(["token", "max_tokens", "Password", "a.secret", "n"]), TEXTS)
VALUES = st.recursive(
    st.one_of(
        TEXTS,
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.binary(max_size=4),
        st.just(Colour.RED),
        st.uuids(),
        st.datetimes(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(NAMES, st.integers()), inner, max_size=3),
    ),
    max_leaves=12,
)
ODD = st.one_of(TEXTS, st.sampled_from(["\0", "a\0", "\ud800", "Grüße\udfff"]))
SPANS = st.builds(
    Span,
    trace_id=st.just("a" * 32),
    span_id=st.just("b" * 16),
    name=TEXTS,
    started_at=st.just(1),
    audience=st.one_of(st.none(), ODD),
    agent=st.one_of(st.none(), ODD),
    text=st.one_of(st.none(), TEXTS),
    error_message=st.one_of(st.none(), TEXTS),
    attributes=st.dictionaries(NAMES, VALUES, max_size=4),
    events=st.lists(st.dictionaries(NAMES, VALUES, max_size=2), max_size=2).map(tuple),
    links=st.just(()),
)


def one_by_one(span: Span) -> dict[str, Any]:
    scrub(span)
    values = {name: getattr(span, name) for name in SPAN_FIELDS}
    return values | {name: as_json(values[name]) for name in JSON_FIELDS}


def read(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: json.loads(row[name] or "null") for name in JSON_FIELDS}


@given(st.lists(SPANS, max_size=5))
def test_a_batch_searched_as_one_text_is_stored_as_if_each_value_had_been(
    spans: list[Span],
) -> None:
    expected = [one_by_one(span) for span in copy.deepcopy(spans)]
    rows = [dict(zip(SPAN_FIELDS, row, strict=True)) for row in span_rows(spans)]
    assert [read(row) for row in rows] == [read(row) for row in expected]
    for span, row in zip(spans, expected, strict=True):  # What summaries are made of.
        assert (span.name, span.text, span.error_message) == (
            row["name"],
            row["text"],
            row["error_message"],
        )


@given(st.lists(SPANS, min_size=1, max_size=3))
def test_every_text_of_a_row_can_be_stored(spans: list[Span]) -> None:
    texts = [text for row in span_rows(spans) for text in row if isinstance(text, str)]
    assert [storable(text) for text in texts] == texts


def test_a_secret_in_an_audience_stays_because_it_decides_who_sees_the_span() -> None:
    secret = next(iter(SECRETS.values()))
    span = Span(trace_id="a", span_id="b", name="n", started_at=1, audience=secret + "\0")
    (row,) = span_rows([span])
    assert (
        row[SPAN_FIELDS.index("audience")] == span.audience == f"{secret}\N{REPLACEMENT CHARACTER}"
    )


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("place", ["name", "text", "error_message", "attributes", "events"])
def test_a_secret_in_one_of_many_spans_is_found_wherever_it_is(secret: str, place: str) -> None:
    said = f"first\nthen {secret} and"
    value = {"attributes": {"a": said}, "events": ({"name": "e", "attributes": {"b": said}},)}
    spans = [Span(trace_id="a", span_id=str(n), name="quiet", started_at=n) for n in range(50)]
    setattr(spans[31], place, value.get(place, said))
    stored = str(span_rows(spans))
    assert secret not in stored
    assert stored.count("[redacted:") == 1


@pytest.mark.parametrize(
    "attributes",
    [
        {"password": "x"},
        {"my token": ["a", "b"]},
        {"a": {"api_key": ""}},
        {"secret": {"kept": 1, "cookie": "c"}},
        {"deep": [[[[[[[[[["bottom"]]]]]]]]]]},
        {"long": list(range(2_000))},
        {"huge": 2**80, "nan": float("nan"), "none": None},
        {"text": "x" * 100_000},
        {1: "a", None: "b", 2.5: "c"},
        {"nul": "a\0b", "half": "\ud800"},
        {"colour": Colour.RED},
    ],
)
def test_what_is_not_plain_goes_the_long_way(attributes: dict[Any, Any]) -> None:
    def span() -> Span:
        return Span(trace_id="a", span_id="b", name="n", started_at=1, attributes=attributes)

    (row,) = span_rows([span()])
    assert dict(zip(SPAN_FIELDS, row, strict=True)) == one_by_one(span())
