"""Who is in a channel is asked once per person, and anew as soon as an event tells of a change."""

import time
from dataclasses import dataclass, replace

import pytest
from slack_sdk import WebClient

from bot.access import CHANGED, Access
from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from bot.slack.connection import client
from bot.slack.directory import Directory
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from storage import Observability
from storage.model.span import own_audience
from storage.upkeep.journal import last_entry
from tests.support.conversations import StartBot, eventually
from tests.support.factories import NOW
from tests.support.traces_in_slack import ask, asked

SECRET = "the merger is on friday"


@dataclass(frozen=True)
class PublicTrace:
    """The part of a trace that decides who may see it."""

    audience: str
    channel: str


@pytest.fixture
def bot(start_bot: StartBot, monkeypatch: pytest.MonkeyPatch) -> Bot:
    """Start a bot that repeats failed lookups at once."""
    monkeypatch.setattr(client, "BRIEF", replace(client.BRIEF, first_wait_s=0.0))
    return start_bot()


@pytest.fixture
def board(sandbox: Sandbox, alice: User) -> Channel:
    return sandbox.add_channel("board", [alice], private=True)


def test_one_call_answers_for_any_number_of_private_channels(
    sandbox: Sandbox, web: WebClient, observability: Observability, alice: User, general: Channel
) -> None:
    joined = [sandbox.add_channel(f"p{n}", [alice], private=True) for n in range(101)]
    sandbox.add_channel("others", [], private=True)
    sandbox.add_channel("without-the-bot", [alice], private=True, with_bot=False)
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    sight = access.sight(sandbox.team_id, alice.id)
    own = {own_audience(sandbox.team_id, each) for each in (alice.id, *(c.id for c in joined))}
    assert sight.audiences == {sandbox.team_id, *own}
    calls = [call.method for call in sandbox.calls()]
    assert calls.count("conversations.members") == calls.count("conversations.info") == 0
    assert calls.count("users.conversations") == 2  # The person's, and the bot's own.


def test_more_channels_than_a_page_holds_are_all_seen(
    sandbox: Sandbox, web: WebClient, observability: Observability, alice: User
) -> None:
    for number in range(1_100):
        sandbox.add_channel(f"p{number}", [alice], private=True)
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    sight = access.sight(sandbox.team_id, alice.id)
    assert len(sight.audiences) == 1_102
    database, parser = observability.database, build_parser(prog="tracebot", shell=False)[0]
    viewer = Viewer(audiences=sight.audiences, may_see=sight.may_see)
    for words in ("ls", "ls --all --user U1", "stats --by channel", "search x", "errors"):
        assert answer(parse(parser, words.split()), database=database, viewer=viewer, now=NOW)


@pytest.mark.usefixtures("bot")
def test_an_event_ends_what_was_remembered_about_a_member(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel, board: Channel
) -> None:
    """Nobody waits for the minute to pass: the answers before and after are seconds apart."""
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    sandbox.join(bob, board)
    asked(sandbox, observability, alice, board, SECRET)
    assert SECRET in ask(sandbox, bob, general, "ls")
    sandbox.leave(bob, board)
    assert sandbox.events("member_left_channel")
    sandbox.settle()
    assert SECRET not in ask(sandbox, bob, general, "ls")
    sandbox.join(bob, board)
    sandbox.settle()
    assert SECRET in ask(sandbox, bob, general, "ls")


