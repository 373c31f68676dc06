"""*Show traces* of an alert shows what the alert counts."""

import shlex
from dataclasses import replace
from typing import Any

import pytest

from reports.alerts.evaluation import measure, watched
from reports.alerts.grammar import parse_condition
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.views.alerts import alert_view, shows
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.coordination.alert_rules import AlertRule, AlertState
from tests.support.factories import ALICE, GENERAL, MINUTE, NOW, TEAM, FixedSight, record, said

PARSER, _ = build_parser(prog="/trace", shell=False)
TURN = {**said(GENERAL, ALICE, "why?"), "agent": "claude", "decision": "answer"}


def turn(observability: Observability, status: Any, *, minutes: int, ms: int = 900) -> str:
    failed = status not in ("ok", "cancelled")
    error = (status, "It did not end well.") if failed else None
    ago = minutes * MINUTE
    return record(
        observability, "slack message", ago=ago, ms=ms, status=status, error=error, **TURN
    )


def shown(observability: Observability, rule: str) -> set[str]:
    """Return the traces that the button of an alert shows."""
    assert observability.flush()
    words = shlex.split(shows(parse_condition(rule.split())))
    viewer = Viewer(audiences=frozenset({TEAM}), team=TEAM)
    view = answer(parse(PARSER, words), database=observability.database, viewer=viewer, now=NOW)
    assert isinstance(view, TraceListView)
    return {trace.trace_id for trace in view.traces}


def test_the_traces_of_an_error_share_are_all_that_failed(observability: Observability) -> None:
    begun = NOW % (60 * MINUTE) // MINUTE + 50
    failed = {
        turn(observability, status, minutes=minutes)
        for status, minutes in (("error", 10), ("timeout", 20), ("abandoned", 30), ("error", begun))
    }
    turn(observability, "ok", minutes=40)
    rule = "error_rate>20% agent:claude over:1h"
    assert shown(observability, rule) == failed
    kept = AlertRule(
        id="a1b2", team=TEAM, channel=GENERAL, condition=rule, created_by=ALICE, created_at=0
    )
    sights = {GENERAL: FixedSight(frozenset({TEAM}))}
    measured = measure(
        observability.database, watched([kept], sights), agents=dict, health=dict, now=NOW
    )
    assert measured["a1b2"].value == len(failed) / (len(failed) + 1)


@pytest.mark.parametrize(
    ("condition", "value", "title"),
    [
        ("error_rate>20% agent:claude over:1h", 0.5, "Error share of claude: 50%"),
        ("error_rate>20% agent:claude over:1h", None, "Error share of claude: no data now"),
        ("running>15m agent:claude", 20 * MINUTE, "Longest running turn of claude: 20 min 00 s"),
        ("running>15m agent:claude", 0.0, "Longest running turn of claude: none runs now"),
        ("running>15m agent:claude", None, "Longest running turn of claude: no data now"),
        ("no_data agent:claude over:6h", 0.0, "No turn of claude in 6 h"),
        ("database", 1.0, "The database has a problem: see /trace health"),
    ],
)
def test_an_alert_whose_figure_has_gone_says_so(
    condition: str, value: float | None, title: str
) -> None:
    rule = AlertRule(
        id="a1b2",
        team=TEAM,
        channel=GENERAL,
        condition=condition,
        created_by=ALICE,
        created_at=0,
    )
    state = AlertState(rule_id="a1b2", level="alert", told="alert", value=value, begun_at=NOW)
    assert alert_view(rule, state, now=NOW, name_of=lambda by, key: key).title == title
    ended = replace(state, level="ok", told="ok", value=None, since=NOW + 12 * MINUTE)
    said = alert_view(rule, ended, now=NOW, name_of=lambda by, key: key).title
    assert said.endswith(": ok again after 12 min")


def test_the_traces_of_a_latency_are_those_on_its_side_of_the_limit(
    observability: Observability,
) -> None:
    fast = turn(observability, "ok", minutes=2, ms=1_000)
    slow = turn(observability, "ok", minutes=3, ms=40_000)
    assert shown(observability, "p95>30s over:30m") == {slow}
    assert shown(observability, "p95<30s over:30m") == {fast}
