"""Figures below statistics: the same ones in Slack, a terminal, JSON and TSV."""

import json
from dataclasses import replace
from typing import Any

from reports.render import json_output, terminal, tsv
from reports.render.slack import render
from reports.views.statistics import NOTHING, StatsView, statistics_view
from storage.model.retention import OTHERS
from storage.queries.figures import Figure, Figures, Source
from storage.queries.statistics import Group, Statistics

NOW = 1_764_000_000 * 10**9
DAY = 86_400 * 10**9


def group(key: str, **more: Any) -> Group:
    return replace(NOTHING, key=key, traces=4, **more)


def view(of: Source, *found: Figure, groups: tuple[Group, ...] = (), since: int = NOW) -> StatsView:
    counted = Statistics(NOW, NOW + DAY, group("", input_tokens=9_000), groups)
    return statistics_view(
        counted, by=of, time_zone="UTC", figures=Figures(of, since, tuple(found))
    )


ANSWER = Figure(key="slack:answer", count=1_204, p50=2.5e9, p95=75e9)
THREAD = Figure(key="slack:thread_length", count=3, share=0.25, p50=0.99, p95=19.9)
RUN = Figure(key="cli:command:git", count=2, share=0.001, p50=3e6, p95=5e6)


def test_figures_stand_in_the_order_of_their_groups_with_their_units() -> None:
    shown = view(
        "platform",
        *(ANSWER, RUN, THREAD),
        Figure(key=f"cli:command:{OTHERS}", count=9),
        Figure(key="slack:skipped:mentioned", count=7),
        Figure(key="slack:skipped:other_bot_mentioned", count=5),
        groups=(group("cli"), group("slack")),
    )
    assert [
        (line.group, line.name, line.count, line.p50, line.share) for line in shown.figures
    ] == [
        ("cli", "command git", "2", "3.0 ms", ""),
        ("cli", "command others", "9", "", ""),
        ("slack", "thread length", "3", "1 message", "25% known already"),
        ("slack", "time to answer", "1,204", "2.5 s", ""),
        ("slack", "skipped: another bot was mentioned", "5", "", ""),
    ]
    assert shown.figures[2].p95 == "20 messages"


def test_an_agent_has_its_context_and_the_share_of_its_cache() -> None:
    claude = group("claude", input_tokens=8_000, cached_tokens=6_000)
    shown = view(
        "agent", Figure(key="agent:claude:took_over", count=2), groups=(claude, group("echo"))
    )
    assert [(line.name, line.count, line.share) for line in shown.figures] == [
        ("context", "4", "mean 2.0k tokens, 75% of it from the cache"),
        ("took over a thread", "2", ""),
    ]


def test_programs_read_raw_figures() -> None:
    shown = view("platform", ANSWER, THREAD)
    thread, answer = json.loads(json_output.render(shown))["figures"]
    assert answer == {
        "key": "slack:answer",
        "group": "slack",
        "name": "time to answer",
        "count": 1_204,
        "p50": 2_500.0,
        "p95": 75_000.0,
        "mean": None,
        "unit": "ms",
        "share": None,
    }
    assert (thread["unit"], thread["share"]) == ("messages", 0.25)
    lines = "".join(tsv.rows(shown)).splitlines()
    assert [line.split("\t")[:2] + line.split("\t")[-6:] for line in (lines[0], *lines[-2:])] == [
        ["key", "name", "count", "p50", "p95", "mean", "unit", "share"],
        ["slack:thread_length", "thread length", "3", "0.99", "19.9", "", "messages", "0.25"],
        ["slack:answer", "time to answer", "1204", "2500", "75000", "", "ms", ""],
    ]


def test_figures_without_values_have_no_columns_for_them() -> None:
    model = Figure(key="provider:openai:model:qwen3:8b", count=6, share=0.5)
    shown = view("provider", model, groups=(group("openai"),))
    blocks = render(shown)
    (table,) = [each for each in blocks if each.get("caption") == "Figures"]
    assert [[cell["text"] for cell in row] for row in table["rows"]] == [
        ["figure", "count", "details"],
        ["model qwen3:8b", "6", "50% as fallback"],
    ]
    text = terminal.render(shown, width=100)
    assert "openai    model qwen3:8b      6  50% as fallback" in text
    assert "p50" in str(render(view("platform", ANSWER)))


def test_both_tables_fit_into_a_message_of_slack() -> None:
    groups = tuple(group(f"agent-{n}") for n in range(40))
    shown = view("agent", *_took_over(200), groups=groups)
    assert len(json.dumps(render(shown))) < 13_000
    assert "more: `/trace stats agent:NAME` shows those of one of them" in str(render(shown))


def _took_over(number: int) -> list[Figure]:
    return [Figure(key=f"agent:agent-{n}:took_over", count=2) for n in range(number)]


def test_a_view_says_that_figures_count_whole_days() -> None:
    assert (
        "whole days (UTC), from 2025-11-24 00:00"
        in view("platform", ANSWER, since=NOW - 16 * 3_600 * 10**9).note
    )
    assert view("platform", ANSWER).note == ""
    assert view("platform").figures == ()
