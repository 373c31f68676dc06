"""Figures of each view on days of the demo's fortnight, beside those of the story's own list."""

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from peewee import Database

from bot.cli.fortnight.story import DAY, Minutes, Order, Question
from reports.commands.handlers import answer
from reports.commands.parser import build_parser, parse
from reports.commands.viewer import Viewer
from reports.render.json_output import render
from storage.recovery.opening import open_database
from tests.support.fortnight import UNTIL, Played, play_once
from tests.support.story_figures import Happened, call_line, happened, line

PARSER, _ = build_parser(prog="tracebot", shell=True)
BERLIN = ZoneInfo("Europe/Berlin")

Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play_once(tmp_path_factory, days=2)


@pytest.fixture(scope="module")
def database(played: Played) -> Iterator[Database]:
    opened = open_database(played.database)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ask(played: Played, database: Database) -> Ask:
    """Return what runs a command on the whole story, as its JSON."""
    return lambda command: ask_at(played, database, f"{command} --since {played.days}d")


def ask_at(played: Played, database: Database, command: str) -> Any:
    """Return the JSON of a command that is typed at the end of the story."""
    args = parse(PARSER, shlex.split(command))
    return json.loads(render(answer(args, database=database, viewer=Viewer(), now=played.now)))


@pytest.fixture(scope="module")
def traces(played: Played) -> list[Happened]:
    return happened(played.story)


@pytest.fixture(scope="module")
def counted(traces: list[Happened]) -> list[Happened]:
    """Return the traces that statistics count: not those of messages that were left alone."""
    return [each for each in traces if each.answered]


def check(found: Mapping[str, Any], expected: Mapping[str, object]) -> None:
    """Compare a line of statistics with what was worked out; percentiles within 1%."""
    for name, value in expected.items():
        if value is not None:
            value = pytest.approx(value, rel=0.01 if name.endswith("_ms") else 1e-9)
        assert found[name] == value, name


@pytest.mark.parametrize("dimension", ["agent", "platform", "channel", "person"])
def test_statistics_count_what_the_story_tells(
    ask: Ask, played: Played, counted: list[Happened], dimension: str
) -> None:
    names = played.workspace["names"]
    found = ask(f"stats --by {dimension.replace('person', 'user')}")
    check(found["total"], line(counted))
    by_key = {names.get(each["key"], each["key"]): each for each in found["groups"]}
    values = {str(getattr(each, dimension)) for each in counted} - {"", "direct"}
    assert len(values) > 2
    for value in values:
        of_it = [each for each in counted if getattr(each, dimension) == value]
        check(by_key[value], line(of_it))


@pytest.mark.parametrize("dimension", ["provider", "model"])
def test_statistics_of_calls_count_what_each_program_did(
    ask: Ask, counted: list[Happened], dimension: str
) -> None:
    groups = ask(f"stats --by {dimension}")["groups"]
    assert len(groups) == 3
    for group in groups:
        check(group, call_line(counted, dimension, group["key"]))


def test_statistics_by_day_begin_each_day_at_midnight(
    ask: Ask, played: Played, counted: list[Happened]
) -> None:
    for group in ask("stats --by day")["groups"]:
        date = group["key"][:10]
        check(group, line([each for each in counted if day_of(played, each, UTC) == date]))


def test_a_comparison_sets_the_last_day_beside_the_one_before(
    played: Played, database: Database, counted: list[Happened]
) -> None:
    found = ask_at(played, database, "stats --by agent --compare --since 1d")
    today = played.days * DAY - DAY
    check(found["total"], line([each for each in counted if each.at >= today]))
    yesterday = [each for each in counted if today - DAY <= each.at < today]
    check(found["before"]["total"], line(yesterday))


def test_decisions_count_each_message_by_the_rule_that_held(
    ask: Ask, played: Played, traces: list[Happened]
) -> None:
    questions = [each for each in played.story.events if isinstance(each, Question)]
    rules = Counter(
        "direct_message"
        if q.channel == "direct"
        else "active_speaker"
        if q.follows
        else "mentioned"
        for q in questions
    )
    rules["not_mentioned"] = sum(not each.answered for each in traces)
    found = ask("stats --by decision")["groups"]
    assert {each["key"]: each["traces"] for each in found} == rules


def test_the_cost_is_that_of_the_calls_whose_price_is_known(
    ask: Ask, counted: list[Happened]
) -> None:
    found = ask("cost")
    check(found["total"], {"cost_usd": line(counted)["cost_usd"]})
    for model in found["models"]:
        check(model, {"cost_usd": call_line(counted, "model", model["key"])["cost_usd"]})
    for agent in found["agents"]:
        of_it = [each for each in counted if each.agent == agent["key"]]
        check(agent, {"cost_usd": line(of_it)["cost_usd"]})
    assert found["unpriced"] == ["gemini-3-pro"]


def test_the_slowest_traces_come_in_their_order(ask: Ask, counted: list[Happened]) -> None:
    slowest = sorted((each.seconds for each in counted), reverse=True)
    found = [each["duration_ms"] / 1_000 for each in ask("slow")["traces"]]
    assert found == pytest.approx(slowest[: len(found)])


def test_a_list_shows_the_newest_first_with_what_each_cost(
    ask: Ask, counted: list[Happened]
) -> None:
    newest = sorted(counted, key=lambda each: -each.at)[:100]
    found = ask("ls --limit 100")["traces"]
    assert [each["duration_ms"] for each in found] == pytest.approx(
        [each.seconds * 1_000 for each in newest]
    )
    assert [each["cost_usd"] for each in found] == [
        None if each.cost is None else each.cost / 1e6 for each in newest
    ]
    failed = ask("ls agent:codex -status:ok --limit 100")["traces"]
    assert len(failed) == sum(each.failed for each in counted if each.agent == "codex")
    disliked = ask("ls feedback:down --limit 100")["traces"]
    assert len(disliked) == sum(each.thumb is not None and not each.thumb.up for each in counted)


