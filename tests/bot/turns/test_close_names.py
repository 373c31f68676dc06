"""Names that are close to an agent's, as people in Slack see them."""

import pytest

from bot.sandbox import Channel, Sandbox, User
from tests.support.conversations import StartBot

AGENTS = '[agents.claude]\nprovider = "echo"\n[agents.codex]\nprovider = "echo"\n'


def answers(sandbox: Sandbox, user: User, channel: Channel, text: str) -> list[str]:
    question = sandbox.post(user, channel, f"{sandbox.mention} {text}")
    sandbox.wait_for_reaction(channel, question.ts, "white_check_mark")
    return [message.text for message in sandbox.thread(channel, question.ts)[1:]]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("@cluade hi", "Is there an agent cluade? I asked claude."),
        ("@codxe hi", "Is there an agent codxe? I asked claude. Write `@codex` to ask that one."),
        ("@claude @codxe hi", "Is there an agent codxe? I asked claude. Write `@codex` to ask"),
    ],
)
def test_a_close_miss_is_said_while_another_agent_answers(
    text: str, note: str, sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot(AGENTS)
    said, answer = answers(sandbox, alice, general, text)
    assert said.startswith(note)
    assert answer.endswith("hi")


@pytest.mark.parametrize("text", ["@nobody hi", "@claudia hi", "@clause hi"])
def test_the_name_of_somebody_else_is_left_alone(
    text: str, sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    sandbox.add_user("Claudia Meier")
    sandbox.add_bot("clause")
    start_bot(AGENTS)
    assert answers(sandbox, alice, general, text) == [f"You said: {text}"]


def test_a_miss_is_said_if_slack_does_not_list_its_people(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot(AGENTS)
    sandbox.faults.error("users.list", "internal_error")
    assert len(answers(sandbox, alice, general, "@claudea hi")) == 2


def test_a_name_with_a_particle_is_understood(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot(AGENTS)
    question = sandbox.post(alice, general, f"{sandbox.mention} @codex야 이거 봐")
    reply = sandbox.wait_for_reply(general, question.ts, containing="이거 봐")
    assert reply.text == "You said: 이거 봐"
    assert (reply.metadata or {})["event_payload"]["agent"] == "codex"
