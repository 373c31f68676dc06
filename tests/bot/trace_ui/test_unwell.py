"""Slack is unwell while it takes the answer to a command."""

from typing import Any

import pytest

from bot.retry import RetryPolicy
from bot.sandbox import Channel, Sandbox, User
from bot.slack.connection import response_url as responses
from storage import Observability
from storage.queries.traces import recent_traces
from tests.support.conversations import StartBot, ended, eventually
from tests.support.fake_agent import Scripted, crashed, roster_of
from tests.support.traces_in_slack import ask, asked, shown

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
        {"body": "", "status": 408},
        {"body": "slow down", "status": 429, "headers": {"Retry-After": "0.01"}},
    ],
)
def test_the_answer_to_a_command_is_sent_again(
    fault: dict[str, Any], sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.faults.answer("response_url", times=2, **fault)
    assert "list traces" in ask(sandbox, alice, general, "help")


def test_an_answer_that_slack_never_takes_is_one_line_in_the_log(
    sandbox: Sandbox,
    start_bot: StartBot,
    observability: Observability,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = start_bot()
    sandbox.faults.answer("response_url", "slow down", times=4, status=429)
    sandbox.faults.error("chat.postEphemeral", "internal_error", times=4)
    assert sandbox.command(alice, general, "/trace", "help", responses=0) == []
    bot.workers.close()
    why = "Slack did not take an answer (status 429)."
    assert f"/trace help of {alice.id} was not answered: {why}" in caplog.text
    assert "Traceback" not in caplog.text
    observability.flush()
    (trace,) = recent_traces(observability.database, skipped=True).traces
    assert (trace.status, trace.error_message) == ("error", "status 429")


def test_a_click_that_slack_lets_nobody_answer_is_one_line_in_the_log(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = Scripted()
    bot = start_bot(roster_of(agent))
    agent.fail(crashed())
    question = sandbox.post(alice, general, f"{sandbox.mention} go")
    (reply,) = ended(sandbox, general, question, "x")
    sandbox.delete(alice, question)
    sandbox.faults.answer("response_url", PAGE, times=4, status=502)
    sandbox.faults.error("chat.postEphemeral", "internal_error", times=4)
    sandbox.click(alice, reply, "turn_try_again")
    eventually(lambda: f"A click of {alice.id} on a button was not answered" in caplog.text)
    bot.workers.close()
    assert "Traceback" not in caplog.text


def test_an_answer_whose_blocks_slack_refuses_is_sent_in_words(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.faults.refuse_blocks("header", "section")
    (shown,) = sandbox.command(alice, general, "/trace", "help", timeout=20.0)
    assert not shown.blocks
    assert "list traces" in shown.text
    assert shown.ephemeral_to == alice.id


def test_a_table_that_slack_refuses_is_sent_as_text_with_its_rows(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    asked(sandbox, observability, alice, general, "hello")
    sandbox.faults.refuse_blocks("data_table", "data_visualization", named=False)
    (shown,) = sandbox.command(alice, general, "/trace", "stats --by agent", timeout=20.0)
    assert {block["type"] for block in shown.blocks} <= {"header", "section", "context", "actions"}
    assert "p95" in str(shown.blocks)
    assert shown.ephemeral_to == alice.id


UNTAKEN = [(404, "used_url"), (404, "expired_url"), (500, "internal_error")]


@pytest.mark.parametrize(("status", "error"), UNTAKEN)
def test_an_answer_that_its_url_does_not_take_is_posted_for_its_asker_alone(
    status: int,
    error: str,
    sandbox: Sandbox,
    start_bot: StartBot,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    body = f'{{"ok":false,"error":"{error}"}}'
    sandbox.faults.answer("response_url", body, times=4, status=status)
    sandbox.command(alice, general, "/trace", "help", responses=0)
    eventually(lambda: bool(sandbox.ephemerals(alice, general)))
    (told,) = sandbox.ephemerals(alice, general)
    assert "list traces" in shown([told])
    eventually(lambda: bool(observability.flush()) and statuses(observability) == ["ok"])


def statuses(observability: Observability) -> list[str]:
    found = recent_traces(observability.database, skipped=True)
    return [trace.status for trace in found.traces]


def test_a_click_whose_url_is_used_up_is_answered_all_the_same(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    agent.fail(crashed())
    question = sandbox.post(alice, general, f"{sandbox.mention} go")
    (reply,) = ended(sandbox, general, question, "x")
    sandbox.delete(alice, question)
    sandbox.faults.answer("response_url", '{"ok":false,"error":"used_url"}', status=404)
    sandbox.click(alice, reply, "turn_try_again")
    eventually(lambda: bool(sandbox.ephemerals(alice, general)))
    (told,) = sandbox.ephemerals(alice, general)
    assert "deleted" in told.text
    assert told.thread_ts == question.ts


@pytest.mark.parametrize("unwell", ["", "chat.postEphemeral", "chat.postMessage"])
def test_where_the_bot_is_not_its_asker_is_told_directly_to_ask_again(
    unwell: str, sandbox: Sandbox, start_bot: StartBot, alice: User
) -> None:
    elsewhere = sandbox.add_channel("elsewhere", [alice], with_bot=False)
    start_bot()
    sandbox.faults.answer("response_url", '{"ok":false,"error":"expired_url"}', status=404)
    sandbox.faults.server_error(unwell, times=3)
    sandbox.command(alice, elsewhere, "/trace", "help", responses=0)
    direct = sandbox.open_dm(alice)
    eventually(lambda: bool(sandbox.messages(direct)))
    (told,) = sandbox.messages(direct)
    assert told.text == responses.NOT_SHOWN
