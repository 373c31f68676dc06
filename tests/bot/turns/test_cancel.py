"""Stopping an answer: by the button under it, by Slack's own, by its id, from a shell."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bot.access import Access
from bot.agents.cancellation import DELETION
from bot.agents.types import AccessRule, Agent
from bot.concurrency import notice_board
from bot.concurrency.running_turns import RunningTurns
from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack.directory import Directory
from bot.turns.cancel import TurnCanceller, cancel_from_shell
from reports.errors import UsageError
from storage import Observability
from storage.coordination.accepted_messages import AcceptedMessage, accept_message
from storage.coordination.cancel_requests import cancel_requests
from storage.database.connect import connect
from storage.queries.lookups import running_traces, thread_traces
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of, roster_with


@pytest.fixture(autouse=True)
def short_waits(quick_replies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_board, "POLL_S", 0.05)


@pytest.fixture
def question(question: Message, agent: Scripted, sandbox: Sandbox, general: Channel) -> Message:
    """Return a question whose reply is seen to grow."""
    agent.say("The first half")
    sandbox.wait_for_reply(general, question.ts, containing="The first half")
    return question


def running_id(observability: Observability) -> str:
    observability.flush()
    (trace,) = running_traces(observability.database)
    return trace.trace_id


def stopped(
    sandbox: Sandbox, observability: Observability, channel: Channel, question: Message
) -> tuple[Message, TraceSummary]:
    """Return the reply of a stopped turn, and its trace."""
    sandbox.wait_for_reaction(channel, question.ts, "octagonal_sign")
    assert set(sandbox.reactions(channel, question.ts)) == {"octagonal_sign"}
    (reply,) = sandbox.thread(channel, question.ts)[1:]
    (trace,) = finished(observability, channel, question.ts)
    assert trace.status == "cancelled"
    return reply, trace


@pytest.fixture
def no_streams(sandbox: Sandbox) -> None:
    """Let Slack refuse streams, so that a running reply has a button of its own."""
    sandbox.faults.error("chat.startStream", "unknown_method", times=10)


@pytest.mark.usefixtures("no_streams")
def test_the_button_of_a_running_reply_stops_its_agent(
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    reply = sandbox.thread(general, question.ts)[-1]
    assert sandbox.click(alice, reply, "trace_stop") == []
    reply, trace = stopped(sandbox, observability, general, question)
    assert reply.text == f"The first half\n:octagonal_sign: Stopped by <@{alice.id}>."
    assert [block["type"] for block in reply.blocks] == ["markdown", "context"]
    spans = spans_of(observability, trace)
    assert spans["attempt scripted"].status == "cancelled"
    assert spans["invoke_agent scripted"].status == "cancelled"
    assert trace.error_message == f"Stopped by {alice.id}."


def test_slacks_own_stop_button_stops_the_thread(
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    sandbox.stop_agent(alice, general, question.ts)
    reply, _ = stopped(sandbox, observability, general, question)
    assert reply.text.endswith(f"Stopped by <@{alice.id}>.")
    said = [call.arguments["status"] for call in sandbox.calls("agents.sessions.setStatus")]
    assert said[-1] == "active"


def test_trace_cancel_stops_a_turn_and_says_so(
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    trace_id = running_id(observability)
    (said,) = sandbox.command(alice, general, "/trace", f"cancel {trace_id[:12].upper()}")
    assert "being stopped" in str(said.blocks)
    stopped(sandbox, observability, general, question)
    (again,) = sandbox.command(alice, general, "/trace", f"cancel {trace_id}")
    assert "has already ended" in str(again.blocks)


@pytest.mark.parametrize("wanted", ["0" * 32, "what", ""])
def test_cancelling_an_unknown_id_says_so_in_one_sentence(
    wanted: str, start_bot: StartBot, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    start_bot()
    (said,) = sandbox.command(alice, general, "/trace", f"cancel {wanted}")
    (block,) = said.blocks
    assert block["type"] == "section"


def test_each_line_of_ps_has_a_button_that_stops_it(
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    observability.flush()
    (listed,) = sandbox.command(alice, general, "/trace", "ps")
    (said,) = sandbox.click(alice, listed, "trace_stop_0", responses=1)
    assert "being stopped" in str(said.blocks)
    stopped(sandbox, observability, general, question)


def test_a_user_who_may_not_see_a_turn_cannot_stop_it(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    mallory = sandbox.add_user("mallory")
    sandbox.join(mallory, general)
    secret = sandbox.add_channel("secret", [alice], private=True)
    start_bot(roster_of(agent))
    question = sandbox.post(alice, secret, f"{sandbox.mention} think hard")
    agent.wait_until_asked()
    trace_id = running_id(observability)
    (said,) = sandbox.command(mallory, general, "/trace", f"cancel {trace_id}")
    assert "Nothing found" in str(said.blocks)
    agent.end("done")
    sandbox.wait_for_reaction(secret, question.ts, "white_check_mark")


@pytest.mark.parametrize("way", ["button", "command", "Slack's own"])
def test_a_guest_who_may_ask_can_stop_their_own_turn_and_no_other(
    way: str,
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
) -> None:
    if way == "button":
        sandbox.faults.error("chat.startStream", "unknown_method", times=10)
    guest = sandbox.add_user("gus", guest=True)
    mixed = sandbox.add_channel("mixed", [alice, guest])
    for_guests = Agent(name=agent.name, providers=(agent,), access=AccessRule(guests=True))
    start_bot(roster_with({agent.name: for_guests}, default=agent.name))

    def stop(asked: Message) -> None:
        agent.say("The first half")
        reply = sandbox.wait_for_reply(mixed, asked.ts, containing="The first half")
        if way == "button":
            sandbox.click(guest, reply, "trace_stop")
        elif way == "command":
            sandbox.command(guest, mixed, "/trace", f"cancel {running_id(observability)}")
        else:
            sandbox.stop_agent(guest, mixed, asked.ts)

    others = sandbox.post(alice, mixed, f"{sandbox.mention} think hard")
    agent.wait_until_asked()
    stop(others)
    agent.end("done")
    sandbox.wait_for_reaction(mixed, others.ts, "white_check_mark")
    own = sandbox.post(guest, mixed, f"{sandbox.mention} think hard")
    agent.wait_until_asked()
    stop(own)
    _, trace = stopped(sandbox, observability, mixed, own)
    assert trace.error_message == f"Stopped by {guest.id}."


def test_the_next_message_of_the_thread_goes_on_after_a_stop(
    agent: Scripted,
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    second = sandbox.post(alice, general, f"{sandbox.mention} and now?", thread_ts=question.ts)
    sandbox.wait_for_reaction(general, second.ts, "hourglass_flowing_sand")
    observability.flush()
    sandbox.stop_agent(alice, general, question.ts)
    agent.wait_until_asked()
    time.sleep(0.5)  # Several polls for requests to cancel, of which there must be none.
    agent.end("Now this.")
    sandbox.wait_for_reply(general, question.ts, containing="Now this.")
    sandbox.wait_for_reaction(general, second.ts, "white_check_mark")
    sandbox.wait_for_reaction(general, question.ts, "octagonal_sign")


def test_deleting_the_question_stops_its_turn(
    agent: Scripted,
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    sandbox.delete(alice, question)
    (trace,) = finished(observability, general, question.ts)
    assert (trace.status, trace.error_message) == ("cancelled", "Stopped by deletion.")


def test_a_button_that_reaches_another_bot_on_the_same_database_stops_the_turn(
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    db_path: Path,
    general: Channel,
) -> None:
    trace_id = running_id(observability)
    with Observability.open(db_path, platform="cli") as other:
        said = cancel_from_shell(other.database, trace_id)
        other.database.close()
    assert said.found, said.text
    reply, _ = stopped(sandbox, observability, general, question)
    assert reply.text.endswith(":octagonal_sign: Stopped from a shell.")


def test_a_shell_stops_a_turn_of_another_process(
    question: Message,
    sandbox: Sandbox,
    observability: Observability,
    db_path: Path,
    general: Channel,
) -> None:
    trace_id = running_id(observability)
    tracebot = [str(Path(sys.executable).parent / "tracebot"), "cancel", "--database", str(db_path)]
    done = subprocess.run([*tracebot, trace_id[:16]], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{trace_id} is stopped.\n"), done.stderr
    stopped(sandbox, observability, general, question)
    again = subprocess.run([*tracebot, trace_id], capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert "has already ended" in again.stdout


def test_cancelling_says_that_a_turn_still_runs_if_its_process_does_not_react(
    observability: Observability,
) -> None:
    span = observability.start_span("slack message", {"message_ts": "1.000001"})
    observability.flush()
    said = cancel_from_shell(observability.database, span.trace_id, patience_s=0.2)
    assert not said.found
    assert "is still running" in said.text
    observability.end_span(span)


def test_a_trace_that_is_not_a_turn_cannot_be_cancelled(observability: Observability) -> None:
    span = observability.start_span("run pytest")
    observability.flush()
    said = cancel_from_shell(observability.database, span.trace_id)
    assert "Stop it where it was started" in said.text
    observability.end_span(span)
    with pytest.raises(UsageError, match="at least 4"):
        cancel_from_shell(observability.database, "xyz")


def test_a_turn_that_waits_for_a_slot_shows_it_and_can_be_stopped(
    agent: Scripted,
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    start_bot(roster_of(agent), workers=1)
    first = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    agent.wait_until_asked()
    second = sandbox.post(alice, general, f"{sandbox.mention} me too")
    sandbox.wait_for_reaction(general, second.ts, "hourglass_flowing_sand")
    chatter = sandbox.post(alice, general, "lunch?")
    assert finished(observability, general, chatter.ts)[0].reason == "not_mentioned"
    (trace,) = thread_traces(observability.database, channel=general.id, thread_ts=second.ts)
    sandbox.command(alice, general, "/trace", f"cancel {trace.trace_id}")
    stopped(sandbox, observability, general, second)
    assert len(agent.requests) == 1
    agent.end("done")
    sandbox.wait_for_reaction(general, first.ts, "white_check_mark")


def test_a_turn_of_another_process_is_stopped_once_a_locked_database_takes_it(
    observability: Observability, db_path: Path
) -> None:
    facts = {"channel": "C1", "message_ts": "1.0", "thread_ts": "1.0", "team": "T1"}
    span = observability.start_span("slack message", facts)
    observability.flush()
    database = observability.database
    running = RunningTurns(database, limit=1)
    access = Access(cast(Directory, None), database, team="T1")
    canceller = TurnCanceller(running=running, access=access, database=database)
    database.timeout = 0.05
    holder = connect(db_path, thread_safe=False)
    holder.begin()
    unlocking = threading.Timer(0.5, holder.rollback)
    unlocking.start()
    canceller.message_deleted("C1", "1.0")
    unlocking.join()
    holder.close()
    assert cancel_requests(database, [span.trace_id]) == {span.trace_id: DELETION}
    observability.end_span(span)


def test_slacks_stop_stops_the_turn_that_runs_elsewhere_and_not_one_that_waits(
    observability: Observability,
) -> None:
    database = observability.database
    facts = {"channel": "C1", "thread_ts": "1.0", "team": "T1", "user": "U1", "platform": "slack"}
    # The one that runs was taken over, in a newer trace than that of the one after it.
    waits, runs = (
        observability.start_span("slack message", {**facts, "message_ts": ts})
        for ts in ("2.0", "1.0")
    )
    observability.flush()
    row = AcceptedMessage(
        trace_id=waits.trace_id,
        team="T1",
        channel="C1",
        thread_ts="1.0",
        message_ts="2.0",
        user="U1",
        position="2.0",
        details={},
    )
    accept_message(database, row, claim="", process="another", now=1, may_run=False)
    access = cast(Access, SimpleNamespace(sight=lambda team, user: None))
    running = RunningTurns(database, limit=1)
    canceller = TurnCanceller(running=running, access=access, database=database)
    canceller.in_thread("C1", "1.0", team="T1", user="U1")
    asked = cancel_requests(database, [waits.trace_id, runs.trace_id])
    assert asked == {runs.trace_id: "U1"}
    for span in (waits, runs):
        observability.end_span(span)
