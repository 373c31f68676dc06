"""Figures of platforms, agents and providers, against those worked out by hand."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from peewee import Database

from storage.database.models import SpanRow
from storage.model.batch import Batch
from storage.model.erasure import Reach
from storage.model.figures import KINDS, kind_of
from storage.model.retention import OTHERS, Folding, Retention
from storage.model.span import Span, own_audience
from storage.queries.figures import SHOWN, Figure, figures
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.erasing_rows import erase_rows
from storage.store.facts import merge_facts
from storage.store.grains import DAY_NS
from storage.upkeep.conversion import make_private
from storage.upkeep.folding import fold
from storage.upkeep.retention import apply_retention
from tests.support.factories import GENERAL, NOW, SECOND, TEAM

PRIVATE = own_audience(TEAM, GENERAL)
numbers = count(1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "t.db")
    yield opened
    opened.close()


def span(name: str, *, s: float = 1, at: int = NOW, platform: str = "slack", **more: Any) -> Span:
    number = next(numbers)
    took = int(s * SECOND)
    where: dict[str, Any] = {}
    if platform == "slack":
        where = {"audience": TEAM, "team": TEAM, "channel": GENERAL}
    values: dict[str, Any] = {"status": "ok", "process": "p:1:1:1", **where, **more}
    return Span(
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        name=name,
        started_at=at,
        ended_at=at + took,
        duration_ns=took,
        platform=platform,
        **values,
    )


def reply(first: float, whole: float, **more: Any) -> Span:
    seconds = {"slack.time_to_first_word": first, "slack.time_to_answer": whole}
    return span("reply", attributes=seconds, **more)


def read(length: int, cache: str) -> Span:
    return span("read thread", attributes={"thread_length": length, "cache": cache})


def decided(speaker: str | None, *agents: str, reason: str = "mentioned") -> Span:
    facts = {"active_speaker": speaker, "agents": list(agents)}
    return span("decide", reason=reason, attributes=facts)


def attempt(agent: str, provider: str, model: str | None, *, fallback: bool = False) -> Span:
    given: dict[str, object] = {"tracebot.fallback": True} if fallback else {}
    call = {"agent": agent, "configured_provider": provider, "model": model}
    return span(f"attempt {provider}", attributes=given, **call)


def keep(database: Database, *spans: Span) -> None:
    store(database, Batch("p:1:1:1", next(numbers), spans=list(spans)))


def found(database: Database, of: Any, **more: Any) -> dict[str, Figure]:
    got = figures(database, since=NOW - DAY_NS, until=NOW + DAY_NS, of=of, **more)
    return {figure.key: figure for figure in got.figures}


def test_each_figure_is_the_one_worked_out_by_hand(database: Database) -> None:
    keep(
        database,
        *(read(4, "miss"), read(6, "hit"), read(20, "miss")),
        *(reply(0.5, 2), reply(1.5, 8)),
        span("fetch files", attributes={"fetched": 2, "refused": 1}),
        span("fetch files", attributes={"fetched": 1, "refused": 0}),
        *(span("reaction added"), span("reaction added"), span("reaction removed")),
        *(decided("claude", "claude"), decided("claude", "codex"), decided(None, "claude")),
        *(decided("claude", reason="other_agent_speaks"), decided(None, reason="no_mention")),
        *(attempt("claude", "claude", "opus"), attempt("claude", "openai", None, fallback=True)),
        attempt("claude", "openai", "qwen3:8b"),
    )
    keep(
        database,
        span("run git", s=1, platform="cli"),
        span("run git", s=3, platform="cli", status="error"),
        span("query", platform="cli", attributes={"agents": 1}),
        span("query", platform="cli", attributes={"agents": 3}),
        span("tools/call search", platform="mcp", process=None),
        span("execute_tool x", platform="mcp", attributes={"gen_ai.tool.name": "fetch"}),
        # Of others, or of another platform: not ours to count.
        span("reply", process=None, attributes={"slack.time_to_answer": 9}),
        span("read thread", scope="library", attributes={"thread_length": 9}),
        span("run git"),
    )
    assert found(database, "platform") == {
        figure.key: figure
        for figure in (
            Figure(key="slack:thread_length", count=3, share=1 / 3, p50=6, p95=20),
            Figure(key="slack:first_word", count=2, p50=0.5e9, p95=1.5e9),
            Figure(key="slack:answer", count=2, p50=2e9, p95=8e9),
            Figure(key="slack:files", count=2, share=0.5, p50=1, p95=3),
            Figure(key="slack:reaction", count=3, share=1 / 3),
            Figure(key="slack:speaker_changed", count=1),
            Figure(key="slack:skipped:mentioned", count=3),
            Figure(key="slack:skipped:other_agent_speaks", count=1),
            Figure(key="slack:skipped:no_mention", count=1),
            Figure(key="cli:query", count=2, share=0.5, p50=1, p95=3),
            Figure(key="cli:command:git", count=2, share=0.5, p50=1e9, p95=3e9),
            Figure(key="mcp:tool:search", count=1, share=0, p50=1e9, p95=1e9),
            Figure(key="mcp:tool:fetch", count=1, share=0, p50=1e9, p95=1e9),
        )
    }
    assert found(database, "agent") == {
        "agent:codex:took_over": Figure(key="agent:codex:took_over", count=1)
    }
    assert {key: (each.count, each.share) for key, each in found(database, "provider").items()} == {
        "provider:claude:model:opus": (1, 0),
        "provider:openai:model:": (1, 1),
        "provider:openai:model:qwen3:8b": (1, 0),
    }
    assert set(found(database, "provider", only="claude")) == {"provider:claude:model:opus"}
    assert set(found(database, "platform", only="cli")) == {"cli:query", "cli:command:git"}


def test_figures_survive_retention_and_folding(database: Database) -> None:
    long_ago = NOW - 100 * DAY_NS
    keep(database, reply(1, 2, at=long_ago), span("run git", platform="cli", at=long_ago))

    def then() -> dict[str, Figure]:
        got = figures(database, since=long_ago, until=NOW, of="platform")
        return {figure.key: figure for figure in got.figures}

    before = then()
    assert set(before) == {"slack:first_word", "slack:answer", "cli:command:git"}
    apply_retention(database, Retention(older_than_ns=DAY_NS), now=NOW)
    assert not SpanRow.select().count(database)
    assert then() == before
    merge_facts(database)
    fold(database, Folding(hours_ns=10 * DAY_NS, days_ns=40 * DAY_NS), now=NOW)
    assert then() == before


def test_figures_follow_a_channel_that_becomes_private(database: Database) -> None:
    keep(database, reply(1, 2), reply(3, 4, channel="C0OTHER"), decided("claude", "codex"))
    public = found(database, "platform", audiences=[TEAM])
    # An erasure leaves what figures are made of, so they can be counted anew.
    erase_rows(database, dict.fromkeys(_traces(database), Reach.ALL))
    assert make_private(database, team=TEAM, channel=GENERAL)
    left = found(database, "platform", audiences=[TEAM])
    moved = found(database, "platform", audiences=[PRIVATE])
    assert public["slack:answer"].count == 2
    assert left["slack:answer"] == Figure(key="slack:answer", count=1, p50=4e9, p95=4e9)
    assert moved["slack:answer"] == Figure(key="slack:answer", count=1, p50=2e9, p95=2e9)
    assert moved["slack:speaker_changed"].count == 1
    assert "slack:speaker_changed" not in left
    both = found(database, "platform", audiences=[TEAM, PRIVATE])
    assert both == public == found(database, "platform")
    assert found(database, "agent", audiences=[]) == {}


def test_only_so_many_programs_are_told_apart(database: Database) -> None:
    runs = [span(f"run p{n}", platform="cli") for n in range(SHOWN + 5)]
    keep(database, *runs, span("run p1", platform="cli"), span(f"run {'x' * 99}", platform="cli"))
    names = found(database, "platform")
    assert len(names) == SHOWN + 1
    assert names["cli:command:p1"].count == 2
    assert names[f"cli:command:{OTHERS}"].count == SHOWN + 5 + 2 - (SHOWN + 1)


def test_a_call_that_is_received_twice_counts_once(database: Database) -> None:
    call = span("tools/call search", platform="mcp", process=None, received=True)
    keep(database, call)
    keep(database, replace(call))
    assert found(database, "platform")["mcp:tool:search"].count == 1


def test_every_key_has_a_kind() -> None:
    for key, kind in KINDS.items():
        assert kind_of(key.replace("*", "a", 1).replace("*", "b:c"))[0] is kind


def _traces(database: Database) -> list[str]:
    return [each for (each,) in SpanRow.select(SpanRow.trace_id).tuples().execute(database)]
