"""Turns, seen from Slack and from the database: the real app, over the sandbox's sockets."""

import errno
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from bot.sandbox import Channel, Sandbox, User
from bot.slack import reactions
from storage import Observability
from storage.database import lock_files
from storage.queries.lookups import message_traces
from storage.queries.traces import TraceSummary, recent_traces, trace_spans
from storage.store.scores import scores_of
from tests.support.conversations import StartBot, answered, ended, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of

PYTHON = sys.executable
FAILING = f"""
default = "broken"
[agents.broken]
provider = "command"
command = ["{PYTHON}", "-c", "import sys; sys.stderr.write('no such model'); sys.exit(3)"]
"""
SEVERAL = f"""
default = "echo"
[agents.echo]
provider = "echo"
[agents.parrot]
provider = "command"
command = ["{PYTHON}", "-c", "import sys; print('parrot:', sys.stdin.read().strip())"]
[agents.broken]
provider = "command"
command = ["{PYTHON}", "-c", "import sys; sys.exit(3)"]
"""


def test_a_mention_is_answered_in_its_thread_and_every_step_is_a_span(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, answer = answered(sandbox, alice, general, "what is new?")
    assert set(sandbox.reactions(general, question.ts)) == {"white_check_mark"}
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, trace.agent, trace.decision) == ("ok", "echo", "answer")
    assert (trace.user, trace.team, trace.audience) == (alice.id, sandbox.team_id, sandbox.team_id)
    spans = spans_of(observability, trace)
    root = spans["slack message"]
    assert root.kind == "consumer"
    assert root.attributes["messaging.system"] == "slack"
    assert (spans["decide"].decision, spans["decide"].reason) == ("answer", "mentioned")
    assert spans["invoke_agent echo"].parent_id == root.span_id
    assert spans["reply"].attributes["slack.reply_ts"] == [answer.ts]
    assert {"add reaction", "remove reaction"} <= spans.keys()
    assert answer.metadata is not None
    assert answer.metadata["event_payload"]["trace_id"] == trace.trace_id


