"""Who may ask: each way to make an agent run, as people see it in Slack."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.agents.config.roster import RosterError, load_roster
from bot.agents.types import Agent
from bot.replies.buttons import TRY_AGAIN
from bot.sandbox import Channel, Manifest, Message, Sandbox, User
from bot.slack.connection.client import BRIEF
from storage import Observability
from storage.queries.lookups import message_traces
from storage.queries.statistics import statistics
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot, eventually, spans_of
from tests.support.fake_agent import Scripted, roster_with
from tests.support.paths import MANIFEST
from tests.support.running_bot import start_in

AGENTS = """
[agents.echo]
provider = "echo"
[agents.builder]
provider = "echo"
mode = "execute"
"""


class Desk:
    """Ask as a person, and look at what came of it."""

    def __init__(self, sandbox: Sandbox, observability: Observability) -> None:
        self.sandbox = sandbox
        self.observability = observability

    def ask(
        self, user: User, channel: Channel, text: str = "hello", *, thread_ts: str | None = None
    ) -> Message:
        mention = f"{self.sandbox.mention} "
        return self.sandbox.post(user, channel, mention + text, thread_ts=thread_ts)

    def trace(self, message: Message) -> TraceSummary:
        """Return the message's trace once it has ended."""
        found: list[TraceSummary] = []

        def has_ended() -> bool:
            self.observability.flush()
            found[:] = message_traces(
                self.observability.database, channel=message.channel, message_ts=message.ts
            )
            return bool(found) and found[0].status != "running"

        eventually(has_ended)
        return found[0]

    def decision(self, message: Message) -> tuple[str | None, str | None]:
        trace = self.trace(message)
        return trace.decision, trace.reason

    def replies(self, message: Message) -> list[str]:
        """Return the bot's replies to a message once its turn has ended."""
        self.trace(message)
        thread = self.sandbox.thread(message.channel, message.thread_ts or message.ts)
        later = [m for m in thread if float(m.ts) > float(message.ts)]
        return [m.text for m in later if m.user == self.sandbox.bot_user_id]

    def told(self, user: User, channel: Channel) -> list[str]:
        return [message.text for message in self.sandbox.ephemerals(user, channel)]


@pytest.fixture
def desk(sandbox: Sandbox, observability: Observability) -> Desk:
    return Desk(sandbox, observability)


@pytest.fixture
def guest(sandbox: Sandbox) -> User:
    return sandbox.add_user("gus", guest=True)


@pytest.fixture
def stranger(sandbox: Sandbox) -> User:
    return sandbox.add_user("sam", external=True)


@pytest.fixture
def mixed(sandbox: Sandbox, alice: User, guest: User) -> Channel:
    """A channel that a guest can read."""
    return sandbox.add_channel("mixed", [alice, guest])


@pytest.fixture
def partners(sandbox: Sandbox, alice: User, stranger: User) -> Channel:
    """A channel that another organisation can read."""
    return sandbox.add_channel("partners", [alice, stranger])


def test_a_guest_is_not_answered_and_is_told_so_once_and_privately(
    desk: Desk, start_bot: StartBot, guest: User, mixed: Channel
) -> None:
    start_bot(AGENTS)
    for text in ("hello", "@builder now you"):
        message = desk.ask(guest, mixed, text)
        assert desk.decision(message) == ("skip", "guest_may_not_ask")
        assert desk.replies(message) == []
        assert desk.sandbox.reactions(mixed, message.ts) == {}
    (told,) = desk.told(guest, mixed)
    assert told.startswith(
        "I did not pass your message on to echo: guests of this workspace may not ask echo. Let a "
        "full member ask for you, or ask the person who runs me to allow it."
    )


def test_a_refusal_is_counted_in_statistics_by_decision(
    desk: Desk, start_bot: StartBot, guest: User, mixed: Channel
) -> None:
    start_bot(AGENTS)
    desk.trace(desk.ask(guest, mixed))
    counted = statistics(desk.observability.database, by="decision", since=0, until=2**62)
    assert [group.key for group in counted.groups] == ["guest_may_not_ask"]