def test_a_team_that_joins_at_once_does_not_use_up_what_slack_allows(
    bot: Bot, sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    team = [sandbox.add_user(f"p{number}") for number in range(5)]
    before = len(sandbox.calls("users.conversations"))
    for person in team:
        heard = last_entry(observability.database, CHANGED)
        sandbox.join(person, general)
        eventually(lambda heard=heard: last_entry(observability.database, CHANGED) != heard)  # type: ignore[misc]
    ask(sandbox, alice, general, "ls")
    assert len(sandbox.calls("users.conversations")) - before == 2  # The bot's, and alice's.


def test_a_membership_is_remembered_for_a_minute_if_no_event_tells_of_its_end(
    sandbox: Sandbox, web: WebClient, observability: Observability, alice: User, board: Channel
) -> None:
    now = [0.0]
    directory = Directory(web, clock=lambda: now[0])
    access = Access(directory, observability.database, team=sandbox.team_id)
    own = own_audience(sandbox.team_id, board.id)
    assert own in access.sight(sandbox.team_id, alice.id).audiences
    sandbox.leave(alice, board)  # No bot runs that would hear of it.
    now[0] = 59.0
    assert own in access.sight(sandbox.team_id, alice.id).audiences
    now[0] = 60.0
    assert own not in access.sight(sandbox.team_id, alice.id).audiences


@pytest.mark.usefixtures("bot")
def test_the_members_of_a_channel_that_the_bot_left_no_longer_see_it(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel, board: Channel
) -> None:
    asked(sandbox, observability, alice, board, SECRET)
    assert SECRET in ask(sandbox, alice, general, "ls")
    sandbox.leave(sandbox.bot_user_id, board)
    sandbox.settle()
    assert SECRET not in ask(sandbox, alice, general, "ls")


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("archived", [True, False])
def test_members_still_see_an_archived_channel(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    board: Channel,
    archived: bool,
) -> None:
    asked(sandbox, observability, alice, board, SECRET)
    sandbox.archive(board, archived=archived)
    sandbox.settle()
    assert SECRET in ask(sandbox, alice, general, "ls")


@pytest.mark.usefixtures("bot")
def test_nobody_sees_a_deleted_channel(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    closed = sandbox.add_channel("closed", [alice])
    trace = asked(sandbox, observability, alice, closed, SECRET)
    assert SECRET in ask(sandbox, alice, general, "ls")
    sandbox.delete_channel(closed)
    sandbox.settle()
    assert SECRET not in ask(sandbox, alice, general, "ls")
    assert "Nothing found" in ask(sandbox, alice, general, f"show {trace.trace_id}")
    eventually(lambda: closed.id not in ask(sandbox, alice, general, "stats --by channel"))


def test_another_process_hears_of_an_event(
    sandbox: Sandbox, web: WebClient, observability: Observability, alice: User, board: Channel
) -> None:
    """Slack sends each event to one of the processes only."""
    here, there = (
        Access(Directory(web), observability.database, team=sandbox.team_id) for _ in range(2)
    )
    assert (
        own_audience(sandbox.team_id, board.id) in there.sight(sandbox.team_id, alice.id).audiences
    )
    sandbox.leave(alice, board)
    event = {"type": "member_left_channel", "user": alice.id, "channel": board.id}
    here.forget()
    here.follow(event)
    assert last_entry(observability.database, CHANGED) is not None
    seen = there.sight(sandbox.team_id, alice.id).audiences
    assert own_audience(sandbox.team_id, board.id) not in seen


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "nothing", "nonsense"])
def test_the_answer_says_that_slack_could_not_be_asked(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    board: Channel,
    fault: str,
) -> None:
    with observability.span(
        "slack message",
        team=sandbox.team_id,
        audience=own_audience(sandbox.team_id, board.id),
        channel=board.id,
        thread_ts="1.2",
        text=SECRET,
        platform="slack",
    ):
        pass
    observability.flush()
    if fault in ("nothing", "nonsense"):
        channels = ', "channels": [1, {"name": "x"}]' if fault == "nonsense" else ""
        body = '{"ok": true' + channels + "}"
        sandbox.faults.wrong_content("users.conversations", times=400, body=body)
    elif fault == "rate_limit":
        sandbox.faults.rate_limit("users.conversations", times=400, retry_after=0)
    else:
        sandbox.faults.error("users.conversations", "internal_error", times=400)
    for words in ("ls", "ls --all", "search merger", "errors", "slow", "ps", "stats", "cost"):
        said = ask(sandbox, alice, general, words)
        assert SECRET not in said
        assert "Slack did not tell me which private conversations you are in" in said, words
    said = ask(sandbox, alice, general, "thread")
    assert SECRET not in said
    assert "No thread is recorded here yet" in said


