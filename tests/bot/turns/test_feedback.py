"""Reactions and thumbs, as they end up in the database."""

import json
import logging
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Message, Sandbox, User
from bot.turns.feedback import Feedback
from storage import Observability
from storage.coordination import accepted_messages
from storage.database.connect import connect
from storage.database.models import ScoreRow
from storage.model.records import Score
from storage.queries.traces import TraceSummary, trace_spans
from storage.store.scores import scores_of
from tests.support.conversations import (
    PATIENCE_S,
    StartBot,
    answered,
    ended,
    eventually,
    finished,
)


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


def test_a_reaction_to_an_answer_further_down_in_a_thread_rates_that_answer(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    root, _ = answered(sandbox, alice, general, "good?")
    follow_up = sandbox.post(alice, general, "and now?", thread_ts=root.ts)
    ended(sandbox, general, follow_up, "white_check_mark")
    sandbox.react(alice, sandbox.thread(general, root.ts)[-1], "tada")
    traces = finished(observability, general, root.ts, count=2)
    (trace,) = (each for each in traces if each.message_ts == follow_up.ts)
    eventually(lambda: recorded(observability, trace) == ["tada"])


def test_a_reaction_of_another_app_rates_nothing(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    poll = sandbox.add_bot("poll")
    sandbox.join(poll, general)
    _, answer = answered(sandbox, alice, general, "good?")
    sandbox.react(poll, answer, "+1")
    sandbox.react(alice, answer, "-1")
    eventually(lambda: scores(observability) != [])
    assert scores(observability) == [0.0]


def scores(observability: Observability) -> list[float | None]:
    return [score.value for score in all_scores(observability)]


def all_scores(observability: Observability) -> list[Score]:
    observability.flush()
    rows = ScoreRow.select(ScoreRow.trace_id).distinct().tuples().execute(observability.database)
    return scores_of(observability.database, [trace_id for (trace_id,) in rows])


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


def test_a_rating_waits_until_a_locked_database_has_taken_its_trace(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    db_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepted_messages, "PATIENCE_S", 0.01)
    observability.database.timeout = 0.1
    start_bot()
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    observability.flush()
    with closing(connect(db_path)) as database:
        database.begin()
        question, answer = answered(sandbox, alice, general, "good?")
        assert answer.metadata is not None
        trace_id = answer.metadata["event_payload"]["trace_id"]
        sandbox.click(bob, answer, "reply_feedback", value=f"+1 {trace_id}")
        sandbox.react(alice, answer, "-1")
        time.sleep(1.2)  # Longer than it once waited.
        database.rollback()
    eventually(lambda: sorted(scores(observability)) == [0.0, 1.0])
    finished(observability, general, question.ts)


def test_a_bot_does_not_stop_later_because_ratings_wait_for_a_locked_database(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    db_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait, waiting = Feedback._wait_for_trace, []

    def wait_and_tell(feedback: Feedback) -> None:
        waiting.append(feedback)
        wait(feedback)

    monkeypatch.setattr(Feedback, "_wait_for_trace", wait_and_tell)
    monkeypatch.setattr("bot.turns.feedback.STORED_S", 10 * PATIENCE_S)
    monkeypatch.setattr(accepted_messages, "PATIENCE_S", 0.01)
    observability.database.timeout = 0.1
    bot = start_bot()
    _, answer = answered(sandbox, alice, general, "good?")
    observability.flush()
    with closing(connect(db_path)) as database:
        database.begin()
        with observability.span("not stored yet"):
            pass
        sandbox.react(alice, answer, "+1")
        eventually(lambda: len(waiting) == 1)
        stopping = threading.Thread(target=bot.stop)
        stopping.start()
        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()
        database.rollback()


def press(sandbox: Sandbox, user: User, answer: Message, thumb: str, trace: TraceSummary) -> None:
    sandbox.click(user, answer, "reply_feedback", value=f"{thumb} {trace.trace_id}")


def opened(sandbox: Sandbox) -> list[Any]:
    """Return the calls that opened a modal."""
    return sandbox.calls("views.open")


def submit(sandbox: Sandbox, user: User, text: str = "", *, take_back: bool = False) -> None:
    chosen = [{"value": "withdraw"}] if take_back else []
    values = {
        "reason": {"reason": {"type": "plain_text_input", "value": text or None}},
        "withdraw": {"withdraw": {"type": "checkboxes", "selected_options": chosen}},
    }
    sandbox.submit(user, values)


def test_a_thumb_down_asks_for_a_reason_and_stores_it_without_secrets(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, answer = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: scores(observability) == [0.0] and len(opened(sandbox)) == 1)
    submit(sandbox, alice, "It told me password=hunter2secret.")
    eventually(lambda: all_scores(observability)[0].text is not None)
    (score,) = all_scores(observability)
    assert (score.user, score.value, score.label) == (alice.id, 0.0, "-1")
    assert score.text is not None and score.text.startswith("It told me password=")
    assert "hunter2" not in score.text
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: len(opened(sandbox)) == 2)
    submit(sandbox, alice)  # Nothing new: the reason stays.
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: len(opened(sandbox)) == 3)
    assert all_scores(observability)[0].text == score.text
    submit(sandbox, alice, take_back=True)
    eventually(lambda: scores(observability) == [])


def test_a_reason_is_stored_only_of_an_answer_in_the_channel_of_its_press(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    board = sandbox.add_channel("board", [alice], private=True)
    question, _ = answered(sandbox, alice, board, "secret?")
    (secret,) = finished(observability, board, question.ts)
    question, answer = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    live = sandbox._workspace.find(general.id, answer.ts)
    assert live is not None
    forged = json.dumps(live.blocks).replace(trace.trace_id, secret.trace_id)
    live.blocks[:] = json.loads(forged)
    press(sandbox, alice, answer, "-1", secret)
    eventually(lambda: len(opened(sandbox)) == 1)
    submit(sandbox, alice, "It is wrong.")
    live.blocks[:] = json.loads(forged.replace(secret.trace_id, trace.trace_id))
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: len(opened(sandbox)) == 2)
    submit(sandbox, alice, "It is right.")
    eventually(lambda: [each.text for each in all_scores(observability)] == ["It is right."])


def test_a_reason_belongs_to_its_press_and_not_to_a_later_one(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, answer = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: len(opened(sandbox)) == 1)
    press(sandbox, alice, answer, "+1", trace)
    eventually(lambda: scores(observability) == [1.0])
    submit(sandbox, alice, "Wrong.")
    sandbox.react(alice, answer, "heart")
    eventually(lambda: sorted(recorded(observability, trace)) == ["+1", "-1", "heart"])
    assert [(score.value, score.text) for score in all_scores(observability)] == [(1.0, None)]
    assert len(opened(sandbox)) == 1


def test_nobody_is_asked_for_a_reason_if_no_text_is_stored(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(capture="none")
    question, answer = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: scores(observability) == [0.0])
    assert opened(sandbox) == []


def test_a_press_counts_although_slack_opens_no_modal(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, answer = answered(sandbox, alice, general, "good?")
    (trace,) = finished(observability, general, question.ts)
    sandbox.faults.error("views.open", "expired_trigger_id")
    press(sandbox, alice, answer, "-1", trace)
    eventually(lambda: scores(observability) == [0.0])


def test_the_last_reaction_of_a_person_counts_and_the_one_before_if_it_is_taken_back(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    start_bot(feedback_up="+1,rocket", feedback_down="-1,x")
    question, answer = answered(sandbox, alice, general, "good?")
    sandbox.react(alice, answer, "rocket")
    eventually(lambda: scores(observability) == [1.0])
    sandbox.react(alice, answer, "heart")  # Not in the list.
    sandbox.react(alice, answer, "-1::skin-tone-3")
    eventually(lambda: scores(observability) == [0.0])
    sandbox.react(bob, question, "x")
    eventually(lambda: scores(observability) == [0.0, 0.0])
    sandbox.unreact(alice, answer, "-1::skin-tone-3")
    eventually(lambda: sorted(map(str, scores(observability))) == ["0.0", "1.0"])
    sandbox.unreact(alice, answer, "rocket")
    sandbox.unreact(bob, question, "x")
    eventually(lambda: scores(observability) == [])


def test_a_reaction_to_a_message_that_was_skipped_rates_nothing(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    chatter = sandbox.post(alice, general, "Good morning!")
    (trace,) = finished(observability, general, chatter.ts)
    sandbox.react(alice, chatter, "+1")
    eventually(lambda: recorded(observability, trace) == ["+1"])
    assert scores(observability) == []