def test_a_restarted_bot_does_not_tell_it_again(
    desk: Desk, start_bot: StartBot, guest: User, mixed: Channel
) -> None:
    first = start_in(desk.sandbox, desk.observability, load_roster(None))
    desk.sandbox.wait_for_app()
    desk.trace(desk.ask(guest, mixed))
    first.stop(grace=5.0)
    start_bot()
    desk.trace(desk.ask(guest, mixed))
    assert len(desk.told(guest, mixed)) == 1


def test_a_guest_is_told_in_a_direct_message_by_an_ordinary_reply(
    desk: Desk, start_bot: StartBot, guest: User
) -> None:
    start_bot(AGENTS)
    direct = desk.sandbox.open_dm(guest)
    question = desk.sandbox.post(guest, direct, "hello")
    assert desk.decision(question) == ("skip", "guest_may_not_ask")
    (told,) = desk.replies(question)
    assert "guests of this workspace may not ask echo" in told


def test_a_guest_cannot_continue_a_members_conversation_but_is_part_of_its_history(
    desk: Desk, start_bot: StartBot, alice: User, guest: User, mixed: Channel
) -> None:
    start_bot(AGENTS)
    question = desk.ask(alice, mixed, "@echo hello")
    desk.trace(question)
    follow_up = desk.sandbox.post(guest, mixed, "and me?", thread_ts=question.ts)
    assert desk.decision(follow_up) == ("skip", "guest_may_not_ask")
    assert desk.sandbox.ephemerals(guest, mixed)[0].thread_ts == question.ts
    after = desk.sandbox.post(alice, mixed, "go on", thread_ts=question.ts)
    (reply,) = desk.replies(after)
    assert "3 earlier messages" in reply


def test_somebody_who_may_ask_nobody_is_not_shown_that_a_message_waits(
    desk: Desk, start_bot: StartBot, alice: User, guest: User, mixed: Channel
) -> None:
    slow = """
    [agents.slow]
    command = ["sleep", "1"]
    """
    start_bot(slow)
    question = desk.ask(alice, mixed)
    desk.sandbox.wait_for_reaction(mixed, question.ts, "eyes")
    desk.trace(desk.ask(guest, mixed, thread_ts=question.ts))
    added = {call.arguments["name"] for call in desk.sandbox.calls("reactions.add")}
    assert "hourglass_flowing_sand" not in added


def test_a_person_of_another_organisation_is_not_answered(
    desk: Desk, start_bot: StartBot, stranger: User, partners: Channel
) -> None:
    start_bot(AGENTS)
    question = desk.ask(stranger, partners)
    assert desk.decision(question) == ("skip", "stranger_may_not_ask")
    (told,) = desk.told(stranger, partners)
    assert "people of other organisations may not ask echo" in told


@pytest.mark.parametrize("listed", ["true", '["{}"]'])
def test_guests_and_strangers_are_answered_if_the_agents_file_says_so(
    desk: Desk,
    start_bot: StartBot,
    guest: User,
    mixed: Channel,
    stranger: User,
    partners: Channel,
    listed: str,
) -> None:
    start_bot(
        f"[access]\nguests = {listed.format(guest.id)}\n"
        f"strangers = {listed.format(stranger.id)}\n{AGENTS}"
    )
    assert len(desk.replies(desk.ask(guest, mixed))) == 1
    assert len(desk.replies(desk.ask(stranger, partners))) == 1


def test_a_list_of_guests_lets_in_no_other_guest(
    desk: Desk, start_bot: StartBot, guest: User, mixed: Channel
) -> None:
    start_bot(f'[access]\nguests = ["U0000000"]\npeople = ["{guest.id}"]\n{AGENTS}')
    assert desk.decision(desk.ask(guest, mixed)) == ("skip", "guest_may_not_ask")


