"""A model behind HTTP answers in Slack: a mention, a follow-up, a wrong key, a stop."""

from collections.abc import Iterator

import pytest

from bot.lifecycle import Bot
from bot.replies import live
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.queries.traces import TraceSummary, recent_traces
from tests.support.conversations import StartBot
from tests.support.model_server import KEY, ModelServer, refuse, say, stall


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer("anthropic", KEY).serving() as running:
        yield running
        assert running.complaints == []


@pytest.fixture
def bot(start_bot: StartBot, model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Bot:
    monkeypatch.setenv("THE_MODELS_KEY", KEY)
    return start_bot(
        f'[agents.sonnet]\nprovider = "anthropic"\nmodel = "claude-sonnet-4-5"\n'
        f'base_url = "{model.url}"\napi_key_env = "THE_MODELS_KEY"'
    )


def turns(observability: Observability, count: int) -> tuple[TraceSummary, ...]:
    """The turns that have ended, oldest first."""
    for _ in range(200):
        observability.flush()
        ended = [t for t in recent_traces(observability.database).traces if t.status != "running"]
        if len(ended) == count:
            return tuple(reversed(ended))
    raise AssertionError("the turns were not recorded")


@pytest.mark.usefixtures("bot")
def test_a_model_answers_in_a_thread_and_is_given_its_earlier_answers(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    model: ModelServer,
) -> None:
    model.will(say("It is ", "blue."), say("Rayleigh."))
    question = sandbox.post(alice, general, f"{sandbox.mention} what colour is the sky?")
    sandbox.wait_for_reply(general, question.ts, containing="It is blue.")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    follow_up = sandbox.post(alice, general, "who says so?", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="Rayleigh.")
    sandbox.wait_for_reaction(general, follow_up.ts, "white_check_mark")
    first, second = (body["messages"] for body in model.bodies)
    assert first == [{"role": "user", "content": "what colour is the sky?"}]
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert second[1]["content"] == "It is blue."
    assert second[2]["content"] == "alice: who says so?"
    for turn in turns(observability, 2):
        assert turn.agent == "sonnet"
        assert (turn.input_tokens, turn.output_tokens) == (1_000, 100)


@pytest.mark.usefixtures("bot")
def test_a_user_is_told_of_a_wrong_key_but_sees_neither_it_nor_its_setting(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    model: ModelServer,
) -> None:
    model.will(refuse(401, {"type": "authentication_error", "message": f"bad key {KEY}"}))
    question = sandbox.post(alice, general, f"{sandbox.mention} hello?")
    sandbox.wait_for_reaction(general, question.ts, "x")
    (turn,) = turns(observability, 1)
    assert turn.status == "error"
    told = "\n".join(message.text for message in sandbox.messages(general))
    assert turn.trace_id[:16] in told
    assert "its key is wrong." in told and "Please tell the person who runs me." in told
    assert "said `401 bad key …`" in told  # The server's words, without what it repeats.
    assert KEY[:8] not in told
    assert "THE_MODELS_KEY" not in told
    assert KEY not in repr(turn)
    assert "THE_MODELS_KEY holds a valid key" in str(turn.error_message)


@pytest.mark.usefixtures("bot")
def test_stopping_an_answer_stops_the_model_and_its_tokens_are_recorded(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    model: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 0.05)
    model.will(stall("The first half"))
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    sandbox.wait_for_reply(general, question.ts, containing="The first half")
    sandbox.stop_agent(alice, general, question.ts)
    sandbox.wait_for_reaction(general, question.ts, "octagonal_sign")
    assert model.hung_up.wait(20)
    (turn,) = turns(observability, 1)
    assert (turn.status, turn.input_tokens) == ("cancelled", 1_000)
