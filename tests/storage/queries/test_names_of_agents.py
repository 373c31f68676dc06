"""Agents that were asked together are found by the name of each, whatever its case."""

from contextlib import closing
from pathlib import Path

import pytest

from reports.alerts.evaluation import measure, watched
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.digest.usual import silent
from reports.views.failures import FailuresView
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.coordination.alert_rules import AlertRule
from storage.database.base import Database
from storage.database.connect import locate
from storage.model.filters import meant
from storage.queries import traces
from storage.queries.statistics import statistics
from tests.support.factories import (
    DAY,
    GENERAL,
    MINUTE,
    NOW,
    SECRET,
    TEAM,
    FixedSight,
    record,
    said,
)
from tests.support.query_plans import plan_of

PARSER, _ = build_parser(prog="tracebot", shell=True)
ASKED = ("a, b", "b", "ab", "b, ab", "Codex", "codex, a", "a")
"""The agents of each trace, oldest first. The trace of the first one failed."""


@pytest.fixture
def recorded(observability: Observability) -> Database:
    for number, agents in enumerate(ASKED):
        steps = [
            (f"invoke_agent {name}", 1, 5, {"agent": name, "model": "gpt-5", "output_tokens": 100})
            for name in agents.split(", ")
        ]
        record(
            observability,
            "slack message",
            ago=(len(ASKED) - number) * MINUTE,
            ms=100,
            steps=steps,
            error=None if number else ("timeout", "a was too slow"),
            status="ok" if number else "error",
            **said(GENERAL, "U1", f"release {number}", agent=agents, decision="answer"),
        )
    assert observability.flush()
    return observability.database


def shown(database: Database, command: str, viewer: Viewer | None = None) -> object:
    args = parse(PARSER, command.split())
    return answer(args, database=database, viewer=viewer or Viewer(), now=NOW)


def agents(database: Database, command: str, viewer: Viewer | None = None) -> list[str | None]:
    view = shown(database, command, viewer)
    assert isinstance(view, TraceListView)
    return [trace.agent for trace in view.traces]


@pytest.mark.parametrize("audiences", [None, frozenset({TEAM})])
def test_a_list_of_an_agent_has_the_turns_that_it_shared(
    recorded: Database, audiences: frozenset[str] | None
) -> None:
    viewer = Viewer(audiences=audiences, team=TEAM)
    for command in ("ls {}", "search release {}", "slow {}"):
        for filters in ("agent:b", "agent:B", "--agent b", "agent:@b"):
            found = agents(recorded, command.format(filters), viewer)
            assert sorted(map(str, found)) == ["a, b", "b", "b, ab"], (command, filters)
    assert agents(recorded, "ls agent:ab", viewer) == ["b, ab", "ab"]
    assert agents(recorded, "ls agent:codex", viewer) == ["codex, a"], "one has just this case"
    assert agents(recorded, "ls agent:CODEX", viewer) == ["codex, a", "Codex"]
    assert agents(recorded, "ls -agent:b -agent:A", viewer) == ["Codex", "ab"]
    assert agents(recorded, "ls agent:nobody", viewer) == []
    assert agents(recorded, "ls agent:a model:GPT-5", viewer) == ["a", "codex, a", "a, b"]
    failures = shown(recorded, "errors agent:B", viewer)
    assert isinstance(failures, FailuresView)
    assert [line.agent for line in failures.lines] == ["a, b"]


def test_a_name_in_traces_of_others_does_not_change_what_a_name_means(
    observability: Observability,
) -> None:
    commands = ("ls agent:CLAUDE", "ls -agent:CLAUDE", "slow agent:CLAUDE", "search x agent:CLAUDE")
    member, database = Viewer(audiences=frozenset({TEAM}), team=TEAM), observability.database
    turn = {"ago": MINUTE, "ms": 100}
    record(observability, "x", **turn, **said(GENERAL, "U1", "x", agent="claude"))
    record(observability, "x", **turn, **said(GENERAL, "U1", "x", agent="codex"))
    assert observability.flush()
    told = {command: agents(database, command, member) for command in commands}
    assert set(map(tuple, told.values())) == {("claude",), ("codex",)}
    record(observability, "x", **turn, **said(SECRET, "U1", "x", agent="CLAUDE"))
    assert observability.flush()
    assert {command: agents(database, command, member) for command in commands} == told
    assert agents(database, "ls agent:CLAUDE") == ["CLAUDE"], "a shell sees it"


