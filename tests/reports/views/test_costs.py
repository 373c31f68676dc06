"""`cost`, `errors`, `slow` and `search`, limited to what the viewer may see."""

import json

import pytest

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.render import json_output as as_json
from reports.render import slack, terminal, tsv
from reports.views.costs import CostView
from reports.views.failures import FailuresView
from reports.views.records import LogsView
from reports.views.trace_list import TraceListView
from reports.views.views import View
from storage import Observability
from storage.model.span import own_audience
from tests.support.factories import (
    ALICE,
    GENERAL,
    MINUTE,
    NOW,
    SECRET,
    TEAM,
    record,
    record_an_hour,
    said,
)

ALICES = Viewer(
    audiences=frozenset({TEAM, own_audience(TEAM, ALICE)}), team=TEAM, user=ALICE, channel=GENERAL
)
"""Alice is not in the private channel."""


def ask(observability: Observability, words: str, viewer: Viewer | None = None) -> View:
    parser, _ = build_parser(prog="tracebot", shell=True)
    asked = parse(parser, words.split())
    return answer(asked, database=observability.database, viewer=viewer or Viewer(), now=NOW)


def cost(
    observability: Observability, words: str = "cost", viewer: Viewer | None = None
) -> CostView:
    view = ask(observability, words, viewer)
    assert isinstance(view, CostView)
    return view


def errors(observability: Observability, viewer: Viewer | None = None) -> FailuresView:
    view = ask(observability, "errors", viewer)
    assert isinstance(view, FailuresView)
    return view


