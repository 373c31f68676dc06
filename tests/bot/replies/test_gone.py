"""The bot may not post any more, or the question was deleted: the asker hears why, privately."""

import time

import pytest
from slack_sdk import WebClient

from bot.lifecycle import Bot
from bot.replies import delivery, live
from bot.replies.messages import reply_messages
from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack.errors import is_gone
from storage import Observability
from tests.support.conversations import Ask, StartBot, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of
from tests.support.replies import unfinished_reply

RESTRICTIONS = [
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
    "cannot_reply_to_message",
    "user_is_restricted",
]


@pytest.mark.parametrize("code", ["token_expired", "invalid_auth", "message_limit_exceeded"])
def test_no_form_of_a_reply_is_tried_after_an_error_that_every_form_would_get(code: str) -> None:
    assert is_gone(code)


pytestmark = pytest.mark.usefixtures("quick_replies")


def told(sandbox: Sandbox, alice: User, channel: Channel) -> list[Message]:
    """Return what only alice sees: in the channel, or in her direct message."""
    direct = sandbox.messages(sandbox.open_dm(alice))
    return [*sandbox.ephemerals(alice, channel), *direct]


def the_one_told(sandbox: Sandbox, alice: User, channel: Channel) -> Message:
    sandbox.wait_until(lambda: bool(told(sandbox, alice, channel)))
    (message,) = told(sandbox, alice, channel)
    return message


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_an_agent_is_stopped_where_the_bot_may_not_post_and_the_asker_is_told_why(
    restriction: str,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    start_bot(roster_of(agent))
    sandbox.restrict(general, restriction)
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    message = the_one_told(sandbox, alice, general)
    assert agent.requests[0].cancellation.by == f"slack: {restriction}"
    (trace,) = finished(observability, general, question.ts)
    assert trace.status == "cancelled"
    assert f"(`{restriction}`)" in message.text
    assert f"/trace show {trace.trace_id[:16]}" in message.text
    assert len(sandbox.messages(general)) == 1


def test_a_quick_answer_that_may_not_be_posted_is_announced_privately(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    start_bot(roster_of(agent))
    sandbox.archive(general)
    sandbox.post(alice, general, f"{sandbox.mention} think hard")
    agent.end("whole")
    message = the_one_told(sandbox, alice, general)
    assert "archived" in message.text
    assert message.channel == sandbox.open_dm(alice).id


@pytest.mark.parametrize("streams", [True, False], ids=["a stream", "edits"])
def test_an_agent_is_stopped_once_its_channel_is_archived(
    streams: bool,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
) -> None:
    start_bot(roster_of(agent))
    if not streams:
        sandbox.faults.error("chat.startStream", "unknown_method", times=10)
    question = ask()
    agent.say("The first half")
    sandbox.wait_for_reply(general, question.ts, containing="The first half")
    sandbox.archive(general)
    agent.say(" and more")
    message = the_one_told(sandbox, alice, general)
    assert "that channel is archived" in message.text
    assert str(agent.requests[0].cancellation.by) in ("slack: is_archived", "slack: is_inactive")
    sandbox.archive(general, archived=False)


def test_of_several_agents_that_are_stopped_the_asker_is_told_once(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    start_bot(roster_of(Scripted("one"), Scripted("two")))
    sandbox.restrict(general, "restricted_action_thread_locked")
    question = sandbox.post(alice, general, f"{sandbox.mention} @one @two race")
    sandbox.wait_for_reaction(general, question.ts, "octagonal_sign")
    message = the_one_told(sandbox, alice, general)
    assert "of one and two" in message.text
    assert "locked" in message.text


def test_the_usage_of_the_bot_is_told_privately_where_it_may_not_post(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.restrict(general, "restricted_action_read_only_channel")
    sandbox.post(alice, general, sandbox.mention)
    assert "Ask me something" in the_one_told(sandbox, alice, general).text


@pytest.mark.parametrize("quick_s", [0.05, 30.0])
def test_nothing_is_left_in_the_channel_if_the_question_was_deleted_unnoticed(
    quick_s: float,
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    ask: Ask,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", quick_s)
    bot = start_bot(roster_of(agent))
    monkeypatch.setattr(bot.eraser, "add", lambda *args, **more: 1 / 0)  # The event has no effect.
    question = ask()
    sandbox.delete(alice, question)
    agent.end("whole")
    assert "your question was deleted" in the_one_told(sandbox, alice, general).text
    assert sandbox.messages(general) == []


def test_no_file_is_left_in_the_channel_either(
    monkeypatch: pytest.MonkeyPatch,
    unnoticed: Bot,
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    ask: Ask,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    sandbox.delete(alice, ask())
    sandbox.faults.error("chat.postMessage", "invalid_blocks", times=4)
    agent.end("whole")
    assert "your question was deleted" in the_one_told(sandbox, alice, general).text
    assert sandbox.messages(general) == []


@pytest.fixture
def unnoticed(
    monkeypatch: pytest.MonkeyPatch, agent: Scripted, start_bot: StartBot, sandbox: Sandbox
) -> Bot:
    """Start a bot that does not notice that a question is deleted, on channels that stream."""
    bot = start_bot(roster_of(agent))
    monkeypatch.setattr(bot.eraser, "add", lambda *args, **more: 1 / 0)
    monkeypatch.setattr(delivery, "FIRST_WAIT_S", 0.01)
    return bot


def delete_as_its_reply_begins(
    sandbox: Sandbox, alice: User, ask: Ask, general: Channel
) -> Message:
    go = sandbox.faults.hold("chat.startStream", "chat.postMessage", times=1)
    question = ask()
    # Slack's session is set just before.
    sandbox.wait_until(lambda: sandbox.session(general, question.ts) is not None)
    sandbox.delete(alice, question)
    go.set()
    return question


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "edited"])
@pytest.mark.parametrize("looks", [1, 3])
def test_a_reply_that_begins_in_the_channel_is_taken_back_once_slack_tells(
    streams: bool,
    looks: int,
    unnoticed: Bot,
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    if not streams:
        sandbox.faults.error("chat.startStream", "not_allowed", times=10)
    sandbox.faults.server_error("conversations.replies", times=looks)
    question = delete_as_its_reply_begins(sandbox, alice, ask, general)
    eventually(lambda: agent.requests[0].cancellation.by == "slack: thread_not_found")
    assert "your question was deleted" in the_one_told(sandbox, alice, general).text
    assert sandbox.messages(general) == []
    (trace,) = finished(observability, general, question.ts)
    assert trace.status == "cancelled"


def test_an_answer_is_taken_back_although_slack_tells_only_at_the_end_where_it_is(
    unnoticed: Bot,
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    ask: Ask,
    general: Channel,
) -> None:
    sandbox.faults.server_error("conversations.replies", times=100)
    delete_as_its_reply_begins(sandbox, alice, ask, general)
    agent.say("half ")
    sandbox.wait_until(lambda: any("half" in each.text for each in sandbox.messages(general)))
    agent.end("half whole")
    sandbox.faults.clear()
    assert "your question was deleted" in the_one_told(sandbox, alice, general).text
    assert sandbox.messages(general) == []


def test_a_reply_in_the_channel_that_cannot_be_deleted_is_deleted_later(
    monkeypatch: pytest.MonkeyPatch,
    unnoticed: Bot,
    agent: Scripted,
    sandbox: Sandbox,
    alice: User,
    ask: Ask,
    general: Channel,
    observability: Observability,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    sandbox.faults.error("chat.delete", "cant_do_that")
    question = ask()
    sandbox.delete(alice, question)
    agent.end("whole")
    finished(observability, general, question.ts)
    assert [each.text for each in sandbox.messages(general)] == ["whole"]
    unnoticed.scheduler.tick(now=time.time_ns())
    assert sandbox.messages(general) == []


def test_a_reply_in_the_channel_of_a_process_that_died_is_deleted(
    unnoticed: Bot, sandbox: Sandbox, alice: User, general: Channel, web: WebClient
) -> None:
    question = sandbox.post(alice, general, "think hard")
    sandbox.delete(alice, question)
    unfinished = unfinished_reply(question, agent="claude")
    payload = {"agent": "claude", "trace_id": "1"}
    (reply,) = reply_messages("whole", payload=payload)
    (other,) = reply_messages("of another", payload={**payload, "trace_id": "2"})
    for message in (reply, other):
        web.chat_postMessage(channel=general.id, thread_ts=question.ts, **message)
    unnoticed.unfinished.begin(unfinished)
    unnoticed.unfinished.leave(unfinished.id)
    unnoticed.scheduler.tick(now=time.time_ns())
    assert [each.text for each in sandbox.messages(general)] == ["of another"]


def test_a_deleted_question_stops_its_agent_and_leaves_nothing_in_the_channel(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    ask: Ask,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    start_bot(roster_of(agent))
    question = ask()
    sandbox.delete(alice, question)
    assert "your question was deleted" in the_one_told(sandbox, alice, general).text
    assert sandbox.messages(general) == []
    assert not sandbox.calls("chat.postMessage")


def test_a_deleted_question_whose_thread_goes_on_says_so_there(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    observability: Observability,
) -> None:
    start_bot(roster_of(agent))
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    sandbox.wait_for_reply(general, question.ts)
    sandbox.delete(alice, question)
    (trace,) = finished(observability, general, question.ts)
    eventually(lambda: spans_of(observability, trace).get("reply") is not None)
    assert "the question was deleted" in sandbox.messages(general)[-1].text
    assert told(sandbox, alice, general) == []
