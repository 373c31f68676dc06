"""What somebody is told does not depend on conversations that they are not in."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import DIMENSIONS, build_parser, parse
from reports.commands.typed import split_slack
from reports.errors import UsageError
from reports.render.slack import render
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.tracing import recording_span
from tests.support.factories import (
    ALICE,
    BOB,
    DAY,
    GENERAL,
    MINUTE,
    NOW,
    SECRET,
    TEAM,
    record,
    said,
)

TURNS = 120
AGENTS = {GENERAL: ("claude", "codex", "claude, codex"), SECRET: ("CODEX", "Claude", "hidden")}
ERROR = ("timeout", "no answer within 30 s")

COMMANDS = (
    *("ls", "ls --all", "ls --limit 7", "search merger", "search beta", "thread", "show", "ps"),
    *("errors --since 60d", "slow --since 40d", "cost --since 10d --compare", "digest now"),
    *(f"{command} agent:CODEX" for command in ("ls", "slow --since 40d", "errors --since 40d")),
    *("ls -agent:Claude", "ls agent:hidden", "stats agent:CLAUDE --since 40d", "ls model:M1"),
    *("ls cost>0.1", "ls duration>30s", "ls status:timeout --all", f"ls channel:{SECRET}"),
    *(f"stats --by {by} --since 40d --compare" for by in DIMENSIONS),
)


@pytest.fixture
def recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Observability, Observability]]:
    """Record the same turns of a public channel, without and with turns of a private one."""
    with ExitStack() as opened:
        without, with_others = (
            opened.enter_context(_record(tmp_path / f"{len(channels)}.db", channels, monkeypatch))
            for channels in ({GENERAL}, {GENERAL, SECRET})
        )
        yield without, with_others


def _record(path: Path, channels: set[str], monkeypatch: pytest.MonkeyPatch) -> Observability:
    observability = Observability.open(path, platform="slack")
    for number in range(TURNS):
        chance = random.Random(number)
        channel = (GENERAL, SECRET)[number % 2]
        if channel not in channels:
            continue
        trace_id = f"{chance.getrandbits(128):032x}"
        monkeypatch.setattr(recording_span, "new_trace_id", lambda now, id=trace_id: id)
        agent, ms = chance.choice(AGENTS[channel]), chance.randint(10, 90_000)
        failed = chance.random() < 0.3
        call = {
            "configured_provider": "p",
            "provider": "p",
            "agent": agent.split(", ")[0],
            "model": "m1" if channel == GENERAL else "M1",
            "input_tokens": ms,
            "cost": chance.randint(1, 10**6),
            "cost_source": "reported",
            **({"failure": ERROR} if failed else {}),
        }
        record(
            observability,
            "slack message",
            ago=chance.randrange(MINUTE, 40 * DAY),
            ms=ms,
            steps=(("attempt", 1, ms - 2, call),),
            status="timeout" if failed else "ok",
            error=ERROR if failed else None,
            thread_ts=f"{number}.1",
            message_ts=f"{number}.1",
            decision=chance.choice(("answer", "answer", "skip")),
            **said(channel, chance.choice((ALICE, BOB)), f"merger {number % 3} beta", agent=agent),
        )
    assert observability.flush()
    return observability


def told(observability: Observability, command: str) -> list[object]:
    """Return all pages of the answer to somebody who is in the public channel only."""
    parser, _ = build_parser(prog="/trace", shell=False)
    viewer = Viewer(
        audiences=frozenset({TEAM}),
        may_see=lambda trace: trace.audience == TEAM,
        may_read=lambda channel: channel != SECRET,
        team=TEAM,
        user=BOB,
        channel=GENERAL,
    )
    pages: list[object] = []
    cursor = ""
    while True:
        try:
            args = parse(parser, split_slack(f"{command}{cursor}"))
            view = answer(args, database=observability.database, viewer=viewer, now=NOW)
        except UsageError as error:
            return [*pages, str(error)]
        pages.append(render(view))
        if not isinstance(view, TraceListView) or view.next is None:
            return pages
        cursor = f" --cursor {view.next}"


def test_no_answer_depends_on_conversations_of_others(
    recorded: tuple[Observability, Observability],
) -> None:
    without, with_others = recorded
    differ = [each for each in COMMANDS if told(without, each) != told(with_others, each)]
    assert differ == []
    assert len(told(without, "ls --all")) > 3, "pages are compared, too"
