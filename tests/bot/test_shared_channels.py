"""Where guests or people of other organisations read, only the channel's own traces are told."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from slack_sdk import WebClient

from bot.access import Access
from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from bot.slack.directory import Directory
from storage import Observability
from storage.coordination.digest_subscriptions import Subscription, subscribe
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import ask, asked, shown

SECRET = "the merger is on friday"

Open = Callable[[Sandbox, Channel], None]


def with_a_guest(sandbox: Sandbox, channel: Channel) -> None:
    sandbox.join(sandbox.add_user("gus", guest=True), channel)


def with_a_stranger(sandbox: Sandbox, channel: Channel) -> None:
    sandbox.join(sandbox.add_user("sam", external=True), channel)


def shared(sandbox: Sandbox, channel: Channel) -> None:
    sandbox.share(channel)


def about_to_be_shared(sandbox: Sandbox, channel: Channel) -> None:
    sandbox._workspace.channels[channel.id].is_pending_ext_shared = True


def unknown(sandbox: Sandbox, channel: Channel) -> None:
    sandbox.faults.error("conversations.members", "internal_error", times=90)


def open_up(sandbox: Sandbox, channel: Channel, opened: Open) -> None:
    """Open the channel to others, and let the bot ask Slack about it again."""
    opened(sandbox, channel)
    if opened in (about_to_be_shared, unknown):  # Of these Slack sends no event.
        sandbox.join(sandbox.add_user("new"), channel)
    sandbox.settle()


OPENED = (with_a_guest, with_a_stranger, shared, about_to_be_shared, unknown)


@pytest.fixture
def bot(start_bot: StartBot) -> Bot:
    return start_bot()


@pytest.fixture(params=[False, True], ids=["public", "private"])
def lobby(sandbox: Sandbox, alice: User, request: pytest.FixtureRequest) -> Channel:
    return sandbox.add_channel("lobby", [alice], private=request.param)


@pytest.fixture
def elsewhere(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> TraceSummary:
    """Return a trace of another, public channel of the workspace."""
    return asked(sandbox, observability, alice, general, SECRET)


def post_a_digest(bot: Bot, sandbox: Sandbox, observability: Observability, lobby: Channel) -> str:
    now = time.time_ns()
    tomorrow = now + 86_400 * 1_000_000_000
    midnight = datetime.fromtimestamp(tomorrow / 1e9, UTC).strftime("%H:%M")
    subscribe(
        observability.database,
        Subscription(sandbox.team_id, lobby.id, midnight, "UTC", "U1", created_at=1),
    )
    bot.scheduler._digests.send_due(now=tomorrow)
    return shown(sandbox.messages(lobby)[-1:])


@pytest.mark.parametrize("opened", OPENED)
def test_a_digest_tells_of_the_channel_alone(
    bot: Bot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    lobby: Channel,
    elsewhere: TraceSummary,
    opened: Open,
) -> None:
    asked(sandbox, observability, alice, lobby, "an open question")
    before = ask(sandbox, alice, lobby, "digest now")
    assert "in this channel" not in before and "2 turns, none failed" in before
    open_up(sandbox, lobby, opened)
    for digest in (
        ask(sandbox, alice, lobby, "digest now"),
        post_a_digest(bot, sandbox, observability, lobby),
    ):
        assert "What the agents did in this channel" in digest
        assert "1 turn, none failed" in digest
        assert SECRET not in digest and elsewhere.trace_id[:16] not in digest


@pytest.mark.parametrize("opened", OPENED)
def test_only_its_own_traces_can_be_shared_there(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    lobby: Channel,
    elsewhere: TraceSummary,
    opened: Open,
) -> None:
    own = asked(sandbox, observability, alice, lobby, "an open question")
    open_up(sandbox, lobby, opened)
    posted = len(sandbox.messages(lobby))
    (seen,) = sandbox.command(alice, lobby, "/trace", f"show {elsewhere.trace_id}")
    said = shown(sandbox.click(alice, seen, "trace_share", responses=1))
    assert "Not everyone in this channel may see this trace" in said
    assert len(sandbox.messages(lobby)) == posted
    (seen,) = sandbox.command(alice, lobby, "/trace", f"show {own.trace_id}")
    sandbox.click(alice, seen, "trace_share", responses=1)
    assert "invoke_agent echo" in shown(sandbox.messages(lobby)[-1:])


def test_a_direct_message_of_a_member_is_told_what_its_person_may_see(
    sandbox: Sandbox, observability: Observability, alice: User, elsewhere: TraceSummary
) -> None:
    dm = sandbox.open_dm(alice)
    own = asked(sandbox, observability, alice, dm, "between us")
    assert "in this channel" not in ask(sandbox, alice, dm, "digest now")
    for trace in (own, elsewhere):
        (seen,) = sandbox.command(alice, dm, "/trace", f"show {trace.trace_id}")
        assert "posted" in shown(sandbox.click(alice, seen, "trace_share", responses=1))


def test_one_list_of_people_answers_for_all_members_of_a_large_channel(
    sandbox: Sandbox, web: WebClient, observability: Observability
) -> None:
    people = [sandbox.add_user(f"p{number}") for number in range(1_200)]
    everyone = sandbox.add_channel("everyone", people)
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    assert not access.is_shared(everyone.id)
    calls = [call.method for call in sandbox.calls()]
    assert calls.count("users.info") == 0
    assert calls.count("users.list") == calls.count("conversations.members") == 2  # Pages.


def test_a_small_channel_does_not_wait_for_the_list_of_a_large_workspace(
    sandbox: Sandbox, web: WebClient, observability: Observability, alice: User
) -> None:
    for number in range(1_200):
        sandbox.add_user(f"p{number}")
    few = [sandbox.add_user(f"q{number}") for number in range(20)]
    team = sandbox.add_channel("team", [alice, *few])
    sandbox.faults.rate_limit("users.list", times=90, retry_after=60)
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    assert not access.is_shared(team.id)
    assert not access.is_shared(team.id)
    calls = [call.method for call in sandbox.calls()]
    assert calls.count("users.info") == 22, "each once, with the bot"
    sandbox.join(sandbox.add_user("gus", guest=True), team)
    access.forget()
    assert access.is_shared(team.id)


@pytest.mark.parametrize("guest", [True, False])
def test_a_large_channel_with_somebody_who_is_not_listed_yet(
    sandbox: Sandbox, web: WebClient, observability: Observability, guest: bool
) -> None:
    everyone = sandbox.add_channel("all", [sandbox.add_user(f"p{n}") for n in range(40)])
    directory = Directory(web)
    access = Access(directory, observability.database, team=sandbox.team_id)
    assert not access.is_shared(everyone.id)
    sandbox.join(sandbox.add_user("new", guest=guest), everyone)
    del directory._cache["members", everyone.id]  # It was asked earlier than the list of people.
    assert access.is_shared(everyone.id) is guest


def test_it_is_not_known_who_can_read_a_large_channel_while_slack_lists_nobody(
    sandbox: Sandbox, web: WebClient, observability: Observability
) -> None:
    everyone = sandbox.add_channel("all", [sandbox.add_user(f"p{n}") for n in range(40)])
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    sandbox.faults.error("users.list", "internal_error", times=9)
    assert access.is_shared(everyone.id) is None
