"""Reactions to messages and edits of them, as they end up in the database."""

import logging

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.database.models import ScoreRow
from storage.queries.traces import TraceSummary, trace_spans
from tests.support.conversations import StartBot, answered, ended, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of


def recorded(observability: Observability, trace: TraceSummary) -> list[str]:
    """Return the emoji of the reactions in a trace."""
    observability.flush()
    spans = trace_spans(observability.database, trace.trace_id)
    return [str(span.attributes["emoji"]) for span in spans if span.name == "reaction added"]


def test_a_reaction_to_a_question_belongs_to_its_turn_and_the_bots_own_are_ignored(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, _ = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    sandbox.react(alice, question, "tada")
    eventually(lambda: recorded(observability, trace) == ["tada"])
    users = {event["event"]["user"] for event in sandbox.events("reaction_added")}
    assert users == {alice.id, sandbox.bot_user_id}


def test_a_reaction_to_a_message_that_the_bot_did_not_answer_is_not_recorded(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    web: WebClient,
) -> None:
    start_bot()
    notice = web.chat_postMessage(channel=general.id, text="A notice of the bot.")
    (message,) = [each for each in sandbox.messages(general) if each.ts == notice["ts"]]
    sandbox.react(alice, message, "+1")
    (event,) = sandbox.events("reaction_added")
    item = {"type": "file", "file": "F1"}
    sandbox.redeliver({**event, "event_id": "Ev1", "event": {**event["event"], "item": item}})
    question, answer = answered(sandbox, alice, general, "good?")
    sandbox.react(alice, answer, "-1")
    eventually(lambda: scores(observability) == [0.0])


def scores(observability: Observability) -> list[float]:
    observability.flush()
    rows = ScoreRow.select(ScoreRow.value).tuples().execute(observability.database)
    return [value for (value,) in rows]


def test_a_reaction_whose_trace_slack_does_not_tell_is_logged_and_dropped(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    question, answer = answered(sandbox, alice, general, "good?")
    sandbox.faults.error("conversations.replies", "not_in_channel")
    with caplog.at_level(logging.WARNING, "tracebot.feedback"):
        sandbox.react(alice, answer, "+1")
        eventually(lambda: "The trace of a reaction cannot be found" in caplog.text)
    assert scores(observability) == []


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


def test_a_thumb_below_an_answer_is_its_score_until_the_other_one_is_pressed(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, answer = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    for thumb, score in (("+1", 1.0), ("-1", 0.0)):
        sandbox.click(alice, answer, "reply_feedback", value=f"{thumb} {trace.trace_id}")
        eventually(lambda score=score: scores(observability) == [score])  # type: ignore[misc]
    eventually(lambda: recorded(observability, trace) == ["+1", "-1"])