def spend(
    observability: Observability,
    model: str | None,
    *,
    cost: int | None,
    tokens: int = 1_000,
    channel: str = GENERAL,
    agent: str = "claude",
    ago: int = MINUTE,
) -> None:
    call = {"agent": agent, "configured_provider": "x", "provider": "x", "model": model}
    spent = {"input_tokens": tokens, "output_tokens": tokens // 10, "cost": cost}
    record(
        observability,
        "slack message",
        ago=ago,
        ms=10,
        steps=(("attempt x", 1, 5, call | spent),),
        **said(channel, ALICE, "hm?", agent=agent),
    )
    assert observability.flush()


def test_cost_is_by_model_and_by_agent_most_expensive_first(observability: Observability) -> None:
    spend(observability, "small", cost=1_000)
    spend(observability, "large", cost=3_000, agent="codex")
    view = cost(observability)
    assert [(each.key, each.cost) for each in view.models] == [("large", 3_000), ("small", 1_000)]
    assert [(each.key, each.cost) for each in view.agents] == [("codex", 3_000), ("claude", 1_000)]
    assert view.total.cost == 4_000
    ((_, models), _) = view.lines
    assert [line.share for line in models] == ["75.0%", "25.0%", "100.0%"]


def test_a_model_without_a_price_is_named_and_its_cost_is_not_zero(
    observability: Observability,
) -> None:
    spend(observability, "priced", cost=2_000)
    spend(observability, "qwen3:8b", cost=None, tokens=5_000)
    view = cost(observability)
    assert [each.key for each in view.unpriced] == ["qwen3:8b"]
    assert "qwen3:8b (5.0k → 500 tokens)" in view.note
    shown = terminal.render(view)
    (line,) = [line for line in shown.splitlines() if line.startswith("qwen3")]
    assert line.split()[-2:] == ["–", "–"]
    assert "$0.00" not in line
    told = json.loads(as_json.render(view))
    assert told["unpriced"] == ["qwen3:8b"]
    assert told["models"][1]["cost_usd"] is None


def test_statistics_by_model_name_models_without_a_price(observability: Observability) -> None:
    spend(observability, "priced", cost=2_000)
    spend(observability, "qwen3:8b", cost=None)
    view = ask(observability, "stats --by model")
    for shown in (terminal.render(view), str(slack.render(view))):
        assert "No cost known for qwen3:8b (1.0k → 100 tokens)" in shown
        assert "$0.00 " not in shown
    assert "No cost known" not in terminal.render(ask(observability, "stats --by agent"))


def test_calls_without_a_model_are_in_the_totals(observability: Observability) -> None:
    spend(observability, "known", cost=2_000)
    spend(observability, None, cost=500, tokens=40)
    spend(observability, None, cost=None, tokens=60)
    view = cost(observability)
    assert [(each.key, each.input_tokens, each.cost) for each in view.models] == [
        ("known", 1_000, 2_000),
        ("unnamed model", 100, 500),
    ]


def test_calls_without_an_agent_are_in_the_totals(observability: Observability) -> None:
    spend(observability, "known", cost=2_000)
    record(observability, "chat", ago=MINUTE, ms=5, model="known", input_tokens=7, cost=3)
    assert observability.flush()
    view = cost(observability)
    assert [(each.key, each.input_tokens, each.cost) for each in view.agents] == [
        ("claude", 1_000, 2_000),
        ("no agent", 7, 3),
    ]


def test_no_cost_is_shown_if_nothing_was_spent(observability: Observability) -> None:
    record_an_hour(observability)
    nobody = Viewer(audiences=frozenset({"T9"}))
    view = cost(observability, viewer=nobody)
    assert (view.models, view.agents, view.total.cost) == ((), (), None)
    assert "$" not in terminal.render(view)


def test_cost_covers_the_period_of_since(observability: Observability) -> None:
    spend(observability, "old", cost=9_000, ago=3 * 24 * 60 * MINUTE)
    spend(observability, "new", cost=1_000)
    assert cost(observability).total.cost == 10_000
    view = cost(observability, "cost --since 24h")
    assert view.total.cost == 1_000
    assert view.title == "Cost of the last 24 hours"


def test_cost_and_errors_include_only_traces_that_the_viewer_may_see(
    observability: Observability,
) -> None:
    spend(observability, "open", cost=1_000)
    spend(observability, "hidden", cost=9_000, channel=SECRET)
    assert [each.key for each in cost(observability, viewer=ALICES).models] == ["open"]
    assert cost(observability, viewer=ALICES).total.cost == 1_000
    record(
        observability,
        "slack message",
        ago=MINUTE,
        ms=10,
        status="error",
        error=("secret_error", "hidden"),
        **said(SECRET, ALICE, "the plans?", agent="claude"),
    )
    assert observability.flush()
    assert [line.error_type for line in errors(observability).lines] == ["secret_error"]
    assert errors(observability, viewer=ALICES).lines == ()
    assert "Nothing failed" in terminal.render(errors(observability, viewer=ALICES))


def test_errors_and_slow_check_each_trace_with_the_viewer(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    viewer = Viewer(may_see=lambda trace: trace.trace_id not in (ids["follow-up"], ids["command"]))
    assert errors(observability, viewer=viewer).lines == ()
    slow = ask(observability, "slow", viewer)
    assert isinstance(slow, TraceListView)
    assert [trace.trace_id for trace in slow.traces[:1]] == [ids["question"]]


def test_failures_are_counted_by_error_and_agent_with_the_latest_trace(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    earlier = record(
        observability,
        "slack message",
        ago=50 * MINUTE,
        ms=30_000,
        status="timeout",
        error=("timeout", "claude did not answer within 30 s."),
        **said(GENERAL, ALICE, "hm?", agent="claude"),
    )
    assert observability.flush()
    first, second = errors(observability).failures
    assert (first.error_type, first.agent, first.traces) == ("timeout", "claude", 2)
    assert (first.latest.trace_id, first.latest.name) == (ids["follow-up"], "attempt claude")
    assert earlier != first.latest.trace_id
    assert (second.error_type, second.agent, second.traces) == ("exit_code", None, 1)
    (told, _) = json.loads(as_json.render(errors(observability)))["errors"]
    assert told["latest"]["trace_id"] == ids["follow-up"]
    assert told["traces"] == 2


def test_a_failed_attempt_is_counted_even_if_another_provider_answered(
    observability: Observability,
) -> None:
    quota = ("quota", "The account has no credit left.")
    record(
        observability,
        "slack message",
        ago=MINUTE,
        ms=900,
        status="error",
        steps=(("attempt claude", 1, 5, {"failure": quota}), ("attempt codex", 6, 5, {})),
        **said(GENERAL, ALICE, "hm?", agent="helper"),
    )
    assert observability.flush()
    (failure,) = errors(observability).failures
    assert (failure.error_type, failure.agent) == ("quota", "helper")


def test_slow_lists_the_slowest_of_the_period_first(observability: Observability) -> None:
    ids = record_an_hour(observability)
    slow = ask(observability, "slow --since 9m")
    assert isinstance(slow, TraceListView)
    names = {id: name for name, id in ids.items()}
    shown = [names[trace.trace_id] for trace in slow.traces]
    assert shown == ["command", "follow-up", "private", "direct"]
    assert "Slowest traces of the last 9 minutes" in slack.fallback(slow)


def test_every_list_is_as_long_as_its_option_says(observability: Observability) -> None:
    record_an_hour(observability)
    for each in range(120):
        with observability.span("work", agent="claude") as span:
            observability.log_structured("warning", f"line {each}")
            span.fail("crash", f"{'x' * each} broke")
    assert observability.flush()
    for command, usual in (("ls", 10), ("slow", 10), ("errors", 122), ("logs", 100)):
        for words, length in (("", usual), (" -n 2", 2), (" --limit 115", 115)):
            view = ask(observability, f"{command} --since 1000d{words}")
            assert isinstance(view, TraceListView | FailuresView | LogsView)
            assert len(view.lines) == length, f"{command}{words}"


def test_a_search_finds_skipped_messages_too(observability: Observability) -> None:
    ids = record_an_hour(observability)
    for words, name in (("search and you", "skipped"), ("search PYTEST", "command")):
        found = ask(observability, words)
        assert isinstance(found, TraceListView)
        assert [trace.trace_id for trace in found.traces] == [ids[name]]


@pytest.mark.parametrize("words", ["cost", "errors", "slow", "search what"])
def test_each_command_is_rendered_for_slack_terminal_and_scripts(
    observability: Observability, words: str
) -> None:
    record_an_hour(observability)
    view = ask(observability, words)
    assert terminal.render(view).strip()
    assert slack.render(view)
    assert json.loads(as_json.render(view))


def test_a_cost_is_compared_with_the_period_before_in_each_form(
    observability: Observability,
) -> None:
    spend(observability, "opus", cost=3_000_000)
    spend(observability, "haiku", cost=500_000)
    spend(observability, "opus", cost=2_000_000, ago=18 * 60 * MINUTE)
    view = cost(observability, "cost --since 12h --compare")
    (_, models), (_, agents) = view.lines
    assert [(line.key, line.change) for line in models] == [
        ("opus", "+50%"),
        ("haiku", "new"),
        ("all", "+75%"),
    ]
    assert [(line.key, line.change) for line in agents] == [("claude", "+75%"), ("all", "+75%")]
    assert "$3.00 +50%" in terminal.render(view)
    shown = str(slack.render(view))
    assert "$3.00 +50%" in shown and "_+75%_" in shown
    assert "'cost --since 12h'" in shown and "'cost --compare --since 7d'" in shown
    before = json.loads(as_json.render(view))["before"]
    assert before["total"]["cost_usd"] == 2.0 and "before" not in before
    rows = [row.rstrip("\n").split("\t") for row in tsv.rows(view)]
    assert {len(row) for row in rows} == {10}
    assert [row[-1] for row in rows] == ["before_cost_usd", "2", "", "2"]
    assert "+50%" not in terminal.render(cost(observability, "cost --since 12h"))
