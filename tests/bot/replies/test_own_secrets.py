"""An agent that has found the bot's secrets and tells them, as Slack and the trace see it."""

import logging

import pytest

from bot.agents.errors import AgentError
from bot.agents.types import Reply
from bot.replies.messages import MARKDOWN_LIMIT
from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack.own_secrets import REMOVED
from storage import Observability
from tests.support.conversations import StartBot, ended, finished, spans_of
from tests.support.fake_agent import Scripted

pytestmark = pytest.mark.usefixtures("quick_replies")


def everything(sandbox: Sandbox, channel: Channel, question: Message) -> str:
    return "\n".join(
        f"{each.text}\n{each.blocks}\n{each.metadata}"
        for each in sandbox.thread(channel, question.ts)
    )


def test_a_reply_tells_no_secret_and_its_trace_says_that_one_was_removed(
    sandbox: Sandbox,
    agent: Scripted,
    question: Message,
    general: Channel,
    observability: Observability,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    agent.end(f"It is {sandbox.bot_token}, and the other is {sandbox.signing_secret}.")
    (reply,) = ended(sandbox, general, question, "white_check_mark")
    assert reply.text == f"It is {REMOVED}, and the other is {REMOVED}."
    (trace,) = finished(observability, general, question.ts)
    removed = spans_of(observability, trace)["reply"].attributes["tracebot.secrets.removed"]
    assert removed == ["SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"]
    assert "SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET" in caplog.text
    assert sandbox.bot_token not in caplog.text


def test_a_secret_that_would_be_cut_between_two_messages_is_removed(
    sandbox: Sandbox, agent: Scripted, question: Message, general: Channel
) -> None:
    start = "x" * (MARKDOWN_LIMIT - 10)
    agent.end(f"{start}{sandbox.bot_token}{start}")
    ended(sandbox, general, question, "white_check_mark")
    said = everything(sandbox, general, question)
    assert sandbox.bot_token[:10] not in said
    assert sandbox.bot_token[-10:] not in said


def test_a_live_reply_shows_no_piece_of_a_secret(
    sandbox: Sandbox, agent: Scripted, question: Message, general: Channel
) -> None:
    token = sandbox.bot_token
    agent.use(f"cat {token}", details=f"{'x' * 140}{token}")
    agent.used(f"{token}{'y' * 190}")
    agent.say("My token is ")
    sandbox.wait_for_reply(general, question.ts, containing="My token is")
    for piece in (token[:8], token[8:15], token[15:]):
        agent.say(piece)
        for _ in range(3):
            sandbox.settle(0.03)
            shown = everything(sandbox, general, question)
            assert token[:8] not in shown and token[-8:] not in shown
    agent.say(". That is all.")
    sandbox.wait_for_reply(general, question.ts, containing="That is all.")
    assert f"My token is {REMOVED}." in everything(sandbox, general, question)
    agent.end("done")
    ended(sandbox, general, question, "white_check_mark")


def test_an_agent_that_fails_tells_no_secret_with_its_last_words(
    sandbox: Sandbox, agent: Scripted, question: Message, general: Channel
) -> None:
    partial = Reply(text=f"I found {sandbox.app_token}", provider="scripted")
    agent.fail(AgentError("crash", f"stderr: {sandbox.bot_token}", partial=partial))
    ended(sandbox, general, question, "x")
    said = everything(sandbox, general, question)
    assert f"I found {REMOVED}" in said
    assert sandbox.app_token not in said
    assert sandbox.bot_token not in said


def test_no_answer_to_a_command_tells_a_secret(
    sandbox: Sandbox,
    start_bot: StartBot,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    secret = sandbox.signing_secret
    asked = sandbox.post(alice, general, f"{sandbox.mention} is {secret} good?")
    ended(sandbox, general, asked, "white_check_mark")
    finished(observability, general, asked.ts)
    for command, mark in (("ls", "[redacted:secret]"), (f"show {secret}", REMOVED)):
        (answer,) = sandbox.command(alice, general, "/trace", command)
        assert secret not in f"{answer.text} {answer.blocks}"
        assert mark in f"{answer.text} {answer.blocks}"
