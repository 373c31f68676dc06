"""A trace as a tree: every span is shown once, also if its sender reports broken parents."""

import pytest

from reports.views.trace_tree import trace_view
from storage.model.span import WITHIN, Span
from storage.queries.traces import TraceSummary
from tests.support.factories import NOW

TRACE = TraceSummary(
    **{
        **dict.fromkeys(TraceSummary.__dataclass_fields__),
        "trace_id": "1",
        "name": "turn",
        "status": "ok",
        "started_at": NOW,
        "span_count": 4,
        "error_count": 0,
    }
)


@pytest.mark.parametrize(
    ("parents", "shown"),
    [
        ({"a": None, "b": "a", "c": "b", "d": "a"}, "a0 b1 c2 d1"),
        ({"a": "elsewhere", "b": "a"}, "a0 b1"),
        ({"a": "b", "b": "a"}, "a0 b1"),
        ({"a": "a"}, "a0"),
        ({"a": None, "b": "c", "c": "d", "d": "b", "e": "c"}, "a0 b0 d1 c2 e3"),
    ],
)
def test_every_span_is_shown_once_below_its_parent(
    parents: dict[str, str | None], shown: str
) -> None:
    spans = [
        Span(trace_id="1", span_id=name, name=name, started_at=NOW, parent_id=parent, status="ok")
        for name, parent in parents.items()
    ]
    lines = trace_view(TRACE, spans, now=NOW).spans
    assert " ".join(f"{line.name}{line.depth}" for line in lines) == shown


def test_what_an_agent_reports_is_below_its_attempt_if_the_span_above_was_never_sent() -> None:
    attempt = Span(trace_id="1", span_id="a", name="attempt", started_at=NOW, status="ok")
    call = Span(
        *("1", "b", "call", NOW, "never sent"), status="ok", model="m", attributes={WITHIN: "a"}
    )
    other = Span(trace_id="1", span_id="c", name="other", started_at=NOW, parent_id="never sent")
    lines = trace_view(TRACE, [attempt, other, call], now=NOW).spans
    assert [(line.name, line.depth) for line in lines] == [
        ("attempt", 0),
        ("call", 1),
        ("other", 0),
    ]
