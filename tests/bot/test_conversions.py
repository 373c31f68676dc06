"""A channel that became private is private from then on, its past too; and the other way round."""

import time
from dataclasses import replace

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.access import Access
from bot.sandbox import Channel, Sandbox, User
from bot.slack import directory
from bot.slack.connection import client
from bot.slack.directory import Directory
from storage import Observability
from storage.queries.traces import TraceSummary
from storage.upkeep.conversion import ChannelConversions
from tests.support.conversations import StartBot, eventually
from tests.support.traces_in_slack import ask, asked

SECRET = "the merger is on friday"

WORDS = (
    *("ls", "ls --all", "search merger", "slow", "ps", "errors", "cost", "thread {link}"),
    *("ls --channel {channel}", "ls --user {user}", "show {id}", "show {link}", "digest now"),
    *("stats --by channel", "stats --by user", "stats --by agent", "stats --by decision"),
)


@pytest.fixture
def bob(sandbox: Sandbox) -> User:
    return sandbox.add_user("bob")


@pytest.fixture
def general(sandbox: Sandbox, bob: User) -> Channel:
    return sandbox.add_channel("general", [bob])


@pytest.fixture
def plans(sandbox: Sandbox, alice: User) -> Channel:
    return sandbox.add_channel("plans", [alice])


def tells(sandbox: Sandbox, who: User, where: Channel, trace: TraceSummary) -> list[str]:
    """Return the commands whose answer tells `who` of the trace, its channel or its user."""
    ts = str(trace.message_ts).replace(".", "")
    link = f"https://x.slack.com/archives/{trace.channel}/p{ts}"
    secrets = [SECRET, str(trace.channel), "plans", "alice", str(trace.user), trace.trace_id[:16]]
    told = []
    for form in WORDS:
        words = form.format(id=trace.trace_id, link=link, channel=trace.channel, user=trace.user)
        said = ask(sandbox, who, where, words)
        # A list repeats its filters: somebody's name instead of the id that was typed.
        for typed in (words.partition(" ")[2], *words.split()[1:], "user:@alice"):
            said = said.replace(typed, "")
        if any(text in said for text in secrets):
            told.append(form)
    return told


@pytest.fixture
def trace(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    plans: Channel,
) -> TraceSummary:
    """Return a trace of the public channel, which bob has seen."""
    start_bot()
    found = asked(sandbox, observability, alice, plans, SECRET)
    assert "stats --by channel" in tells(sandbox, bob, general, found)
    return found


def test_its_past_is_hidden_as_soon_as_slack_tells_of_it(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    plans: Channel,
    trace: TraceSummary,
) -> None:
    sandbox.convert(plans, private=True)
    sandbox.settle()
    eventually(lambda: not tells(sandbox, bob, general, trace))
    assert SECRET in ask(sandbox, alice, plans, "ls")
    assert "plans" in ask(sandbox, alice, plans, "stats --by channel")
    later = asked(sandbox, observability, alice, plans, SECRET)
    assert tells(sandbox, bob, general, later) == []
    sandbox.convert(plans, private=False)
    sandbox.settle()
    for words in ("ls --all", f"ls --channel {plans.id}", "search merger", "stats --by user"):
        said = ask(sandbox, bob, general, words)
        assert trace.trace_id[:16] not in said, words
        assert SECRET not in said, "what was private stays private"
    assert "Nothing found" in ask(sandbox, bob, general, f"show {trace.trace_id}")
    assert SECRET in ask(sandbox, alice, plans, "ls"), "its members still see it"
    again = asked(sandbox, observability, alice, plans, "all may read this")
    assert again.audience == sandbox.team_id
    assert "all may read this" in ask(sandbox, bob, general, "ls")


def test_nothing_public_is_shown_while_a_long_past_moves(
    sandbox: Sandbox,
    web: WebClient,
    observability: Observability,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    assert sandbox.team_id in access.sight(sandbox.team_id, alice.id).audiences
    access.forget()
    monkeypatch.setattr(ChannelConversions, "follow", lambda *args, **options: False)
    sight = access.sight(sandbox.team_id, alice.id)
    assert sandbox.team_id not in sight.audiences
    assert "is being moved" in sight.note


def test_a_lost_event_is_made_up_for_by_the_next_question(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    plans: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "CACHE_S", 0.0)  # As if a minute passed between two lookups.
    start_bot()
    trace = asked(sandbox, observability, alice, plans, SECRET)
    assert tells(sandbox, bob, general, trace)
    sandbox._workspace.channels[plans.id].kind = "group"
    assert tells(sandbox, bob, general, trace) == []
    assert "plans" in ask(sandbox, alice, plans, "stats --by channel")


@pytest.mark.parametrize("told", [True, False])
def test_nothing_is_counted_while_slack_does_not_say_which_channels_are_public(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    plans: Channel,
    monkeypatch: pytest.MonkeyPatch,
    told: bool,
) -> None:
    """Its event came and could not be followed, or nobody was there to hear of it."""
    monkeypatch.setattr(directory, "CACHE_S", 0.0)
    monkeypatch.setattr(client, "BRIEF", replace(client.BRIEF, first_wait_s=0.0))
    start_bot()
    trace = asked(sandbox, observability, alice, plans, SECRET)
    assert tells(sandbox, bob, general, trace)
    sandbox.faults.error("users.conversations", "internal_error", times=1_000)
    if told:
        sandbox.convert(plans, private=True)
        sandbox.settle()
    else:
        sandbox._workspace.channels[plans.id].kind = "group"
    assert tells(sandbox, bob, general, trace) == []
    assert "nothing is counted" in ask(sandbox, bob, general, "stats --by user")
    sandbox.faults.clear()
    assert tells(sandbox, bob, general, trace) == []
    assert "alice" in ask(sandbox, alice, plans, "stats --by user")


def test_what_everyone_in_a_channel_may_see_is_not_told_while_slack_is_silent(
    sandbox: Sandbox, web: WebClient, observability: Observability, general: Channel
) -> None:
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    assert access.sight_in(sandbox.team_id, general.id).audiences
    access.forget()
    sandbox.faults.error("users.conversations", "internal_error")
    with pytest.raises(SlackApiError, match="internal_error"):
        access.sight_in(sandbox.team_id, general.id)


def test_the_figures_of_a_channel_that_became_private_after_the_bot_left_are_followed(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    plans: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "CACHE_S", 0.0)
    bot = start_bot()
    trace = asked(sandbox, observability, alice, plans, SECRET)
    sandbox.leave(sandbox.bot_user_id, plans)
    sandbox.settle()
    bot.scheduler.tick(now=time.time_ns())
    assert "stats --by user" in tells(sandbox, bob, general, trace), "it is public still"
    sandbox.convert(plans, private=True)
    sandbox.faults.error("conversations.info", "internal_error", times=5)
    bot.scheduler.tick(now=time.time_ns())
    assert "stats --by user" in tells(sandbox, bob, general, trace), "Slack did not tell"
    sandbox.faults.clear()
    bot.scheduler.tick(now=time.time_ns())
    assert tells(sandbox, bob, general, trace) == []


def test_a_channel_that_the_bot_left_before_is_hidden_trace_by_trace(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    plans: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "CACHE_S", 0.0)
    start_bot()
    asked(sandbox, observability, alice, plans, SECRET)
    sandbox.leave(sandbox.bot_user_id, plans)
    assert SECRET in ask(sandbox, bob, general, "ls"), "it is public still"
    sandbox.convert(plans, private=True)
    assert SECRET not in ask(sandbox, bob, general, "ls")
