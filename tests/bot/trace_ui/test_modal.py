"""A trace is shown in a modal, and in a message if no modal can be opened or filled."""

import pytest

from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot, eventually
from tests.support.traces_in_slack import asked, in_modal, shown


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


@pytest.fixture
def listed(trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel) -> Message:
    (message,) = sandbox.command(alice, general, "/trace", "ls", timeout=20.0)
    return message


def test_show_opens_a_modal_at_once_and_fills_it(
    trace: TraceSummary, listed: Message, sandbox: Sandbox, alice: User
) -> None:
    said = in_modal(sandbox, alice, lambda: sandbox.click(alice, listed, "trace_show_0"))
    assert trace.trace_id in said
    calls = [call.method for call in sandbox.calls() if call.method.startswith("views.")]
    assert calls == ["views.open", "views.update"]


@pytest.mark.parametrize(
    ("method", "error"),
    [("views.open", "expired_trigger_id"), ("views.update", "internal_error")],
)
def test_without_a_modal_the_answer_is_a_message(
    trace: TraceSummary,
    listed: Message,
    sandbox: Sandbox,
    alice: User,
    method: str,
    error: str,
) -> None:
    sandbox.faults.error(method, error, times=3)
    told = sandbox.click(alice, listed, "trace_show_0", responses=1, timeout=20.0)
    assert trace.trace_id in shown(told)
    assert told[0].ephemeral_to == alice.id


def test_a_modal_that_was_closed_is_not_answered_elsewhere(
    trace: TraceSummary, listed: Message, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    sandbox.faults.error("views.update", "not_found", times=3)
    sandbox.click(alice, listed, "trace_show_0")
    eventually(lambda: bool(sandbox.calls("views.update")))
    sandbox.command(alice, general, "/trace", "help")
    assert len(sandbox.ephemerals(alice, general)) == 2, "the list and the help"


def test_what_a_modal_shows_is_checked_again_at_each_press(
    start_bot: StartBot, sandbox: Sandbox, observability: Observability, alice: User
) -> None:
    bob = sandbox.add_user("bob")
    board = sandbox.add_channel("board", [alice, bob], private=True)
    start_bot()
    trace = asked(sandbox, observability, alice, board, "the merger")
    (listed,) = sandbox.command(bob, board, "/trace", "ls", timeout=20.0)
    said = in_modal(sandbox, bob, lambda: sandbox.click(bob, listed, "trace_show_0"))
    assert "the merger" in said
    sandbox.leave(bob, board)
    sandbox.settle()
    said = in_modal(sandbox, bob, lambda: sandbox.press(bob, "trace_share"))
    assert f"Nothing found for {trace.trace_id}" in said.partition("─")[0]


def test_a_press_in_a_modal_that_cannot_be_filled_is_answered_in_a_message(
    trace: TraceSummary,
    listed: Message,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_modal(sandbox, alice, lambda: sandbox.click(alice, listed, "trace_show_0"))
    sandbox.faults.error("views.update", "internal_error", times=3)
    sandbox.press(alice, "trace_raw")
    eventually(lambda: len(sandbox.ephemerals(alice, general)) == 2)
    assert "Everything that is stored" in shown(sandbox.ephemerals(alice, general)[1:])
    assert "Traceback" not in caplog.text


def test_a_press_in_a_modal_that_nothing_can_answer_is_one_line_in_the_log(
    trace: TraceSummary,
    listed: Message,
    sandbox: Sandbox,
    alice: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_modal(sandbox, alice, lambda: sandbox.click(alice, listed, "trace_show_0"))
    sandbox.faults.error("views.update", "internal_error", times=3)
    sandbox.faults.error("chat.postEphemeral", "user_not_in_channel", times=3)
    sandbox.faults.error("chat.postMessage", "restricted_action", times=3)
    caplog.clear()
    sandbox.press(alice, "trace_raw")
    eventually(lambda: "/trace raw" in caplog.text)
    assert f"/trace raw of {alice.id} was not answered" in caplog.text
    assert "Traceback" not in caplog.text
