"""Ratings of traces, as people and scripts are shown them."""

import json

import pytest

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.render import json_output as as_json
from reports.render import terminal
from reports.render.slack import render
from reports.views.views import View
from storage import Observability
from storage.model.records import FEEDBACK
from tests.support.factories import ALICE, BOB, GENERAL, NOW, TEAM, record_an_hour

PARSER, _ = build_parser(prog="tracebot", shell=True)
NAMES = {ALICE: "@alice", BOB: "@bob"}


@pytest.fixture
def rated(observability: Observability) -> str:
    """Return the id of a trace that two people and a program rated."""
    trace_id = record_an_hour(observability)["question"]
    for name, user, value, text in (
        (FEEDBACK, ALICE, 1.0, None),
        (FEEDBACK, BOB, 0.0, "It <!channel> did not\nread the news."),
        ("accuracy", "judge", 0.7, None),
    ):
        observability.record_score(trace_id, name=name, user=user, value=value, text=text)
        observability.flush()
    return trace_id


def ask(observability: Observability, *command: str, viewer: Viewer | None = None) -> View:
    names = Viewer(name_of=lambda by, key: NAMES.get(key, key))
    return answer(
        parse(PARSER, command),
        database=observability.database,
        viewer=viewer or names,
        now=NOW,
    )


def test_show_tells_who_rated_the_answer_and_why(observability: Observability, rated: str) -> None:
    view = ask(observability, "show", rated)
    shown = "👍 @alice\n👎 @bob: It &lt;!channel&gt; did not read the news.\naccuracy 0.7 judge"
    assert shown in [block.get("text", {}).get("text") for block in render(view)]
    assert "  👎 @bob: It <!channel> did not read the news.\n" in terminal.render(view)


def test_scripts_are_told_the_scores_of_traces(observability: Observability, rated: str) -> None:
    scores = json.loads(as_json.render(ask(observability, "show", rated)))["trace"]["scores"]
    assert scores[:2] == [
        {"name": FEEDBACK, "user_id": ALICE, "value": 1.0, "label": None, "reason": None},
        {
            "name": FEEDBACK,
            "user_id": BOB,
            "value": 0.0,
            "label": None,
            "reason": "It <!channel> did not\nread the news.",
        },
    ]
    for command in (["ls", "--channel", GENERAL], ["search", "news"]):
        told = json.loads(as_json.render(ask(observability, *command)))["traces"]
        assert {each["trace_id"]: len(each["scores"]) for each in told}[rated] == 3
    (total,) = [
        json.loads(as_json.render(ask(observability, "stats", "--by", "model")))["groups"][0]
    ]
    assert (total["thumbs_up"], total["thumbs_down"]) == (1, 1)


def test_nobody_is_told_the_reason_of_a_trace_that_they_may_not_see(
    observability: Observability, rated: str
) -> None:
    outsider = Viewer(audiences=frozenset(["T9"]), team="T9")
    for command in (["show", rated], ["ls"], ["ls", "feedback:down"], ["search", "news"]):
        view = ask(observability, *command, viewer=outsider)
        assert "read the news" not in as_json.render(view)
    seen = ask(observability, "ls", "feedback:down", viewer=Viewer(audiences=frozenset([TEAM])))
    assert "read the news" in as_json.render(seen)
