"""*Share here*: in the thread whose button was pressed, once, with who shared it."""

import threading

import pytest

from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import asked, shown


@pytest.fixture
def trace(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> TraceSummary:
    start_bot()
    return asked(sandbox, observability, alice, general, "hello")


def seen_in_thread(sandbox: Sandbox, user: User, channel: Channel, trace: TraceSummary) -> Message:
    """Show the trace of the thread's answer with the message shortcut."""
    answer = sandbox.thread(channel, str(trace.thread_ts))[1]
    (seen,) = sandbox.shortcut(user, answer, "show_trace", responses=1, timeout=20.0)
    assert seen.thread_ts == trace.thread_ts
    return seen


def shares(sandbox: Sandbox, channel: Channel) -> list[Message]:
    return [m for m in sandbox.messages(channel) if "shares a trace" in m.text]


def test_a_trace_is_shared_in_the_thread_of_its_button_with_who_shared_it(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    seen = seen_in_thread(sandbox, alice, general, trace)
    (said,) = sandbox.click(alice, seen, "trace_share", responses=1, timeout=20.0)
    assert "posted in this thread" in said.text
    (posted,) = shares(sandbox, general)
    assert (posted.thread_ts, said.thread_ts) == (trace.thread_ts, trace.thread_ts)
    assert f"Shared by <@{alice.id}>" in shown([posted])


def test_a_trace_is_shared_once_although_people_click_again(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    ours = [(user, seen_in_thread(sandbox, user, general, trace)) for user in (alice, bob)]
    clicks = [
        threading.Thread(target=sandbox.click, args=(user, seen, "trace_share"))
        for user, seen in ours * 2
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    (said,) = sandbox.click(alice, ours[0][1], "trace_share", responses=1, timeout=20.0)
    assert "posted in this thread already" in said.text
    assert len(shares(sandbox, general)) == 1


def test_the_same_trace_is_shared_in_a_thread_and_in_its_channel(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.click(
        alice,
        seen_in_thread(sandbox, alice, general, trace),
        "trace_share",
        responses=1,
        timeout=20.0,
    )
    (seen,) = sandbox.command(alice, general, "/trace", f"show {trace.trace_id}")
    (said,) = sandbox.click(alice, seen, "trace_share", responses=1, timeout=20.0)
    assert "posted in this channel." in said.text
    assert [each.thread_ts for each in shares(sandbox, general)] == [trace.thread_ts, None]


def test_a_share_that_slack_refused_can_be_repeated(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    seen = seen_in_thread(sandbox, alice, general, trace)
    sandbox.faults.error("chat.postMessage", "message_limit_exceeded")
    sandbox.click(alice, seen, "trace_share", responses=1, timeout=20.0)
    assert shares(sandbox, general) == []
    (said,) = sandbox.click(alice, seen, "trace_share", responses=1, timeout=20.0)
    assert "posted in this thread." in said.text


def test_a_trace_is_not_shared_in_the_channel_if_its_thread_is_gone(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    seen = seen_in_thread(sandbox, alice, general, trace)
    with sandbox._workspace.changing():
        sandbox._workspace.messages[general.id].clear()
    (said,) = sandbox.click(alice, seen, "trace_share", responses=1, timeout=20.0)
    assert "deleted" in said.text
    assert shares(sandbox, general) == []
