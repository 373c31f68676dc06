"""Edits and deletions of messages, as they end up in the database."""

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from tests.support.conversations import StartBot, answered, ended, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of


def test_the_stored_text_of_an_edited_message_is_replaced(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, _ = answered(sandbox, alice, general, "my PIN is 1234")
    (trace,) = finished(observability, general, question.ts)
    sandbox.edit(alice, question, f"{sandbox.mention} never mind")

    def stored() -> str:
        observability.flush()
        return str(spans_of(observability, trace)["slack message"].text)

    eventually(lambda: "never mind" in stored())
    assert "1234" not in stored()


def test_the_next_answer_is_given_the_edited_text(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    for _ in range(3):
        agent.end("noted")
    root = sandbox.post(alice, general, f"{sandbox.mention} hello")
    ended(sandbox, general, root, "white_check_mark")
    follow_up = sandbox.post(alice, general, "my PIN is 1234", thread_ts=root.ts)
    ended(sandbox, general, follow_up, "white_check_mark")
    sandbox.edit(alice, follow_up, "never mind")
    (_, trace) = finished(observability, general, root.ts, count=2)

    def is_erased() -> bool:
        observability.flush()
        return spans_of(observability, trace)["slack message"].text == "never mind"

    eventually(is_erased)
    last = sandbox.post(alice, general, "and now?", thread_ts=root.ts)
    ended(sandbox, general, last, "white_check_mark")
    texts = [message.text for message in agent.requests[-1].history]
    assert "never mind" in texts
    assert "my PIN is 1234" not in texts


def test_a_text_that_cannot_be_erased_is_logged(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    chatter = sandbox.post(alice, general, "I should not have said that")
    finished(observability, general, chatter.ts)
    observability.database.execute_sql("ALTER TABLE spans RENAME TO away")
    sandbox.delete(alice, chatter)
    eventually(lambda: "stored text of an edited or deleted message stays" in caplog.text)
    observability.database.execute_sql("ALTER TABLE away RENAME TO spans")
