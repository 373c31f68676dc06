"""The first digits of ids: the same in every answer, and enough for every command."""

import pytest

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.render import slack, terminal
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.model.batch import Batch
from storage.model.records import Log
from storage.model.span import Span
from storage.queries.lookups import short_ids
from storage.store.batch import store
from tests.support.factories import GENERAL, MINUTE, NOW, TEAM, THREAD

PARSER, _ = build_parser(prog="tracebot", shell=True)
LISTS = ("ls", "slow", "errors", "logs", "search broken", "digest now", "thread", "why {id}")
OURS = ("019ab93c4d5e6f70" + "1" * 16, "019ab93c4d5e6f71" + "2" * 16)
PADDED = ("0" * 16 + "a" * 16, "0" * 16 + "b" * 16)
"""Ids of programs whose own ones have only 64 bits."""


def failure(trace_id: str, number: int) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=f"{number + 1:016x}",
        name="slack message",
        status="error",
        started_at=NOW - 5 * MINUTE,
        ended_at=NOW - 4 * MINUTE,
        duration_ns=MINUTE,
        platform="slack",
        team=TEAM,
        audience=TEAM,
        channel=GENERAL,
        thread_ts=THREAD,
        message_ts=THREAD,
        agent="claude",
        text="is it broken?",
        decision="answer",
        reason="mentioned",
        error_type=f"crash {number}",
        error_message="broken",
    )


def said(observability: Observability, words: str) -> str:
    args = parse(PARSER, words.split())
    view = answer(args, database=observability.database, viewer=Viewer(), now=NOW)
    return terminal.render(view) + str(slack.render(view))


@pytest.mark.parametrize(("ids", "shown"), [(OURS, 16), (PADDED, 32)], ids=["ours", "padded"])
def test_ids_are_as_short_everywhere_unless_they_were_not_unique(
    observability: Observability, ids: tuple[str, str], shown: int
) -> None:
    logs = [
        Log(
            level="info",
            message="began",
            attributes={},
            recorded_at=NOW - MINUTE,
            trace_id=trace_id,
            span_id=None,
        )
        for trace_id in ids
    ]
    spans = [failure(trace_id, number) for number, trace_id in enumerate(ids)]
    assert store(observability.database, Batch("test:1", 1, spans=spans, logs=logs))
    for words in LISTS:
        told = said(observability, words.format(id=ids[0]))
        assert f"{ids[0][:shown]} " in told.replace("`", " "), words
    assert "is it broken?" in said(observability, f"show {ids[0][:shown]}")


def test_a_list_is_as_long_as_a_shell_asks_for(observability: Observability) -> None:
    spans = [failure(f"{number:016x}{'7' * 16}", number) for number in range(1, 1202)]
    assert store(observability.database, Batch("test:1", 1, spans=spans))
    args = parse(PARSER, ["ls", "-n", "5000"])
    view = answer(args, database=observability.database, viewer=Viewer(), now=NOW)
    assert isinstance(view, TraceListView)
    assert len(view.lines) == 1201
    assert {len(line.short_id) for line in view.lines} == {16}
    # One that only the last of the ids collides with makes all of them whole.
    other = failure(spans[-1].trace_id[:16] + "8" * 16, 5000)
    assert store(observability.database, Batch("test:1", 2, spans=[other]))
    found = short_ids(observability.database, [span.trace_id for span in spans])
    assert {len(short) for short in found.values()} == {32}