@pytest.mark.parametrize("words", ["", "release"])
def test_pages_of_an_agent_are_whole_in_both_directions(recorded: Database, words: str) -> None:
    pages, cursors = [], []
    cursor = ""
    while True:
        view = shown(recorded, f"ls {words} agent:b -n 1 {cursor}")
        assert isinstance(view, TraceListView)
        pages.append([trace.agent for trace in view.traces])
        cursors.append(view.previous)
        if view.next is None:
            break
        cursor = f"--cursor {view.next}"
    assert pages == [["b, ab"], ["b"], ["a, b"]]
    back = [agents(recorded, f"ls {words} agent:b -n 1 --cursor {each}") for each in cursors[1:]]
    assert back == pages[:-1]


def test_statistics_of_an_agent_count_the_turns_that_it_shared_and_its_own_tokens(
    recorded: Database,
) -> None:
    for name in ("b", "B"):
        view = shown(recorded, f"stats agent:{name}")
        assert isinstance(view, StatsView)
        total = view.statistics.total
        assert (total.traces, total.errors, total.output_tokens) == (3, 1, 300)
    for by in ("hour", "day"):
        view = shown(recorded, f"stats agent:B --by {by}")
        assert isinstance(view, StatsView)
        assert sum(group.traces for group in view.statistics.groups) == 3
    view = shown(recorded, "stats --by agent")
    assert isinstance(view, StatsView)
    assert sum(group.traces for group in view.statistics.groups) == len(ASKED)
    view = shown(recorded, "stats model:GPT-5")
    assert isinstance(view, StatsView)
    assert view.statistics.total.output_tokens == 1_000


@pytest.mark.parametrize("window", ["over:30m", "over:1h"])
@pytest.mark.parametrize("sight", [FixedSight(frozenset({TEAM})), None])
def test_an_alert_on_an_agent_watches_the_turns_that_it_shared(
    recorded: Database, window: str, sight: FixedSight | None
) -> None:
    sight = sight or FixedSight(frozenset({TEAM}), channel=GENERAL)
    rules = [
        AlertRule(
            id=agent,
            team=TEAM,
            channel=GENERAL,
            condition=f"count>0 agent:{agent} {window}",
            created_by="U1",
            created_at=NOW,
        )
        for agent in ("b", "ab", "a")
    ]
    found = measure(recorded, watched(rules, {GENERAL: sight}), agents=dict, health=dict, now=NOW)
    assert {key: each.value for key, each in found.items()} == {"b": 3.0, "ab": 2.0, "a": 3.0}


def test_an_agent_that_was_asked_with_another_one_is_not_silent(recorded: Database) -> None:
    busy = statistics(recorded, since=NOW - DAY, until=NOW, by="agent")
    assert [name for name, _ in silent(busy, [busy] * 4)] == []
    none = statistics(recorded, since=NOW - 9 * DAY, until=NOW - 8 * DAY, by="agent")
    assert [name for name, _ in silent(none, [busy] * 4)] == ["a", "b", "ab", "Codex", "codex"]


def test_a_list_of_an_agent_is_read_from_its_index(
    recorded: Database, db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []
    with closing(locate(db_path)) as database:
        monkeypatch.setattr(
            traces, "rows_of", lambda database, query: plans.append(plan_of(database, query)) or []
        )
        traces.recent_traces(database, filters=traces.Filters(agent="b"))
    assert len(plans) == 3
    assert all("tracerow_agent_started_at" in plan for plan in plans)
    assert not any("TEMP B-TREE FOR ORDER BY" in plan for plan in plans)


def test_names_are_meant_whole() -> None:
    stored = ["a, b", "b", "ab", "B", "Sales, EMEA"]
    assert meant("agent", "b", stored) == ("a, b", "b")
    assert meant("agent", "AB", stored) == ("ab",)
    assert meant("agent", "Sales, EMEA", stored) == ("Sales, EMEA",)
    assert meant("model", "b", stored) == ("b",)
    assert meant("agent", "a,", stored) == ()
