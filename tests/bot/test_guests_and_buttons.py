"""Guests and strangers press, edit and react like members, and nothing comes of it."""

from collections.abc import Callable

import pytest

from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.queries.traces import recent_traces, running_traces
from tests.support.conversations import StartBot, eventually
from tests.support.fake_agent import Scripted, roster_of
from tests.support.traces_in_slack import ask, shown

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
