"""Fixtures of an agent whose answers a test directs, and which alice asks in #general."""

import pytest

from bot.replies import live, live_replies
from bot.sandbox import Channel, Message, Sandbox, User
from tests.support.conversations import Ask, StartBot
from tests.support.fake_agent import Scripted, roster_of


@pytest.fixture
def agent() -> Scripted:
    return Scripted()


@pytest.fixture
def ask(agent: Scripted, sandbox: Sandbox, alice: User, general: Channel) -> Ask:
    """Ask, and return the question once the agent has it."""

    def asked(text: str = "think hard") -> Message:
        question = sandbox.post(alice, general, f"{sandbox.mention} {text}")
        agent.wait_until_asked()
        return question

    return asked


@pytest.fixture
def question(agent: Scripted, start_bot: StartBot, ask: Ask) -> Message:
    """Start the bot, and return a question that its agent is answering."""
    start_bot(roster_of(agent))
    return ask()


@pytest.fixture
def quick_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show a live reply almost at once, and each of its steps."""
    monkeypatch.setattr(live, "QUICK_S", 0.05)
    monkeypatch.setattr(live_replies, "PACE_S", 0.02)
    monkeypatch.setattr(live_replies, "CALLS_A_SECOND", 1_000)