def test_a_thread_has_its_turns_in_their_order(
    ask: Ask, played: Played, database: Database, counted: list[Happened]
) -> None:
    sizes = Counter(each.root for each in counted if each.agent)
    newest = max(root for root, size in sizes.items() if size > 1)
    turns = [each for each in counted if each.agent and each.root == newest]
    (first,) = [
        each
        for each in ask("ls --limit 100")["traces"]
        if started(played, each) == pytest.approx(turns[0].at)
    ]
    place = f"{first['channel_id']}/p{first['thread_ts'].replace('.', '')}"
    found = ask_at(played, database, f"thread https://acme.slack.com/archives/{place}")["traces"]
    assert [started(played, each) for each in found] == pytest.approx([each.at for each in turns])


def test_a_trace_shows_its_tools_and_when_the_first_output_came(
    ask: Ask, played: Played, database: Database
) -> None:
    question = max(
        (each for each in played.story.events if isinstance(each, Question)),
        key=lambda each: len(each.attempts[-1].tools),
    )
    (trace_id,) = [
        each["trace_id"]
        for each in ask("ls --limit 100")["traces"]
        if started(played, each) == pytest.approx(question.at)
    ]
    spans = ask_at(played, database, f"show {trace_id}")["spans"]
    *_, attempt = [each for each in spans if each["name"].startswith("attempt")]
    expected = question.attempts[-1]
    first = attempt["attributes"]["gen_ai.response.time_to_first_chunk"]
    assert first == pytest.approx(expected.first_s)
    tools = [each["attributes"]["duration_ns"] / 1e9 for each in attempt["events"]]
    assert tools == pytest.approx([each.seconds for each in expected.tools])


def test_issues_count_failures_of_one_kind(ask: Ask, counted: list[Happened]) -> None:
    kinds = Counter[tuple[str, str | None]]()
    for each in counted:
        kinds.update({(call.ending, each.agent) for call in each.calls if call.failed})
        if each.platform == "cli" and each.failed:
            kinds["exit_code", None] += 1
    found = Counter[tuple[str, str | None]]()
    for issue in ask("errors")["errors"]:
        found[issue["error_type"].replace("quota", "overloaded"), issue["agent"]] += issue["traces"]
    assert found == kinds


def test_the_digest_tells_of_the_last_day(
    played: Played, database: Database, traces: list[Happened]
) -> None:
    found = ask_at(played, database, "digest")
    today = [each for each in traces if each.at >= played.days * DAY - DAY]
    answered = [each for each in today if each.answered]
    check(found["total"], line(answered))
    assert found["left_alone"] == {"not_mentioned": len(today) - len(answered)}
    costs: dict[int, int] = {}
    for each in answered:
        costs[each.root] = costs.get(each.root, 0) + (each.cost or 0)
    dearest = [each["cost_usd"] * 1e6 for each in found["dearest_threads"]]
    assert dearest == pytest.approx(sorted(costs.values(), reverse=True)[: len(dearest)])
    for agent in found["agents"]:
        check(agent, line([each for each in answered if each.agent == agent["key"]]))


def test_a_budget_has_spent_what_its_agent_cost_since_midnight_where_it_was_added(
    played: Played, database: Database, counted: list[Happened]
) -> None:
    (budget,) = ask_at(played, database, "budget")["budgets"]
    today = f"{UNTIL:%Y-%m-%d}"
    spent = sum(
        each.cost or 0
        for each in counted
        if each.agent == "claude" and day_of(played, each, BERLIN) == today
    )
    assert budget["spent_usd"] * 1e6 == pytest.approx(spent)


def test_a_budget_warns_once_on_each_day_that_spends_four_fifths(
    played: Played, counted: list[Happened]
) -> None:
    (limit,) = [
        float(each.text.split()[2].partition("/")[0]) * 1e6
        for each in played.story.events
        if isinstance(each, Order) and each.text.startswith("budget")
    ]
    spent, warnings = Counter[str](), dict[str, str]()
    ends = [(each.at + each.seconds, each) for each in counted if each.agent == "claude"]
    looks = [each.at for each in played.story.events if isinstance(each, Minutes)]
    for at in looks:
        spent.clear()
        for end, each in ends:
            if end <= at:
                spent[day_of(played, each, BERLIN)] += each.cost or 0
        for day, cost in spent.items():
            if cost >= 0.8 * limit:
                warnings.setdefault(day, f"⚠ {100 * cost / limit:.0f}% of the budget for claude")
    told = [each["text"] for each in played.workspace["said"] if "budget" in each["text"]]
    assert [text[: len(each)] for text, each in zip(told, warnings.values(), strict=True)] == list(
        warnings.values()
    )


def test_an_alert_speaks_while_codex_fails_and_says_when_that_is_over(played: Played) -> None:
    told = [each["text"] for each in played.workspace["said"] if each["channel"] == "incidents"]
    assert len(told) == 2
    assert told[0] == "Test: alerts about “Error share of codex” arrive here."
    assert re.fullmatch(r"Error share of codex: ok again after 2 h \d+ min, now 0%", told[1])


def day_of(played: Played, each: Happened, zone: tzinfo) -> str:
    begins = played.story.begins_at / 1e9
    return f"{datetime.fromtimestamp(begins + each.at, zone):%Y-%m-%d}"


def started(played: Played, trace: Mapping[str, Any]) -> float:
    """Return when a trace began, in seconds of the story."""
    return datetime.fromisoformat(trace["started_at"]).timestamp() - played.story.begins_at / 1e9