def test_only_certain_people_may_ask_an_agent_and_the_others_are_told(
    desk: Desk, start_bot: StartBot, alice: User, general: Channel
) -> None:
    bob = desk.sandbox.add_user("bob")
    desk.sandbox.join(bob, general)
    start_bot(f'{AGENTS}\n[agents.builder.access]\npeople = ["{alice.id}"]')
    assert len(desk.replies(desk.ask(alice, general, "@builder build"))) == 1
    refused = desk.ask(bob, general, "@builder build")
    assert desk.decision(refused) == ("skip", "person_not_allowed")
    both = desk.ask(bob, general, "@builder @echo build")
    assert desk.decision(both) == ("answer", "mentioned")
    (reply,) = desk.replies(both)
    assert reply.startswith("You said: build")
    decide = spans_of(desk.observability, desk.trace(both))["decide"]
    assert decide.attributes["refused"] == ["builder: person_not_allowed"]
    (told,) = desk.told(bob, general)
    assert "only certain people may ask builder" in told


def test_nobody_continues_the_thread_of_an_agent_that_they_may_not_ask(
    desk: Desk, start_bot: StartBot, alice: User, general: Channel
) -> None:
    bob = desk.sandbox.add_user("bob")
    desk.sandbox.join(bob, general)
    start_bot(f'{AGENTS}\n[agents.builder.access]\npeople = ["{alice.id}"]')
    question = desk.ask(alice, general, "@builder build")
    desk.trace(question)
    follow_up = desk.sandbox.post(bob, general, "and mine", thread_ts=question.ts)
    assert desk.decision(follow_up) == ("skip", "person_not_allowed")


def test_an_agent_answers_in_its_channels_only(
    desk: Desk, start_bot: StartBot, alice: User, general: Channel
) -> None:
    other = desk.sandbox.add_channel("other", [alice])
    start_bot(f'{AGENTS}\n[agents.builder.access]\nchannels = ["{general.id}", "direct"]')
    assert len(desk.replies(desk.ask(alice, general, "@builder build"))) == 1
    assert desk.decision(desk.ask(alice, other, "@builder x")) == ("skip", "channel_not_allowed")
    (told,) = desk.told(alice, other)
    assert "builder may not be asked here" in told
    direct = desk.sandbox.open_dm(alice)
    assert len(desk.replies(desk.sandbox.post(alice, direct, "@builder build"))) == 1


@pytest.mark.parametrize("channel", ["mixed", "partners"])
def test_an_agent_that_executes_needs_an_entry_for_a_channel_that_others_can_read(
    desk: Desk,
    start_bot: StartBot,
    alice: User,
    channel: str,
    request: pytest.FixtureRequest,
) -> None:
    shared: Channel = request.getfixturevalue(channel)
    named = desk.sandbox.add_channel("named", shared.members)
    start_bot(f'{AGENTS}\n[access.execute]\nshared_channels = ["{named.id}"]')
    assert desk.decision(desk.ask(alice, shared, "@builder x")) == (
        "skip",
        "shared_channel_not_allowed",
    )
    (told,) = desk.told(alice, shared)
    assert "guests or people of other organisations can read this channel" in told
    assert len(desk.replies(desk.ask(alice, shared, "@echo x"))) == 1
    assert len(desk.replies(desk.ask(alice, named, "@builder x"))) == 1


def test_who_loses_the_right_while_a_message_waits_for_a_slot_is_not_answered(
    desk: Desk, start_bot: StartBot, alice: User, general: Channel, agent: Scripted
) -> None:
    builder = Agent(name="builder", providers=(agent,), mode="execute")
    start_bot(roster_with({"builder": builder}, default="builder"), workers=1)
    first = desk.ask(alice, general)
    agent.wait_until_asked()
    waiting = desk.ask(alice, general, "@builder the other")
    desk.sandbox.wait_for_reaction(general, waiting.ts, "hourglass_flowing_sand")
    desk.sandbox.share(general)
    desk.sandbox.settle()
    agent.end("done")
    desk.sandbox.wait_for_reaction(general, first.ts, "white_check_mark")
    assert desk.trace(waiting).status == "cancelled"
    assert [request.prompt for request in agent.requests] == ["hello"]
    (told,) = desk.told(alice, general)
    assert "guests or people of other organisations can read this channel" in told
    desk.sandbox.settle()
    assert not desk.sandbox.messages(general)[1].reactions


