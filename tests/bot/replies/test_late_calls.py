"""Calls that Slack carries out after we stopped waiting for them, or after their process ended."""

import logging
from functools import partial

import pytest
from slack_sdk import WebClient

from bot.app import shared, turns
from bot.lifecycle import Bot
from bot.replies import delivery, live, live_messages
from bot.sandbox import Channel, Sandbox
from storage import Observability
from tests.support.conversations import Ask, StartBot, ended, eventually
from tests.support.fake_agent import Scripted, crashed, roster_of
from tests.support.replies import (
    all_ended,
    is_at_work,
    left_replies,
    refuse_all,
    session_of,
    tick,
)


@pytest.fixture(autouse=True)
def short_waits(quick_replies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_WAIT_S", 0.1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bot wait only a moment for Slack."""
    hasty = partial(shared.client_without_retries, timeout_s=0.3)
    monkeypatch.setattr(shared, "client_without_retries", hasty)
    monkeypatch.setattr(turns, "LIVE_TIMEOUT_S", 0.2)


def handed_over(bot: Bot, start_bot: StartBot) -> Bot:
    """Let the replies of *bot* be ended by another one, as if its process had ended."""
    bot.unfinished.close()
    return start_bot(roster_of(Scripted()))


@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "next process"])
@pytest.mark.parametrize("method", ["chat.startStream", "chat.postMessage"])
def test_a_message_that_slack_posts_late_is_deleted(
    method: str,
    restarts: bool,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    is_answer = method == "chat.postMessage"
    monkeypatch.setattr(live, "QUICK_S", 30.0 if is_answer else 0.05)
    bot = start_bot(roster_of(agent))
    go = sandbox.faults.hold(method, times=1)
    question = ask()
    if not is_answer:
        sandbox.wait_for_reply(general, question.ts)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    if restarts:
        bot = handed_over(bot, start_bot)
    tick(bot)
    go.set()
    sandbox.wait_until(lambda: len(sandbox.thread(general, question.ts)) == 3)
    tick(bot)
    (answer,) = sandbox.thread(general, question.ts)[1:]
    assert (answer.text, is_at_work(answer)) == ("whole", False)
    eventually(lambda: all_ended(observability, bot))


@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "next process"])
def test_a_session_that_slack_begins_late_is_ended(
    restarts: bool,
    impatient: None,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    def status() -> str | None:
        session = sandbox.session(general, question.ts)
        return session and session.status

    bot = start_bot(roster_of(agent))
    go = sandbox.faults.hold("agents.sessions.setStatus", times=1)
    question = ask()
    sandbox.wait_for_reply(general, question.ts)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    if restarts:
        bot = handed_over(bot, start_bot)
    tick(bot)
    go.set()
    sandbox.wait_until(lambda: status() == "processing")
    tick(bot)
    assert status() == "active"


@pytest.mark.parametrize("by", ["an update", "a failure", "a repair"])
def test_a_session_that_the_late_end_of_a_stream_sets_to_processing_is_ended(
    by: str,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    web: WebClient,
    ask: Ask,
    general: Channel,
) -> None:
    if by == "an update":
        monkeypatch.setattr(live_messages, "STREAM_S", 0.0)
    bot = start_bot(roster_of(agent))
    if by == "a repair":
        refuse_all(sandbox)
    else:
        go = sandbox.faults.hold("chat.stopStream", times=1)
    question = ask()
    sandbox.wait_for_reply(general, question.ts)
    if by == "a failure":
        agent.fail(crashed())
    else:
        agent.end("whole")
    end = "white_check_mark" if by == "an update" else "x"
    sandbox.wait_for_reaction(general, question.ts, end)
    if by == "a repair":
        sandbox.faults.clear()
        go = sandbox.faults.hold("chat.stopStream", times=1)
    tick(bot)
    assert session_of(sandbox, general, question) == "active"
    go.set()
    # The sandbox refuses that end, as the stream was deleted in the meantime. Slack need not.
    thread = {"channel_id": general.id, "thread_ts": question.ts}
    web.agents_sessions_setStatus(**thread, status="processing")
    tick(bot)
    assert session_of(sandbox, general, question) == "active"


def test_an_answer_that_slack_posts_when_its_process_has_died_is_not_there_twice(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    bot = start_bot(roster_of(agent))
    go = sandbox.faults.hold("chat.postMessage", times=1)
    question = ask()
    agent.end("whole")
    eventually(lambda: any("whole" in (r.ending or "") for r in left_replies(observability)))
    other = handed_over(bot, start_bot)
    tick(other)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    go.set()
    sandbox.wait_until(lambda: len(sandbox.thread(general, question.ts)) == 3)
    tick(other)
    assert sandbox.thread(general, question.ts)[1:] == [answer]


def test_an_edit_that_slack_makes_late_does_not_overwrite_the_answer(
    impatient: None,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    start_bot(roster_of(agent))
    sandbox.faults.error("chat.startStream", "not_allowed")
    go = sandbox.faults.hold("chat.update", times=1)
    question = ask()
    agent.say("half ")
    eventually(lambda: "A live reply is not shown: TimeoutError" in caplog.text)
    agent.end("half whole")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert (answer.text, is_at_work(answer)) == ("half whole", False)
    go.set()
    _wait_for_edit(sandbox, "half")
    assert sandbox.thread(general, question.ts)[1:] == [answer]


@pytest.mark.parametrize("may_delete", [True, False])
def test_an_edit_that_slack_makes_when_its_process_has_died_does_not_overwrite_the_end(
    may_delete: bool,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    bot = start_bot(roster_of(agent))
    sandbox.faults.error("chat.startStream", "not_allowed")
    question = ask()
    agent.say("half ")
    sandbox.wait_for_reply(general, question.ts, containing="half")
    go = sandbox.faults.hold("chat.update", times=1)
    agent.say("more ")
    other = handed_over(bot, start_bot)
    if not may_delete:
        code = "compliance_exports_prevent_deletion"
        sandbox.faults.error("chat.delete", code, times=100)
    tick(other)
    *_, end = ended(sandbox, general, question, "octagonal_sign")
    assert "I was restarted" in end.text
    go.set()
    _wait_for_edit(sandbox, "more")
    tick(other)
    replies = sandbox.thread(general, question.ts)[1:]
    assert end in replies
    assert not any(map(is_at_work, replies))


def _wait_for_edit(sandbox: Sandbox, said: str) -> None:
    sandbox.wait_until(
        lambda: any(said in str(call.arguments) for call in sandbox.calls("chat.update"))
    )