def test_a_follow_up_needs_no_mention_and_is_given_the_history(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question = sandbox.post(alice, general, f"{sandbox.mention} first")
    sandbox.wait_for_reply(general, question.ts, containing="first")
    sandbox.post(alice, general, "and second?", thread_ts=question.ts)
    second = sandbox.wait_for_reply(general, question.ts, containing="and second?")
    assert "2 earlier messages" in second.text
    _, trace = finished(observability, general, question.ts, count=2)
    spans = spans_of(observability, trace)
    assert spans["decide"].reason == "active_speaker"
    assert spans["read thread"].attributes["messages"] == 2
    assert spans["read thread"].attributes["cache"] == "miss"


def test_a_direct_message_is_answered_and_only_its_user_may_see_its_trace(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, alice: User
) -> None:
    start_bot()
    dm = sandbox.open_dm(alice)
    question = sandbox.post(alice, dm, "psst")
    sandbox.wait_for_reply(dm, question.ts, containing="psst")
    (trace,) = finished(observability, dm, question.ts)
    assert trace.audience == f"{sandbox.team_id}/{alice.id}"


def test_a_skipped_message_is_recorded_with_its_reason(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    chatter = sandbox.post(alice, general, "lunch?")
    (trace,) = finished(observability, general, chatter.ts)
    assert (trace.decision, trace.reason, trace.status) == ("skip", "not_mentioned", "ok")
    assert sandbox.calls("chat.postMessage") == []
    assert sandbox.reactions(general, chatter.ts) == {}
    assert recent_traces(observability.database).traces == ()
    assert len(recent_traces(observability.database, skipped=True).traces) == 1


def test_a_message_to_another_bot_is_skipped(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    codex = sandbox.add_bot("codex")
    sandbox.join(codex, general)
    start_bot()
    theirs = sandbox.post(alice, general, f"<@{codex.id}> hello")
    (trace,) = finished(observability, general, theirs.ts)
    assert trace.reason == "other_bot_mentioned"


def test_a_mention_that_arrives_as_two_events_is_answered_once(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question = sandbox.post(alice, general, f"{sandbox.mention} once please")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    for event in sandbox.events():
        sandbox.redeliver(event)
    sandbox.settle()
    traces = finished(observability, general, question.ts)
    assert len(sandbox.calls("chat.postMessage")) == 1
    assert len(traces) == 1


def test_two_bots_that_share_a_database_answer_once(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    start_bot()
    questions = [
        sandbox.post(alice, general, f"{sandbox.mention} question {number}") for number in range(6)
    ]
    for number, question in enumerate(questions):
        sandbox.wait_for_reply(general, question.ts, containing=f"question {number}")
        sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    sandbox.settle()
    for question in questions:
        assert len(sandbox.thread(general, question.ts)) == 2


def test_a_file_is_fetched_after_the_decision_and_before_the_agent(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    file = ("notes.txt", "text/plain", b"buy milk")
    question = sandbox.post(alice, general, f"{sandbox.mention} read this", files=[file])
    sandbox.wait_for_reply(general, question.ts, containing="1 file")
    (trace,) = finished(observability, general, question.ts)
    spans = spans_of(observability, trace)
    order = ["decide", "download file", "invoke_agent echo", "reply"]
    starts = [spans[name].started_at for name in order]
    assert starts == sorted(starts)
    ignored = sandbox.post(alice, general, "for whom it may concern", files=[file])
    (skipped,) = finished(observability, general, ignored.ts)
    assert "download file" not in spans_of(observability, skipped)


def test_a_failed_agent_is_explained_in_its_own_words_and_marked_with_a_cross(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(FAILING)
    question = sandbox.post(alice, general, f"{sandbox.mention} try")
    answer = sandbox.wait_for_reply(general, question.ts, containing="/trace show")
    sandbox.wait_for_reaction(general, question.ts, "x")
    assert "white_check_mark" not in sandbox.reactions(general, question.ts)
    assert "It said `no such model`." in answer.text
    (trace,) = finished(observability, general, question.ts)
    assert trace.trace_id[:16] in answer.text
    assert (trace.status, trace.error_count > 0) == ("error", True)
    assert spans_of(observability, trace)["invoke_agent broken"].error_type == "crash"


def test_a_busy_thread_keeps_the_order_and_answers_all(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    question = sandbox.post(alice, general, f"{sandbox.mention} one")
    agent.wait_until_asked()
    two = sandbox.post(alice, general, "two", thread_ts=question.ts)
    three = sandbox.post(alice, general, "three", thread_ts=question.ts)
    for message in (two, three):
        sandbox.wait_for_reaction(general, message.ts, "hourglass_flowing_sand")
    for answer in ("first", "second", "third"):
        agent.end(answer)
    for message in (question, two, three):
        sandbox.wait_for_reaction(general, message.ts, "white_check_mark")
    assert [request.prompt for request in agent.requests] == ["one", "two", "three"]
    texts = [m.text for m in sandbox.thread(general, question.ts) if m.user == sandbox.bot_user_id]
    assert texts == ["first", "second", "third"]
    assert set(sandbox.reactions(general, two.ts)) == {"white_check_mark"}


def test_a_slow_waiting_mark_is_gone_once_the_message_is_answered(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    one = sandbox.post(alice, general, f"{sandbox.mention} one")
    agent.wait_until_asked()
    sandbox.faults.latency("reactions.add", 2.0)
    two = sandbox.post(alice, general, "two", thread_ts=one.ts)

    def is_being_marked() -> bool:
        observability.flush()
        traces = message_traces(observability.database, channel=general.id, message_ts=two.ts)
        return any("add reaction" in spans_of(observability, trace) for trace in traces)

    eventually(is_being_marked)
    agent.end("first")
    agent.wait_until_asked()
    agent.end("second")
    sandbox.wait_for_reaction(general, two.ts, "white_check_mark")
    sandbox.wait_until(lambda: ("hourglass_flowing_sand", two.ts) in _added(sandbox))
    sandbox.wait_until(lambda: set(sandbox.reactions(general, two.ts)) == {"white_check_mark"})


def _added(sandbox: Sandbox) -> list[tuple[str, str]]:
    calls = sandbox.calls("reactions.add")
    return [(call.arguments["name"], call.arguments["timestamp"]) for call in calls]


def test_threads_do_not_wait_for_one_another(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    questions = [sandbox.post(alice, general, f"{sandbox.mention} q{n}") for n in range(5)]
    for _ in questions:
        agent.wait_until_asked()  # None has been answered: each would keep the next one waiting.
    for _ in questions:
        agent.end("done")
    for question in questions:
        sandbox.wait_for_reaction(general, question.ts, "white_check_mark")


def test_a_thread_of_more_than_a_hundred_messages_keeps_its_speaker(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    codex = sandbox.add_bot("codex")
    sandbox.join(codex, general)
    question = sandbox.post(alice, general, f"{sandbox.mention} {codex.mention} start")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    for number in range(230):
        sandbox.post(codex, general, f"<@{alice.id}> {number}", thread_ts=question.ts)
    last = sandbox.post(alice, general, "who is speaking?", thread_ts=question.ts)
    observability.flush()
    traces = finished(observability, general, question.ts, count=232)
    mine = next(trace for trace in traces if trace.message_ts == last.ts)
    spans = spans_of(observability, mine)
    assert mine.reason == "other_agent_active"
    assert spans["read thread"].attributes["messages"] == 232


def test_an_agent_is_chosen_by_its_name_and_keeps_the_thread(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(SEVERAL)
    question, answer = answered(sandbox, alice, general, "@parrot hello")
    assert answer.text == "parrot: hello"
    sandbox.post(alice, general, "and now?", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="and now?")
    sandbox.post(alice, general, "echo: your turn", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="You said: your turn")
    traces = finished(observability, general, question.ts, count=3)
    assert [trace.agent for trace in traces] == ["parrot", "parrot", "echo"]


def test_several_agents_named_each_answer_under_one_trace(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(SEVERAL)
    question = sandbox.post(alice, general, f"{sandbox.mention} @echo @parrot hello")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    answers = sandbox.thread(general, question.ts)[1:]
    assert sorted(answer.text for answer in answers) == ["You said: hello", "parrot: hello"]
    payloads = [answer.metadata["event_payload"] for answer in answers if answer.metadata]
    assert {payload["agent"] for payload in payloads} == {"echo", "parrot"}
    (trace,) = finished(observability, general, question.ts)
    assert {payload["trace_id"] for payload in payloads} == {trace.trace_id}
    assert trace.agent == "echo, parrot"
    spans = trace_spans(observability.database, trace.trace_id)
    (root,) = [span for span in spans if span.parent_id is None]
    asked = [span for span in spans if span.name.startswith("invoke_agent")]
    assert {span.agent for span in asked} == {"echo", "parrot"}
    assert {span.parent_id for span in asked} == {root.span_id}


def test_one_failed_agent_of_several_is_explained_and_marks_the_message_with_a_cross(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot(SEVERAL)
    question = sandbox.post(alice, general, f"{sandbox.mention} @broken @echo hello")
    sandbox.wait_for_reaction(general, question.ts, "x")
    answers = [message.text for message in sandbox.thread(general, question.ts)[1:]]
    assert "You said: hello" in answers
    assert any("broken could not answer" in answer for answer in answers)
    (trace,) = finished(observability, general, question.ts)
    assert trace.status == "error"


def test_a_mention_without_a_question_is_told_how_to_ask(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    question = sandbox.post(alice, general, sandbox.mention)
    assert "Ask me something" in sandbox.wait_for_reply(general, question.ts).text


def test_a_thumb_on_the_answer_is_a_score_that_can_be_taken_back(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question = sandbox.post(alice, general, f"{sandbox.mention} good?")
    # Not the first reply: on a busy machine that is a running one, which has no metadata yet.
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    (trace,) = finished(observability, general, question.ts)

    def scores() -> list[tuple[str, float | None]]:
        observability.flush()
        found = scores_of(observability.database, [trace.trace_id])
        return [(score.trace_id, score.value) for score in found]

    sandbox.react(alice, answer, "+1")
    eventually(lambda: scores() == [(trace.trace_id, 1.0)])
    assert "reaction added" in spans_of(observability, trace)
    sandbox.unreact(alice, answer, "+1")
    eventually(lambda: scores() == [])


def test_a_reaction_that_slack_sends_again_is_recorded_once_by_all_bots_of_a_database(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    start_bot()
    question = sandbox.post(alice, general, f"{sandbox.mention} good?")
    # Not the first reply: on a busy machine that is a running one, which has no metadata yet.
    (answer,) = ended(sandbox, general, question, "white_check_mark")

    def traces() -> tuple[TraceSummary, ...]:
        return finished(observability, general, question.ts)

    # The bot that did not claim the message has a trace, too, and often ends it first.
    eventually(lambda: any(t.agent and t.status == "ok" for t in traces()))
    (trace,) = (t for t in traces() if t.agent)

    def recorded(name: str) -> int:
        observability.flush()
        spans = trace_spans(observability.database, trace.trace_id)
        return [span.name for span in spans].count(name)

    sandbox.react(alice, answer, "tada")
    eventually(lambda: recorded("reaction added") == 1)
    looked_up = len(sandbox.calls("conversations.replies"))
    (event,) = (e for e in sandbox.events("reaction_added") if e["event"]["user"] == alice.id)
    for _ in range(4):
        sandbox.redeliver(event)
    sandbox.wait_for_call("conversations.replies", count=looked_up + 4)
    sandbox.unreact(alice, answer, "tada")
    eventually(lambda: recorded("reaction removed") == 1)
    assert recorded("reaction added") == 1


def test_the_stored_text_of_a_deleted_message_is_erased(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    chatter = sandbox.post(alice, general, "I should not have said that")
    (trace,) = finished(observability, general, chatter.ts)
    assert trace.text == "I should not have said that"
    sandbox.delete(alice, chatter)
    eventually(lambda: finished(observability, general, chatter.ts)[0].text is None)
    dump = observability.database.execute_sql("SELECT * FROM spans").fetchall()
    assert "should not have" not in str(dump)


@pytest.mark.parametrize(("capture", "kept"), [("none", None), ("full", "x" * 300)])
def test_a_setting_says_how_much_text_is_stored(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    capture: str,
    kept: str | None,
) -> None:
    start_bot(capture=capture)
    chatter = sandbox.post(alice, general, "x" * 300)
    assert finished(observability, general, chatter.ts)[0].text == kept


def test_the_bot_answers_when_its_database_is_gone(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    observability.flush()
    for table in ("claims", "spans", "traces"):
        observability.database.execute_sql(f"DROP TABLE {table}")
    question = sandbox.post(alice, general, f"{sandbox.mention} still there?")
    sandbox.wait_for_reply(general, question.ts, containing="still there?")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EMFILE])
@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_the_bot_answers_when_its_database_cannot_be_opened(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    def refuse(path: Path, flags: int) -> NoReturn:
        raise OSError(number, os.strerror(number), str(path))

    start_bot()
    observability.flush()
    monkeypatch.setattr(lock_files, "open_private", refuse)
    question = sandbox.post(alice, general, f"{sandbox.mention} still there?")
    sandbox.wait_for_reply(general, question.ts, containing="still there?")
    sandbox.wait_for_reaction(general, question.ts, reactions.DONE)
    monkeypatch.undo()


@pytest.mark.usefixtures("db_path")
def test_the_bot_answers_when_another_file_is_at_the_place_of_its_database(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    tmp_path: Path,
) -> None:
    start_bot()
    observability.flush()
    path, ours, theirs = observability.database.path, tmp_path / "ours", tmp_path / "theirs"
    with closing(sqlite3.connect(theirs)) as other:
        other.execute("CREATE TABLE notes (text)")
    os.rename(path, ours)
    os.rename(theirs, path)
    question = sandbox.post(alice, general, f"{sandbox.mention} still there?")
    sandbox.wait_for_reply(general, question.ts, containing="still there?")
    sandbox.wait_for_reaction(general, question.ts, reactions.DONE)
    os.rename(ours, path)


def test_a_reaction_that_slack_refuses_does_not_stop_the_answer(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.faults.error("reactions.add", "too_many_reactions", times=2)
    question = sandbox.post(alice, general, f"{sandbox.mention} anyway")
    sandbox.wait_for_reply(general, question.ts, containing="anyway")


def test_no_answer_waits_for_a_reaction(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reactions, "SHOW_S", 0.1)
    monkeypatch.setattr(reactions, "SETTLE_S", 0.1)
    start_bot()
    go = sandbox.faults.hold("reactions.add")
    try:
        first = sandbox.post(alice, general, f"{sandbox.mention} one")
        sandbox.wait_for_reply(general, first.ts, containing="one", timeout=15)
        second = sandbox.post(alice, general, "two", thread_ts=first.ts)
        sandbox.wait_for_reply(general, first.ts, containing="two", timeout=15)
    finally:
        go.set()
    for question in (first, second):
        sandbox.wait_for_reaction(general, question.ts, reactions.DONE)
        assert set(sandbox.reactions(general, question.ts)) == {reactions.DONE}


def test_a_rate_limited_reply_is_sent_when_slack_allows_it(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.faults.rate_limit("chat.postMessage", times=1, retry_after=1)
    question = sandbox.post(alice, general, f"{sandbox.mention} patience")
    sandbox.wait_for_reply(general, question.ts, containing="patience")