@pytest.mark.usefixtures("bot")
def test_public_traces_are_shown_while_slack_does_not_list_conversations(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    asked(sandbox, observability, alice, general, "hello all")
    sandbox.faults.error("users.conversations", "internal_error", times=40)
    assert "hello all" in ask(sandbox, alice, general, "ls")


@pytest.mark.usefixtures("bot")
def test_nothing_is_shown_to_someone_whom_slack_does_not_know(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    asked(sandbox, observability, alice, general, "hello all")
    sandbox.faults.error("users.info", "internal_error", times=40)
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    said = ask(sandbox, bob, general, "ls")
    assert "hello all" not in said
    assert "Slack did not tell me who you are" in said


@pytest.mark.usefixtures("bot")
def test_a_guest_is_told_who_can_see_traces(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    guest = sandbox.add_user("gus", guest=True)
    sandbox.join(guest, general)
    asked(sandbox, observability, alice, general, "hello all")
    for words in ("ls", "stats", "cost", "digest now", "digest here at 09:00"):
        said = ask(sandbox, guest, general, words)
        assert "Only full members of this workspace can see traces" in said, words


@pytest.mark.usefixtures("bot")
def test_nobody_waits_for_a_minute_because_slack_asks_to(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    asked(sandbox, observability, alice, general, "hello all")
    sandbox.faults.rate_limit("users.conversations", times=9, retry_after=60)
    began = time.monotonic()
    said = ask(sandbox, alice, general, "ls")
    assert "hello all" in said
    assert "Slack did not tell me which private conversations you are in" in said
    assert time.monotonic() - began < 20, "within the patience of `ask`"


def test_a_slack_that_hangs_is_waited_for_once(
    sandbox: Sandbox,
    start_bot: StartBot,
    observability: Observability,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.slack.connection.client.LOOKUP_TIMEOUT_S", 1)
    start_bot()
    asked(sandbox, observability, alice, general, "hello all")
    sandbox.faults.latency("users.conversations", 3.0, times=9)
    said = ask(sandbox, alice, general, "ls")
    assert "hello all" in said
    assert "Slack did not tell me which private conversations you are in" in said
    assert len(sandbox.calls("users.conversations")) <= 2


@pytest.mark.usefixtures("bot")
def test_nobody_waits_for_a_minute_to_hear_that_slack_does_not_know_them(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.faults.rate_limit("users.info", times=9, retry_after=60)
    assert "Slack did not tell me who you are" in ask(sandbox, alice, general, "ls")


@pytest.mark.usefixtures("bot")
def test_a_short_wait_for_the_rate_limit_is_kept(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel, board: Channel
) -> None:
    asked(sandbox, observability, alice, board, SECRET)
    sandbox.faults.rate_limit("users.conversations", retry_after=1)
    assert SECRET in ask(sandbox, alice, general, "ls")


def test_slack_is_not_asked_again_and_again_while_it_does_not_answer(
    sandbox: Sandbox, web: WebClient, observability: Observability, alice: User
) -> None:
    access = Access(Directory(web), observability.database, team=sandbox.team_id)
    sight = access.sight(sandbox.team_id, alice.id)
    access.forget()
    sandbox.faults.error("users.conversations", "internal_error", times=99)
    sandbox.faults.error("conversations.info", "internal_error", times=99)
    before = len(sandbox.calls())
    for number in range(1_000):
        place = PublicTrace(sandbox.team_id, f"C{number}")
        assert not sight.may_see(place)
    assert len(sandbox.calls()) - before <= 2
    assert "Slack did not tell me whether a channel is still public" in sight.note


@pytest.mark.usefixtures("bot")
def test_statistics_do_not_name_a_channel_that_slack_hides(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    gone = sandbox.add_channel("gone", [alice])
    dm = sandbox.open_dm(alice)
    for place in (gone, dm):
        asked(sandbox, observability, alice, place, "hello")
    sandbox.leave(sandbox.bot_user_id, gone)
    sandbox.settle()
    said = ask(sandbox, alice, general, "stats --by channel")
    assert "#gone" in said and "direct messages" in said
    sandbox._workspace.channels[gone.id].kind = "group"  # The bot gets no event of it.
    sandbox.join(sandbox.add_user("new"), general)  # An event, so that Slack is asked again.
    sandbox.settle()
    said = ask(sandbox, alice, general, "stats --by channel")
    assert "gone" not in said and gone.id not in said and "direct messages" in said


@pytest.mark.usefixtures("bot")
def test_a_channel_is_public_only_if_slack_says_so(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    gone = sandbox.add_channel("gone", [alice])
    trace = asked(sandbox, observability, alice, gone, SECRET)
    sandbox.leave(sandbox.bot_user_id, gone)
    sandbox.settle()
    silent = f'{{"ok": true, "channel": {{"id": "{gone.id}"}}}}'
    sandbox.faults.wrong_content("conversations.info", body=silent)
    assert SECRET not in ask(sandbox, alice, general, f"show {trace.trace_id}")
