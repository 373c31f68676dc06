"""Slack fails in the middle of a turn: the failure is recorded, and the bot goes on."""

from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.agents.errors import AgentError
from bot.replies import delivery, live
from bot.replies.messages import reply_messages
from bot.sandbox import Channel, Sandbox, User
from bot.slack.errors import SLACK_ERRORS, in_doubt
from bot.slack.types import Place
from storage import Observability
from tests.support.conversations import Ask, StartBot, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of


@pytest.fixture(autouse=True)
def short_waits(quick_replies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_WAIT_S", 0.1)


@pytest.fixture
def ask(ask: Ask, agent: Scripted, start_bot: StartBot) -> Ask:
    start_bot(roster_of(agent))
    return ask


def check_next_question(ask: Ask, agent: Scripted, sandbox: Sandbox, where: Channel) -> None:
    """Check that the next question is answered as usual."""
    question = ask()
    agent.end("all is well")
    sandbox.wait_for_reply(where, question.ts, containing="all is well")
    sandbox.wait_for_reaction(where, question.ts, "white_check_mark")


@pytest.mark.parametrize("fault", ["server_error", "rate_limit"])
def test_an_answer_is_retried_while_slack_fails_and_posted_once(
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    question = ask()
    getattr(sandbox.faults, fault)("chat.postMessage", times=3)
    agent.end("whole")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark", timeout=30)
    assert [message.text for message in sandbox.thread(general, question.ts)[1:]] == ["whole"]
    assert len(sandbox.calls("chat.postMessage")) == 4


class LosesFirstResponse(WebClient):
    """Loses the response to its first post, which Slack has carried out."""

    lost = False

    def chat_postMessage(self, **arguments: Any) -> SlackResponse:
        answer = super().chat_postMessage(**arguments)
        if not self.lost:
            self.lost = True
            raise URLError("connection reset")
        return answer


def test_a_post_whose_response_is_lost_is_found_and_not_repeated(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    question = sandbox.post(alice, general, "think hard")
    client = LosesFirstResponse(token=sandbox.bot_token, base_url=sandbox.api_url)
    place = Place(sandbox.team_id, general.id, question.ts, alice.id)
    (message,) = reply_messages("whole", payload={"agent": "claude", "trace_id": "1"})
    ts = delivery.ReplyDelivery(client, bot_id=sandbox.bot_id).post(place, message)
    (reply,) = sandbox.thread(general, question.ts)[1:]
    assert (reply.ts, reply.text) == (ts, "whole")


def test_nothing_is_posted_once_the_bot_has_ended(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    question = sandbox.post(alice, general, "think hard")
    place = Place(sandbox.team_id, general.id, question.ts, alice.id)
    (message,) = reply_messages("late", payload={"agent": "claude", "trace_id": "1"})
    client = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    closed = delivery.ReplyDelivery(client, bot_id=sandbox.bot_id)
    closed.close()
    late: list[Callable[[], object]] = [
        lambda: closed.post(place, message),
        lambda: closed.update(place, question.ts, message),
        lambda: closed.end_stream(place, question.ts, message),
        lambda: closed.attach(place, "answer.md", "late"),
    ]
    for call in late:
        with pytest.raises(SLACK_ERRORS) as told:
            call()
        assert in_doubt(told.value), "as if Slack were unwell, so that it is kept for later"
    assert sandbox.thread(general, question.ts)[1:] == []


@pytest.mark.parametrize("refusal", ["channel_not_found", "is_archived", "not_in_channel"])
def test_an_agent_is_stopped_if_its_answer_cannot_be_posted_any_more(
    refusal: str,
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    sandbox.faults.error("chat.startStream", refusal)
    sandbox.faults.error("chat.postMessage", refusal)
    question = ask()
    agent.say("for nobody")
    (trace,) = finished(observability, general, question.ts)
    spans = spans_of(observability, trace)
    assert agent.requests[0].cancellation.by == f"slack: {refusal}"
    assert spans["attempt scripted"].status == "cancelled"
    assert (spans["reply"].error_type, spans["reply"].error_message) == ("slack_api", refusal)
    assert trace.status != "ok"
    check_next_question(ask, agent, sandbox, general)


def test_removing_the_bot_from_the_channel_stops_its_agent(
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    question = ask()
    agent.say("The first half")
    sandbox.wait_for_reply(general, question.ts, containing="The first half")
    bot = sandbox.bot_user_id
    sandbox.leave(bot, general)
    agent.say(" and more")
    eventually(lambda: agent.requests[0].cancellation.by is not None)
    (trace,) = finished(observability, general, question.ts)
    assert spans_of(observability, trace)["reply"].error_type == "slack_api"
    sandbox.join(bot, general)
    check_next_question(ask, agent, sandbox, general)


def test_a_part_that_is_too_long_for_slack_is_posted_in_shorter_ones(
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)
    question = ask()
    sandbox.faults.error("chat.postMessage", "msg_too_long")
    agent.end("word " * 1_000)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    assert len(sandbox.thread(general, question.ts)) == 3


@pytest.mark.parametrize(
    ("error_type", "said"),
    [
        ("authentication", "it is not signed in"),
        ("quota", "quota is used up. Ask again later"),
        ("timeout", "ran out of time"),
        ("too_long", "too long for it. Ask in a new message"),
        ("output_limit", "on thinking. Ask for less at once, or ask another agent"),
        ("refused", "Ask in other words"),
    ],
)
def test_an_agents_failure_is_explained_with_the_next_step_and_without_its_output(
    error_type: str,
    said: str,
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    question = ask()
    agent.fail(AgentError(error_type, "key sk-secret is bad"))
    sandbox.wait_for_reaction(general, question.ts, "x")
    (reply,) = sandbox.thread(general, question.ts)[1:]
    (trace,) = finished(observability, general, question.ts)
    assert said in reply.text
    assert trace.trace_id[:16] in reply.text
    assert "sk-secret" not in str(reply)
