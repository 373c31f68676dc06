"""*Show traces* of an alert shows what the alert counts."""

import shlex
from dataclasses import replace
from typing import Any

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


def test_an_alert_whose_figure_has_gone_says_so() -> None:
    rule = AlertRule(
        id="a1b2",
        team=TEAM,
        channel=GENERAL,
        condition="error_rate>20% agent:claude over:1h",
        created_by=ALICE,
        created_at=0,
    )
    state = AlertState(rule_id="a1b2", level="alert", told="alert", value=0.5, begun_at=NOW)
    titles = [
        alert_view(rule, replace(state, value=value), now=NOW, name_of=lambda by, key: key).title
        for value in (0.5, None)
    ]
    assert titles == ["Error share of claude: 50%", "Error share of claude: no data now"]


def test_the_traces_of_a_latency_are_those_on_its_side_of_the_limit(
    observability: Observability,
) -> None:
    fast = turn(observability, "ok", minutes=2, ms=1_000)
    slow = turn(observability, "ok", minutes=3, ms=40_000)
    assert shown(observability, "p95>30s over:30m") == {slow}
    assert shown(observability, "p95<30s over:30m") == {fast}
