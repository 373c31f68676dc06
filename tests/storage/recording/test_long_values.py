"""Texts and numbers that no index and no sum can hold, recorded on a file and on a server."""

import logging
from typing import Any

import pytest

from storage import Observability
from storage.model.span import Span
from storage.store.facts import merge_facts
from storage.store.span_rows import KEPT_FIELDS, NAME_FIELDS

LONG = "".join(map(str, range(5_000)))
"""Hardly compressible, as PostgreSQL compresses what goes into an index."""
RARE = "".join(chr(0x20000 + 7919 * number % 42_000) for number in range(3_000))
"""Each character takes four bytes."""


def counts(observability: Observability) -> dict[str, int]:
    tables = ("spans", "traces", "metrics", "scores")
    rows = (observability.database.fetch(f"SELECT count(*) FROM {each}", ()) for each in tables)
    return {table: found[0][0] for table, found in zip(tables, rows, strict=True)}


@pytest.mark.parametrize("text", [LONG, RARE])
def test_names_of_any_length_are_stored(text: str, any_url: str) -> None:
    with Observability.open(any_url, platform="cli") as observability:
        for name in (*NAME_FIELDS, *KEPT_FIELDS):
            with observability.span("one", **{name: text}) as span:
                span.set(decision="answer", configured_provider="p")
        with observability.span("all", **dict.fromkeys(NAME_FIELDS, text)) as span:
            span.set(audience=text)
            span.fail(text, text)
        observability.record_metric(text, 1.0, {text: text})
        observability.record_score(text, name=text, user=text, value=1.0, source=text)
        assert observability.flush()
        number = len(NAME_FIELDS) + len(KEPT_FIELDS) + 1
        expected = {"spans": number, "traces": number, "metrics": 1, "scores": 1}
        assert counts(observability) == expected


def test_figures_that_nobody_can_have_spent_do_not_stop_the_statistics(any_url: str) -> None:
    huge: dict[str, Any] = {"input_tokens": 2**63 - 1, "output_tokens": 2**62, "cost": 2**62}
    with Observability.open(any_url, platform="cli") as observability:
        for _ in range(3):
            with observability.span("one", model="m", **huge):
                pass
        with observability.span("two", model="m", input_tokens=7):
            pass
        assert observability.flush()
        merge_facts(observability.database)
        rows = observability.database.fetch(
            "SELECT sum(input_tokens) FROM rollups WHERE dimension = 'model' AND level = 'hour'", ()
        )
        assert int(rows[0][0]) == 7


def test_what_a_server_will_never_take_costs_only_itself(
    new_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Observability.open(new_postgres_url, platform="cli") as observability:
        with caplog.at_level(logging.ERROR):
            observability.receive([Span(LONG, "b" * 16, "bad", 1, status="ok", ended_at=1)])
            with observability.span("good"):
                pass
            assert observability.flush()
        assert counts(observability)["spans"] == 1
    assert "refused part of a batch" in caplog.text
