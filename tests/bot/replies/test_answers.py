"""Answers as people in Slack read them, from the first words of the agent to the last."""

import pytest

from bot.replies.messages import TEXT_LIMIT
from bot.sandbox import Channel, Message, Sandbox, User
from tests.support.conversations import ended
from tests.support.fake_agent import Scripted

SPACE = "\u200b"


pytestmark = pytest.mark.usefixtures("quick_replies")


def markdown(message: Message) -> str:
    return "".join(each["text"] for each in message.blocks if each["type"] == "markdown")


@pytest.mark.parametrize("streams", [True, False])
def test_a_long_korean_answer_takes_the_place_of_its_running_reply(
    streams: bool, agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    if not streams:
        sandbox.faults.error("chat.startStream", "unknown_method", times=10)
    text = "\n\n".join(f"{number}. **굵게(bold)**입니다.{' 글' * 40}" for number in range(60))
    agent.say(text[:3_000])
    running = sandbox.wait_for_reply(general, question.ts, containing="굵게")
    agent.end(text)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.ts == running.ts
    assert markdown(answer).replace(SPACE, "") == text
    assert 3_900 < len(answer.text.encode()) <= TEXT_LIMIT
    assert "**" not in answer.text
    assert not [call for call in sandbox.calls() if call.error == "msg_too_long"]


def test_a_japanese_answer_is_streamed_to_its_end(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    text = "これは**重要**です。彼は**「守る」**と言った。**約束（やくそく）**を。"
    for piece in (text[:9], text[9:21], text[21:30]):
        agent.say(piece)
        sandbox.wait_for_reply(general, question.ts, containing="これは")
        sandbox.settle(0.05)
    agent.say(f"{text[30:]}\n")
    sandbox.wait_for_reply(general, question.ts, containing=f"（やくそく）{SPACE}**")
    assert not sandbox.calls("chat.update")
    agent.end(text)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert markdown(answer).count(f"{SPACE}**{SPACE}") == 2


def test_nobody_is_notified_by_a_running_or_a_finished_reply(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    text = "<!channel> `<!here>` <@U0123456789> @everyone <!DOCTYPE html> `<#1>` a < b."
    for piece in (
        "<!chan",
        "nel> `<!he",
        "re>` <@U01",
        "23456789> @every",
        "one <!DOC",
        "TYPE html>",
    ):
        agent.say(piece)
        sandbox.settle(0.03)
        assert not any(map(sandbox.pings, sandbox.thread(general, question.ts)[1:]))
    agent.end(text)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert not sandbox.pings(answer)
    assert "<!DOCTYPE html> `<#1>` a < b." in markdown(answer)
    assert markdown(answer).replace(SPACE, "") == text


def test_colours_and_control_characters_are_not_shown(
    agent: Scripted, question: Message, sandbox: Sandbox, general: Channel
) -> None:
    agent.say("one \x1b[3")
    agent.say("1mred\x1b[0m \x07bell\x00 \u202eleft")
    running = sandbox.wait_for_reply(general, question.ts, containing="one red bell left")
    assert "\x1b" not in running.text
    agent.end("one \x1b[31mred\x1b[0m \x07bell\x00 \u202eleft\r\n")
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert markdown(answer).rstrip() == "one red bell left"
    assert answer.text.strip() == "one red bell left"


def test_a_person_whom_the_agent_mentions_is_named_and_not_notified(
    agent: Scripted, question: Message, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    text = f"Ask <@{alice.id}>, not <@U0NOBODY99>: `<@{alice.id}>`"
    agent.say(f"{text}\n")
    sandbox.wait_for_reply(general, question.ts, containing="Ask @alice, not")
    agent.end(text)
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert markdown(answer).startswith("Ask @alice, not <\u200b@U0NOBODY99>: `<\u200b@")
    assert not sandbox.pings(answer)
