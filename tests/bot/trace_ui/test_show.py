"""`/trace show`: how a turn ended in the program's own words, and what to do with it."""

from functools import partial
from importlib import import_module

import pytest

from bot.agents.errors import AgentCrashed
from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot, ended, finished
from tests.support.fake_agent import Scripted, roster_of
from tests.support.traces_in_slack import ask, asked, in_modal

WORDS = "Traceback (most recent call last):\nError: model gpt-9 does not exist\n"


@pytest.fixture
def agent(start_bot: StartBot) -> Scripted:
    agent = Scripted()
    start_bot(roster_of(agent))
    return agent


@pytest.fixture
def failure(
    agent: Scripted,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> TraceSummary:
    """Return the trace of a question whose program printed to stderr and failed."""
    agent.fail(AgentCrashed("it exited with 1", exit_code=1, stderr=WORDS))
    question = sandbox.post(alice, general, f"{sandbox.mention} what is new?")
    ended(sandbox, general, question, "x")
    (found,) = finished(observability, general, question.ts, count=1)
    return found


def show(sandbox: Sandbox, user: User, channel: Channel, words: str = "show") -> Message:
    (message,) = sandbox.command(user, channel, "/trace", words, timeout=20.0)
    return message


def test_it_says_what_was_asked_and_how_it_ended_in_the_programs_words(
    failure: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    said = ask(sandbox, alice, general, f"show {failure.trace_id}")
    for words in ("what is new?", "@alice", "Failed after", "it exited with 1", "Traceback (most"):
        assert words in said
    assert f"archives/{general.id}/p{str(failure.message_ts).replace('.', '')}" in said
    assert said.index("it exited with 1") < said.index("add reaction"), "Slack's steps come last"


def test_without_an_id_it_is_the_newest_here_or_else_ones_own(
    failure: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    quiet = sandbox.add_channel("quiet", [alice])
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    sandbox.join(bob, quiet)
    assert failure.trace_id in ask(sandbox, bob, general, "show")
    assert failure.trace_id in ask(sandbox, alice, quiet, "show")
    assert "Nothing that you may see" in ask(sandbox, bob, quiet, "show")


def test_a_failed_question_is_tried_again_from_its_trace_once(
    failure: TraceSummary,
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
) -> None:
    message = show(sandbox, alice, general)
    (told,) = sandbox.click(alice, message, "trace_again", responses=1, timeout=20.0)
    assert "It is being asked again" in told.text
    agent.end("Nothing is new.")
    sandbox.wait_for_reply(general, str(failure.thread_ts), containing="Nothing is new.")
    (told,) = sandbox.click(alice, message, "trace_again", responses=1, timeout=20.0)
    assert "already" in told.text
    assert len(agent.requests) == 2


def test_everything_that_is_stored_is_shown_as_json_in_a_modal(
    failure: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    message = show(sandbox, alice, general)
    said = in_modal(sandbox, alice, partial(sandbox.click, alice, message, "trace_raw"))
    assert '"process.exit.code": 1' in said
    assert failure.trace_id in said


def test_what_is_stored_has_pages_if_it_is_long(
    failure: TraceSummary,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(import_module("reports.render.slack.trace_tree"), "RAW_PARTS", 1)
    message = show(sandbox, alice, general)
    first = in_modal(sandbox, alice, partial(sandbox.click, alice, message, "trace_raw"))
    second = in_modal(sandbox, alice, partial(sandbox.press, alice, "trace_raw_1"))
    assert "page 1 of" in first and '"trace": {' in first
    assert "page 2 of" in second and '"trace": {' not in second


def test_in_the_shortcuts_modal_everything_is_shown_and_the_question_is_tried_again(
    failure: TraceSummary,
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
) -> None:
    _, reply = sandbox.thread(general, str(failure.thread_ts))
    said = in_modal(sandbox, alice, lambda: sandbox.shortcut(alice, reply, "show_trace"))
    assert "Failed after" in said and "add reaction" in said
    assert "exit.code" in in_modal(sandbox, alice, lambda: sandbox.press(alice, "trace_raw"))
    assert "Failed after" in in_modal(sandbox, alice, lambda: sandbox.press(alice, "trace_show"))
    said = in_modal(sandbox, alice, lambda: sandbox.press(alice, "trace_again"))
    assert "It is being asked again" in said
    agent.end("Nothing is new.")
    sandbox.wait_for_reply(general, str(failure.thread_ts), containing="Nothing is new.")


def test_an_answered_question_shows_its_answer_and_is_not_tried_again(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    trace = asked(sandbox, observability, alice, general, "hello")
    said = ask(sandbox, alice, general, f"show {trace.trace_id}")
    assert "Answered in" in said
    assert "> hello" in said.replace("You said: ", "")
    assert "trace_again" not in said
