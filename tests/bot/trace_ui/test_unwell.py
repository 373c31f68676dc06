"""Slack is unwell while it takes the answer to a command."""

from typing import Any

import pytest

from bot.retry import RetryPolicy
from bot.sandbox import Channel, Sandbox, User
from bot.slack.connection import response_url as responses
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import ask

PAGE = "<html>nicht verfügbar</html>".encode("latin-1")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "POLICY", RetryPolicy(attempts=4, first_wait_s=0.001))


@pytest.mark.parametrize(
    "fault",
    [
        {"body": PAGE, "status": 502, "content_type": "text/html"},
        {"body": PAGE, "content_type": "text/html"},
        {"body": "", "status": 503},
        {"body": "slow down", "status": 429, "headers": {"Retry-After": "0.01"}},
    ],
)
def test_the_answer_to_a_command_is_sent_again(
    fault: dict[str, Any], sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.faults.answer("response_url", times=2, **fault)
    assert "list traces" in ask(sandbox, alice, general, "help")


def test_an_answer_that_slack_never_takes_is_logged(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = start_bot()
    sandbox.faults.answer("response_url", PAGE, times=4, status=502)
    assert sandbox.command(alice, general, "/trace", "help", responses=0) == []
    bot.workers.close()
    assert "Slack did not take an answer" in caplog.text


def test_an_answer_whose_blocks_slack_refuses_is_sent_in_words(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.faults.refuse_blocks("header", "section")
    (shown,) = sandbox.command(alice, general, "/trace", "help", timeout=20.0)
    assert not shown.blocks
    assert "list traces" in shown.text
    assert shown.ephemeral_to == alice.id