@pytest.mark.parametrize(
    ("method", "agent", "unknown"),
    [
        ("users.info", "echo", "who you are"),
        ("conversations.info", "builder", "who can read this channel"),
        ("conversations.members", "builder", "who can read this channel"),
    ],
)
def test_a_message_about_which_slack_tells_too_little_is_asked_again_by_a_button(
    desk: Desk,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    method: str,
    agent: str,
    unknown: str,
) -> None:
    start_bot(AGENTS)
    desk.sandbox.faults.error(method, "internal_error", times=90)
    for _ in range(2):  # Told each time, as the first one asks to try again.
        question = desk.ask(alice, general, f"@{agent} hello")
        assert desk.replies(question) == []
    told = desk.sandbox.ephemerals(alice, general)
    said = f"I did not pass your message on to {agent}: Slack did not tell me {unknown}."
    assert [message.text for message in told] == [f"{said} Please try again in a minute."] * 2
    desk.sandbox.faults.clear()
    desk.sandbox.click(alice, told[-1], TRY_AGAIN)
    answer = desk.sandbox.wait_for_reply(general, question.ts, containing="hello")
    assert answer.user == desk.sandbox.bot_user_id


def test_slack_is_asked_once_who_somebody_is_before_they_are_told_that_it_does_not_say(
    desk: Desk, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot(AGENTS)
    desk.sandbox.faults.error("users.info", "internal_error", times=90)
    desk.trace(desk.ask(alice, general, "@echo @builder race"))
    assert len(desk.told(alice, general)) == 2, "a button for each agent"
    assert len(desk.sandbox.calls("users.info")) == BRIEF.attempts


def test_a_refusal_that_slack_shows_nowhere_else_is_told_directly_once_it_is_well(
    desk: Desk, start_bot: StartBot, guest: User, mixed: Channel
) -> None:
    start_bot(AGENTS)
    desk.sandbox.faults.error("chat.postEphemeral", "user_not_in_channel")
    desk.sandbox.faults.server_error("chat.postMessage")
    desk.trace(desk.ask(guest, mixed))
    (told,) = desk.sandbox.messages(desk.sandbox.open_dm(guest))
    assert "guests of this workspace may not ask echo" in told.text


@pytest.mark.parametrize("method", ["users.info", "conversations.info", "conversations.members"])
def test_nobody_waits_for_a_minute_to_be_told_that_slack_limits_the_rate(
    desk: Desk, start_bot: StartBot, alice: User, general: Channel, method: str
) -> None:
    start_bot(AGENTS)
    desk.sandbox.faults.rate_limit(method, times=90, retry_after=60)
    question = desk.ask(alice, general, "@builder build")
    reason = "asker_unknown" if method == "users.info" else "readers_unknown"
    assert desk.decision(question) == ("skip", reason)
    assert len(desk.told(alice, general)) == 1


def test_members_of_a_user_group_may_ask(observability: Observability, tmp_path: Path) -> None:
    plain = Manifest.read(MANIFEST)
    with Sandbox.start(replace(plain, scopes=plain.scopes | {"usergroups:read"})) as sandbox:
        desk = Desk(sandbox, observability)
        alice, bob = sandbox.add_user("alice"), sandbox.add_user("bob")
        general = sandbox.add_channel("general", [alice, bob])
        agents = tmp_path / "agents.toml"
        group = sandbox.add_user_group(alice)
        agents.write_text(f'{AGENTS}\n[agents.echo.access]\ngroups = ["{group}"]')
        bot = start_in(sandbox, observability, load_roster(agents))
        try:
            assert len(desk.replies(desk.ask(alice, general, "@echo hello"))) == 1
            refused = desk.ask(bob, general, "@echo hello")
            assert desk.decision(refused) == ("skip", "person_not_allowed")
        finally:
            bot.stop(grace=5.0)


def test_user_groups_without_their_scope_are_refused_at_the_start(
    start_bot: StartBot,
) -> None:
    with pytest.raises(RosterError, match=r"builder, but the Slack app lacks .* usergroups:read"):
        start_bot(f'{AGENTS}\n[agents.builder.access]\ngroups = ["S0123456789"]')
