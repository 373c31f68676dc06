"""Guests and strangers press, edit and react like members, and nothing comes of it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from bot.replies.buttons import RAISE_BUDGET
from bot.sandbox import Channel, Message, Sandbox, User
from reports.commands.issues import CHANGES
from reports.render.block_kit import (
    ALERT_ACKNOWLEDGE,
    ALERT_ADD,
    ALERT_SNOOZE,
    DIGEST_CHANGE,
    DIGEST_OFF,
    ISSUE,
    RUN,
)
from storage import Observability
from storage.coordination.alert_rules import AlertRule, add_rule, alert_rules, alert_states
from storage.coordination.budgets import Budget, add_budget, budgets
from storage.coordination.issue_states import states
from storage.queries.issues import issues
from storage.queries.lookups import running_traces
from storage.queries.traces import recent_traces
from tests.support.conversations import StartBot, eventually
from tests.support.fake_agent import Scripted, roster_of
from tests.support.traces_in_slack import ask, press, shown

People = Callable[[Sandbox], User]


def a_guest(sandbox: Sandbox) -> User:
    return sandbox.add_user("gus", guest=True)


def a_stranger(sandbox: Sandbox) -> User:
    return sandbox.add_user("sam", external=True)


@pytest.fixture(params=[a_guest, a_stranger])
def other(sandbox: Sandbox, general: Channel, request: pytest.FixtureRequest) -> User:
    person: User = request.param(sandbox)
    sandbox.join(person, general)
    return person


@pytest.fixture
def agent(agent: Scripted, start_bot: StartBot, quick_replies: None) -> Scripted:
    start_bot(roster_of(agent))
    return agent


def running_reply(
    agent: Scripted, sandbox: Sandbox, user: User, channel: Channel
) -> tuple[Message, Message]:
    question = sandbox.post(user, channel, f"{sandbox.mention} think hard")
    agent.wait_until_asked()
    agent.say("The first half")
    sandbox.wait_for_reply(channel, question.ts, containing="The first half")
    return question, sandbox.thread(channel, question.ts)[1]


def test_they_stop_no_turn(
    agent: Scripted,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    other: User,
) -> None:
    sandbox.faults.error("chat.startStream", "unknown_method")  # It has a button of its own.
    question, reply = running_reply(agent, sandbox, alice, general)
    said = shown(sandbox.click(other, reply, "trace_stop", responses=1))
    assert "Nothing found" in said
    observability.flush()
    # A command that is being answered has a trace, too.
    (trace,) = [t for t in running_traces(observability.database) if t.message_ts == question.ts]
    assert "Nothing found" in ask(sandbox, other, general, f"cancel {trace.trace_id}")
    sandbox.stop_agent(other, general, question.ts)
    sandbox.settle()
    agent.end("The end")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")


def test_an_edit_that_adds_a_mention_asks_nobody(
    agent: Scripted,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    other: User,
) -> None:
    for person in (other, alice):
        message = sandbox.post(person, general, "hello all")
        sandbox.edit(person, message, f"{sandbox.mention} tell me the merger")
    sandbox.settle()

    def decisions() -> set[str | None]:
        observability.flush()
        found = recent_traces(observability.database, skipped=True).traces
        return {trace.decision for trace in found}

    eventually(lambda: decisions() == {"skip"})
    assert not agent.requests


@pytest.mark.parametrize(
    "words", ["digest now", "digest off", "digest here at 09:00", "health", "ps", "ls --all"]
)
def test_no_command_of_theirs_tells_or_changes_anything(
    agent: Scripted, sandbox: Sandbox, alice: User, general: Channel, other: User, words: str
) -> None:
    assert "gets a digest" in ask(sandbox, alice, general, "digest here at 08:00")
    said = ask(sandbox, other, general, words)
    assert "full members" in said
    assert "The digest is off" in ask(sandbox, alice, general, "digest off")


RULE = "5ec7"
"""The id of an alert in the channel that they are in, too."""


@pytest.fixture
def issue(
    agent: Scripted, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> str:
    """Return the id of an issue, in a channel with an alert and a budget."""
    team, database = sandbox.team_id, observability.database
    place = {"team": team, "audience": team, "channel": general.id, "decision": "answer"}
    span = observability.start_span("slack message", {**place, "agent": "echo", "text": "merger"})
    span.fail("timeout", "merger")
    span.end()
    assert observability.flush()
    made: dict[str, Any] = {"created_by": alice.id, "created_at": 1}
    condition = "cost>77 over:1h"
    rule = AlertRule(id=RULE, team=team, channel=general.id, condition=condition, **made)
    add_rule(database, rule, test=False)
    whose: dict[str, Any] = {"dimension": "channel", "key": general.id, "period": "day"}
    add_budget(database, Budget(id="b1", soft=77_000_000, team=team, **whose, **made))
    (found,) = issues(database, since=0)[0]
    return found.id


def changed(observability: Observability, issue: str) -> list[object]:
    """Return what nobody but alice may have changed."""
    database = observability.database
    return [
        [each.condition for each in alert_rules(database)],
        alert_states(database)[RULE].snoozed_until,
        alert_states(database)[RULE].acknowledged_by,
        [each.soft for each in budgets(database)],
        dict(states(database, [issue])),
    ]


def test_none_of_their_commands_and_buttons_touches_alerts_budgets_and_issues(
    issue: str,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    other: User,
) -> None:
    before = changed(observability, issue)
    typed = (
        *("alerts", "alerts add count>0", f"alerts remove {RULE}", f"alerts snooze {RULE} 2h"),
        *(f"errors {change} {issue}" for change in CHANGES),
        *("errors", "logs", "metrics", "show", "budget", "budget raise b1 99", "budget add 1/day"),
    )
    pressed = (
        *((action, RULE) for action in (ALERT_ACKNOWLEDGE, ALERT_SNOOZE, ALERT_ADD)),
        *((action, general.id) for action in (DIGEST_CHANGE, DIGEST_OFF)),
        *((ISSUE, f"{change} {issue} since:7d") for change in CHANGES),
        *((RUN, words) for words in ("ls cost>0", "errors", f"errors resolve {issue}")),
        (RAISE_BUDGET, f"b1 99000000 {'ab' * 16} 1.1 echo"),
    )
    (message,) = sandbox.command(other, general, "/trace", "help")
    said = {words: ask(sandbox, other, general, words) for words in typed}
    said |= {f"{a} {value}": press(sandbox, other, message, a, value) for a, value in pressed}
    secrets = re.compile(r"merger|\$77|cost(>|&gt;)77")
    told = {words: text for words, text in said.items() if secrets.search(text)}
    assert told == {}
    assert changed(observability, issue) == before
    assert f"Alert {RULE}" in ask(sandbox, alice, general, f"alerts snooze {RULE} 2h")
