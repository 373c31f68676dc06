"""Two workspaces whose bots share a database do not meet, even if all their ids are the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.agents.config.roster import load_roster
from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from reports.commands.issues import CHANGES
from storage import Observability
from storage.coordination.alert_rules import AlertRule, add_rule, alert_rules, alert_states
from storage.coordination.budgets import Budget, add_budget, budgets
from storage.coordination.digest_subscriptions import Subscription, subscribe
from storage.coordination.issue_states import states
from storage.database.models import ScoreRow, TraceRow
from storage.queries.issues import issues
from storage.queries.traces import TraceSummary
from tests.support.conversations import PATIENCE_S, eventually
from tests.support.paths import MANIFEST
from tests.support.running_bot import start_in
from tests.support.traces_in_slack import ask, asked, shown

DAY = 86_400 * 1_000_000_000

WORDS = (
    *("ls", "ls --all", "ls --user {user}", "ls --channel {channel}", "search secret", "slow"),
    *("show {id}", "show {link}", "thread {link}", "errors", "ps", "cost", "digest now"),
    *("stats --by agent", "stats --by user", "stats --by channel", "cancel {id}", "why {id}"),
    *("logs", "logs {id}", "metrics", "alerts", "budget", "show", "ls user:{user} -status:error"),
)


@dataclass(frozen=True)
class Workspace:
    """One workspace with its bot, and a person in a public and a private channel and a message."""

    sandbox: Sandbox
    observability: Observability
    bot: Bot
    person: User
    places: tuple[Channel, Channel, Channel]


def workspace(sandbox: Sandbox, observability: Observability) -> Workspace:
    roster = load_roster(None)
    person = sandbox.add_user("ann")
    channels = [
        sandbox.add_channel("general", [person]),
        sandbox.add_channel("board", [person], private=True),
        sandbox.open_dm(person),
    ]
    bot = start_in(sandbox, observability, roster)
    sandbox.wait_for_app(timeout=PATIENCE_S)
    return Workspace(sandbox, observability, bot, person, (channels[0], channels[1], channels[2]))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Workspace, Workspace]]:
    path = tmp_path / "shared.db"
    with (
        Sandbox.start(MANIFEST, team="T0FIRST") as first,
        Sandbox.start(MANIFEST, team="T0SECOND") as second,
        Observability.open(path, platform="slack") as one,
        Observability.open(path, platform="slack") as other,
    ):
        made = workspace(first, one), workspace(second, other)
        yield made
        for each in made:
            each.bot.stop(grace=5.0)


def traces_of(workspace: Workspace, secret: str) -> list[TraceSummary]:
    return [
        asked(workspace.sandbox, workspace.observability, workspace.person, place, secret)
        for place in workspace.places
    ]


def test_no_command_tells_one_of_the_other(both: tuple[Workspace, Workspace]) -> None:
    first, second = both
    assert first.person.id == second.person.id
    assert [each.id for each in first.places] == [each.id for each in second.places]
    for trace in traces_of(first, "apples are a secret"):
        ts = str(trace.message_ts).replace(".", "")
        for form in WORDS:
            words = form.format(
                id=trace.trace_id,
                link=f"https://x.slack.com/archives/{trace.channel}/p{ts}",
                channel=trace.channel,
                user=trace.user,
            )
            for place in second.places:
                said = ask(second.sandbox, second.person, place, words)
                said = said.replace(trace.trace_id, "")
                assert "apples" not in said, words
                assert trace.trace_id[:16] not in said, words
                assert "echo" not in said, words


def test_none_changes_what_was_set_in_the_other(both: tuple[Workspace, Workspace]) -> None:
    first, second = both
    database = first.observability.database
    (trace, *_) = traces_of(first, "apples")
    span = first.observability.start_span(
        "slack message", {"team": "T0FIRST", "audience": "T0FIRST", "agent": "echo"}
    )
    span.fail("timeout", "apples")
    span.end()
    assert first.observability.flush()
    (issue,) = issues(database, since=0)[0]
    rule = AlertRule(
        id="5ec7",
        team="T0FIRST",
        channel=first.places[0].id,
        condition="cost>1 over:1h",
        created_by="U1",
        created_at=1,
    )
    add_rule(database, rule, test=False)
    own: dict[str, Any] = {"dimension": "all", "key": "", "period": "day", "created_by": "U1"}
    add_budget(database, Budget(id="b1", soft=5, team="T0FIRST", created_at=1, **own))
    admin = second.sandbox.add_user("admin", admin=True)
    second.sandbox.join(admin, second.places[0])
    for words in (
        *("alerts remove 5ec7", "alerts snooze 5ec7", "budget raise b1 9", "budget remove b1"),
        *(f"errors {change} {issue.id}" for change in CHANGES),
        *(f"forget {trace.user}", f"cancel {trace.trace_id}"),
    ):
        said = ask(second.sandbox, admin, second.places[0], words)
        assert "apples" not in said and "5.00" not in said, words
    assert [each.soft for each in budgets(database)] == [5]
    assert alert_rules(database) == (rule,)
    assert alert_states(database)["5ec7"].snoozed_until == 0
    assert states(database, [issue.id]) == {}
    assert "apples" in ask(first.sandbox, first.person, first.places[0], "ls")


def test_each_counts_its_own(both: tuple[Workspace, Workspace]) -> None:
    first, second = both
    traces_of(first, "apples are a secret")
    traces_of(first, "more apples")
    traces_of(second, "pears are a secret")
    for each, turns in ((first, 6), (second, 3)):
        digest = ask(each.sandbox, each.person, each.places[0], "digest now")
        asked = "2 turns" if each is first else "1 turn"
        assert f"{asked}, none failed" in digest
        listed = ask(each.sandbox, each.person, each.places[0], "ls")
        assert ("apples" in listed, "pears" in listed) == (each is first, each is second)
        assert listed.count("trace_show_") == turns


def test_a_conversion_in_one_changes_nothing_in_the_other(
    both: tuple[Workspace, Workspace],
) -> None:
    first, second = both
    (mine, *_), (theirs, *_) = traces_of(first, "apples"), traces_of(second, "pears")
    bob = second.sandbox.add_user("bob")
    public = second.sandbox.add_channel("random", [bob])
    first.sandbox.convert(first.places[0], private=True)
    first.sandbox.settle()
    assert mine.trace_id[:16] in ask(first.sandbox, first.person, first.places[1], "ls")
    assert theirs.trace_id[:16] in ask(second.sandbox, bob, public, "ls")
    assert second.places[0].name in ask(second.sandbox, bob, public, "stats --by channel")


def test_each_bot_posts_the_digests_of_its_own_workspace(
    both: tuple[Workspace, Workspace],
) -> None:
    first, second = both
    (trace, *_) = traces_of(first, "apples")
    channel = second.places[0]
    subscribe(
        first.observability.database,
        Subscription(first.sandbox.team_id, channel.id, "00:00", "UTC", "U1", created_at=1),
    )
    tomorrow = (trace.started_at // DAY + 1) * DAY + 3_600 * 1_000_000_000
    assert second.bot.scheduler._digests.send_due(now=tomorrow) == 0
    assert first.bot.scheduler._digests.send_due(now=tomorrow) == 1
    assert "What the agents did" not in shown(second.sandbox.messages(channel))
    assert "What the agents did" in shown(first.sandbox.messages(first.places[0]))


def test_a_thumb_counts_in_its_own_workspace(both: tuple[Workspace, Workspace]) -> None:
    """A channel that both share has the same messages in both."""
    first, second = both
    channel = second.places[0]
    question = second.sandbox.post(second.person, channel, f"{second.sandbox.mention} pears")
    second.sandbox.wait_for_reaction(channel, question.ts, "white_check_mark")
    place = {"team": "T0FIRST", "audience": "T0FIRST", "channel": channel.id}
    first.observability.end_span(
        first.observability.start_span(
            "slack message", {**place, "message_ts": question.ts}, started_at=1
        )
    )
    assert first.observability.flush() and second.observability.flush()
    second.sandbox.react(second.person, question, "+1")

    def scored() -> list[str | None]:
        second.observability.flush()
        rows = ScoreRow.select(TraceRow.team).join(
            TraceRow, on=ScoreRow.trace_id == TraceRow.trace_id
        )
        return [team for (team,) in rows.tuples().execute(second.observability.database)]

    eventually(lambda: scored() == ["T0SECOND"])
