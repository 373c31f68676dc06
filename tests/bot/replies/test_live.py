"""Live replies: shown while an agent works, and replaced by its answer."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.agents.types import Agent, ToolUse
from bot.replies import delivery, live, live_messages
from bot.replies.buttons import feedback_buttons
from bot.replies.messages import reply_messages, running_message
from bot.replies.timeline import with_timeline
from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack.threads import ThreadReader
from bot.slack.types import Speaker
from storage import Observability
from storage.queries.figures import figures
from storage.store.grains import DAY_NS
from tests.support.conversations import Ask, StartBot, ended, finished, spans_of
from tests.support.fake_agent import Scripted, crashed, roster_of, roster_with
from tests.support.replies import running, session_of

LONG = "\n\n".join(f"paragraph {number} " + "word " * 60 for number in range(80))


pytestmark = pytest.mark.usefixtures("quick_replies")


def looks(message: Message) -> tuple[str, list[Any], Any]:
    blocks = [
        {key: value for key, value in block.items() if key != "block_id"}
        for block in message.blocks
    ]
    return message.text, blocks, message.metadata


def posted(
    text: str, trace_id: str, sandbox: Sandbox, *, tools: Sequence[ToolUse] = ()
) -> list[Any]:
    """Return how an answer looks that was never streamed."""
    payload = {"agent": "scripted", "trace_id": trace_id, "bot_user_id": sandbox.bot_user_id}
    payload = {**payload, "provider": "scripted"}
    parts = reply_messages(text, payload=payload, below=[feedback_buttons(trace_id)])
    parts = with_timeline(parts, tools, failed=False)
    return [(part["text"], part["blocks"], part["metadata"]) for part in parts]


def trace_of(message: Message) -> str:
    assert message.metadata is not None
    return str(message.metadata["event_payload"]["trace_id"])


def test_a_quick_answer_is_posted_without_a_live_reply(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    start_bot(roster_of(agent))
    question = ask()
    agent.say("one ")
    agent.end("one two")
    ended(sandbox, general, question, "white_check_mark")
    called = {call.method for call in sandbox.calls()}
    assert called.isdisjoint({"chat.startStream", "chat.update", "agents.sessions.setStatus"})


def test_a_live_reply_grows_and_ends_with_the_answer_and_its_thumbs(
    agent: Scripted,
    question: Message,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    text = "a < b & c <@U0123456789> **bold** <!channel>"
    agent.say("a < b ")
    first = running(sandbox, general, question, "a < b ")
    assert first.metadata is None
    agent.say("& c <")
    agent.say("@U0123456789> **bold**")
    running(sandbox, general, question, "**bold**")
    assert "<@" not in sandbox.thread(general, question.ts)[-1].text
    agent.end(text)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.ts == first.ts
    ((_, blocks, metadata),) = posted(text, trace_of(answer), sandbox)
    plan, *rest = looks(answer)[1]
    assert (plan["title"], rest, answer.metadata) == ("Done", blocks, metadata)
    assert not sandbox.calls("chat.update")  # Slack would mark it as edited.
    (trace,) = finished(observability, general, question.ts)
    reply = spans_of(observability, trace)["reply"]
    assert reply.attributes["slack.reply_ts"] == [answer.ts]
    assert reply.attributes["slack.stream.pieces"] >= 2
    assert 0 < reply.attributes["slack.stream.time_to_first_piece"] < 10
    first = reply.attributes["slack.time_to_first_word"]
    assert 0 < first < reply.attributes["slack.time_to_answer"]
    now = time.time_ns()
    measured = figures(observability.database, since=now - DAY_NS, until=now, of="platform")
    answered = next(each for each in measured.figures if each.key == "slack:answer")
    assert (answered.count, answered.p95) == (
        1,
        pytest.approx(reply.attributes["slack.time_to_answer"] * 1e9, rel=1e-6),
    )


def test_a_stream_whose_end_slack_refuses_is_replaced_by_the_answer(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("half ")
    reply = running(sandbox, general, question, "half")
    sandbox.faults.error("chat.stopStream", "invalid_blocks")
    agent.end("half whole")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.ts == reply.ts
    assert [looks(answer)] == posted("half whole", trace_of(answer), sandbox)


@pytest.mark.parametrize("fault", ["lose_answer", "server_error", "rate_limit"])
def test_the_end_of_a_stream_is_sent_until_slack_answers(
    fault: str,
    agent: Scripted,
    question: Message,
    sandbox: Sandbox,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "FIRST_WAIT_S", 0.01)
    agent.say("half ")
    reply = running(sandbox, general, question, "half")
    seconds = {"retry_after": 0} if fault == "rate_limit" else {}
    getattr(sandbox.faults, fault)("chat.stopStream", **seconds)
    agent.end("half whole")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert (answer.ts, answer.text, len(sandbox.thread(general, question.ts))) == (
        reply.ts,
        "half whole",
        2,
    )
    assert answer.blocks[-1]["type"] == "context_actions"
    assert "at work" not in str(answer.blocks)
    assert answer.metadata is not None


@pytest.mark.parametrize("error", ["method_not_supported", "internal_error", "ratelimited"])
def test_a_reply_without_slacks_stop_button_has_one_of_the_bot(
    error: str,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
) -> None:
    start_bot(roster_of(agent))
    sandbox.faults.error("agents.sessions.setStatus", error, times=2)
    question = ask()
    agent.say("half")
    reply = running(sandbox, general, question, "half")
    assert not sandbox.calls("chat.startStream")
    sandbox.click(alice, reply, "trace_stop")
    (answer,) = ended(sandbox, general, question, "octagonal_sign")
    assert "Stopped by" in answer.text


def test_a_session_has_the_question_as_its_title(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    words = "why does   password=hunter2secret\nfail? " + "word " * 100
    question = sandbox.post(alice, general, f"{sandbox.mention} {words}")
    agent.wait_until_asked()
    sandbox.wait_for_call("agents.sessions.setStatus")
    session = sandbox.session(general, question.ts)
    assert session is not None and session.title is not None
    assert session.title.startswith("why does password=[redacted")
    assert len(session.title) == 200
    assert (session.status, session.initiator) == ("processing", alice.id)
    agent.end("whole")
    ended(sandbox, general, question, "white_check_mark")


@pytest.mark.parametrize("error", ["unknown_method", "missing_scope", "invalid_chunks"])
def test_a_reply_that_slack_does_not_stream_is_edited(
    error: str,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    start_bot(roster_of(agent))
    sandbox.faults.error("chat.startStream", error, times=10)
    question = ask()
    agent.use("Read notes.txt")
    agent.say("half ")
    reply = running(sandbox, general, question, "half")
    sandbox.wait_until(lambda: "Read notes.txt" in sandbox.thread(general, question.ts)[-1].text)
    agent.end("half whole")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.ts == reply.ts
    tools = [ToolUse(id="1", title="Read notes.txt")]
    assert [looks(answer)] == posted("half whole", trace_of(answer), sandbox, tools=tools)


def test_a_stream_that_slack_ended_goes_on_as_an_edited_message(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("one ")
    reply = running(sandbox, general, question, "one")
    sandbox.clock.advance(301)
    agent.say("two ")
    running(sandbox, general, question, "one two")
    sandbox.wait_for_call("chat.update")
    agent.end("one two three")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.ts == reply.ts
    assert [looks(answer)] == posted("one two three", trace_of(answer), sandbox)


def test_a_stream_is_ended_before_slack_ends_it(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    monkeypatch.setattr(live_messages, "STREAM_S", 0.0)
    start_bot(roster_of(agent))
    question = ask()
    agent.say("one")
    running(sandbox, general, question, "one")
    agent.end("one two")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert len(sandbox.calls("chat.stopStream")) == 1
    assert not [call for call in sandbox.calls("chat.appendStream") if call.error]
    assert [looks(answer)] == posted("one two", trace_of(answer), sandbox)


def test_an_agent_that_says_nothing_can_be_stopped_after_its_stream_has_ended(
    monkeypatch: pytest.MonkeyPatch,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    alice: User,
    general: Channel,
) -> None:
    monkeypatch.setattr(live_messages, "STREAM_S", 0.0)
    start_bot(roster_of(agent))
    question = ask()
    sandbox.wait_for_call("chat.stopStream")
    reply = running(sandbox, general, question, "scripted is at work")
    assert session_of(sandbox, general, question) == "processing"
    sandbox.click(alice, reply, "trace_stop")
    ended(sandbox, general, question, "octagonal_sign")
    assert session_of(sandbox, general, question) == "active"


def test_a_long_live_reply_shows_its_end_and_is_posted_in_parts(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say(LONG)
    running(sandbox, general, question, "at work")
    sandbox.wait_until(
        lambda: "paragraph 79" in str(sandbox.thread(general, question.ts)[1].blocks)
    )
    agent.end(LONG)
    answers = ended(sandbox, general, question, "white_check_mark")
    assert len(answers) > 1
    assert [looks(each) for each in answers] == posted(LONG, trace_of(answers[0]), sandbox)


def test_an_answer_is_posted_although_no_live_reply_could_be_shown(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    ask: Ask,
    general: Channel,
) -> None:
    start_bot(roster_of(agent))
    sandbox.faults.error("chat.startStream", "fatal_error", times=10)
    sandbox.faults.error("chat.postMessage", "fatal_error", times=1)
    question = ask()
    sandbox.wait_for_call("chat.postMessage")
    agent.say("half")
    agent.end("whole")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert [looks(answer)] == posted("whole", trace_of(answer), sandbox)


def test_a_rate_limited_stream_waits_and_check_next_question(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("one ")
    running(sandbox, general, question, "one")
    sandbox.faults.rate_limit("chat.appendStream", retry_after=1)
    agent.say("two ")
    running(sandbox, general, question, "one two ")
    assert not sandbox.calls("chat.update")
    agent.end("one two")
    ended(sandbox, general, question, "white_check_mark")


def test_an_answer_whose_live_reply_was_deleted_is_posted_again(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("one ")
    reply = running(sandbox, general, question, "one")
    sandbox.faults.error("chat.update", "message_not_found", times=1)
    agent.end("whole")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.ts != reply.ts
    assert [looks(answer)] == posted("whole", trace_of(answer), sandbox)


def test_a_failed_agents_text_stays_with_a_note_on_why_it_ended(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("The first half.")
    running(sandbox, general, question, "first half")
    agent.fail(crashed())
    (answer,) = ended(sandbox, general, question, "x")
    assert answer.text.startswith("The first half.\nSorry, scripted could not answer")
    assert "it broke" not in answer.text
    assert [block["type"] for block in answer.blocks] == ["markdown", "context", "actions"]


def test_an_unexpected_error_is_noted_below_the_text_so_far(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("The first half.")
    running(sandbox, general, question, "first half")
    agent.fail(ZeroDivisionError("a fault of ours"))
    (answer,) = ended(sandbox, general, question, "x")
    assert "something went wrong" in answer.text
    assert "a fault of ours" not in answer.text


def test_a_fallback_provider_starts_a_new_draft_and_is_named_in_the_reply(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    claude, codex = Scripted("claude"), Scripted("codex")
    agents = {"helper": Agent(name="helper", providers=(claude, codex))}
    start_bot(roster_with(agents, default="helper"))
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    claude.say("claude says")
    running(sandbox, general, question, "claude says")
    claude.fail(crashed())
    codex.wait_until_asked()
    codex.say("codex says")
    running(sandbox, general, question, "codex says")
    assert "claude says" not in sandbox.thread(general, question.ts)[-1].text
    codex.end("codex says so")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "codex says so\nclaude was not available; codex answered."


def test_a_session_is_processing_until_its_last_agent_is_done(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    one, two = Scripted("one"), Scripted("two")
    start_bot(roster_of(one, two))
    question = sandbox.post(alice, general, f"{sandbox.mention} @one @two race")
    sandbox.wait_for_call("chat.startStream", count=2)
    sandbox.wait_for_call("agents.sessions.setStatus", count=2)
    one.end("first")
    sandbox.wait_for_reply(general, question.ts, containing="first")
    two.end("second")
    ended(sandbox, general, question, "white_check_mark")
    said = [call.arguments["status"] for call in sandbox.calls("agents.sessions.setStatus")]
    assert said == ["processing", "processing", "active"]


def test_an_agent_that_fails_leaves_the_others_the_session_and_its_stop_button(
    start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    one, two = Scripted("one"), Scripted("two")
    start_bot(roster_of(one, two))
    question = sandbox.post(alice, general, f"{sandbox.mention} @one @two race")
    sandbox.wait_for_call("chat.startStream", count=2)
    one.fail(crashed())
    sandbox.wait_for_reply(general, question.ts, containing="one could not answer")
    assert session_of(sandbox, general, question) == "processing"
    two.end("second")
    ended(sandbox, general, question, "x")
    assert session_of(sandbox, general, question) == "active"


def test_a_live_reply_of_another_bot_is_read_again_once_it_is_finished(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    question = sandbox.post(alice, general, "think hard")
    place = {"channel": general.id, "thread_ts": question.ts}
    growing = web.chat_postMessage(**place, text="half")
    threads = ThreadReader(web, bot_id=sandbox.bot_id)
    assert threads.read(general.id, question.ts).earlier(before="9e9")[-1]["text"] == "half"
    (whole,) = reply_messages("whole", payload={"agent": "claude"})
    whole = {key: whole[key] for key in ("text", "blocks", "metadata")}
    web.chat_update(channel=general.id, ts=str(growing["ts"]), **whole)
    again = threads.read(general.id, question.ts)
    assert again.cached
    assert [each["text"] for each in again.earlier(before="9e9")] == ["think hard", "whole"]
    assert again.thread(lambda user: True).active_speaker == Speaker(sandbox.bot_id, "claude")


def test_a_running_message_stays_within_slacks_limits() -> None:
    message = running_message("a" * 64, "&" * 50_000, tool="<" * 5_000, trace_id="0" * 32)
    assert len(message["text"]) <= 4_000
    assert len(str(message["blocks"])) < 13_000
