"""*Share here*: in the thread whose button was pressed, once, with who shared it."""

import socket
import threading
from urllib.error import URLError

import pytest
from peewee import OperationalError
from slack_sdk import WebClient

from bot.sandbox import Channel, Message, Sandbox, User
from bot.trace_ui.requester import Requester
from bot.trace_ui.share import post_once
from storage import Observability
from storage.database.base import Database
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot, eventually
from tests.support.factories import ALICE, GENERAL, TEAM
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


def show_in_thread(sandbox: Sandbox, user: User, channel: Channel, trace: TraceSummary) -> None:
    """Show the trace of the thread's answer with the message shortcut."""
    answer = sandbox.thread(channel, str(trace.thread_ts))[1]
    said = in_modal(sandbox, user, lambda: sandbox.shortcut(user, answer, "show_trace"))
    assert trace.trace_id in said


def share(sandbox: Sandbox, user: User) -> str:
    """Press *Share here* in the modal; return what it says then."""
    return in_modal(sandbox, user, lambda: sandbox.press(user, "trace_share"))


def shares(sandbox: Sandbox, channel: Channel) -> list[Message]:
    return [m for m in sandbox.messages(channel) if "shares a trace" in m.text]


def test_a_trace_is_shared_in_the_thread_of_its_button_with_who_shared_it(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    show_in_thread(sandbox, alice, general, trace)
    said = share(sandbox, alice)
    assert "posted in this thread" in said
    assert trace.trace_id in said, "the modal still shows the trace"
    (posted,) = shares(sandbox, general)
    assert posted.thread_ts == trace.thread_ts
    assert f"Shared by <@{alice.id}>" in shown([posted])


def test_a_trace_is_shared_once_although_people_click_again(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    for user in (alice, bob):
        show_in_thread(sandbox, user, general, trace)
    clicks = [
        threading.Thread(target=sandbox.press, args=(user, "trace_share"))
        for user in (alice, bob) * 2
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    # Those that filled the modals, and four answers.
    eventually(lambda: len(sandbox.calls("views.update")) == 6)
    assert "posted in this thread already" in share(sandbox, alice)
    assert len(shares(sandbox, general)) == 1


def test_the_same_trace_is_shared_in_a_thread_and_in_its_channel(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    show_in_thread(sandbox, alice, general, trace)
    share(sandbox, alice)
    (seen,) = sandbox.command(alice, general, "/trace", f"show {trace.trace_id}")
    (said,) = sandbox.click(alice, seen, "trace_share", responses=1, timeout=20.0)
    assert "posted in this channel." in said.text
    assert [each.thread_ts for each in shares(sandbox, general)] == [trace.thread_ts, None]


def test_a_share_that_slack_refused_can_be_repeated(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    show_in_thread(sandbox, alice, general, trace)
    sandbox.faults.error("chat.postMessage", "message_limit_exceeded")
    share(sandbox, alice)
    assert shares(sandbox, general) == []
    assert "posted in this thread." in share(sandbox, alice)


def test_a_share_of_which_only_slacks_answer_was_lost_is_not_posted_again(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    show_in_thread(sandbox, alice, general, trace)
    sandbox.faults.lose_answer("chat.postMessage")
    assert "did not tell whether the trace was posted: look in this thread" in share(sandbox, alice)
    assert "may be posted in this thread already: look there" in share(sandbox, alice)
    assert len(shares(sandbox, general)) == 1


def test_a_share_of_which_slack_did_not_tell_can_be_repeated_after_a_while(
    trace: TraceSummary,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.trace_ui.share.UNCLEAR_NS", 0)
    show_in_thread(sandbox, alice, general, trace)
    sandbox.faults.server_error("chat.postMessage")
    assert "did not tell whether the trace was posted" in share(sandbox, alice)
    assert shares(sandbox, general) == []
    assert "The trace was posted in this thread." in share(sandbox, alice)
    assert "was posted in this thread already" in share(sandbox, alice)
    assert len(shares(sandbox, general)) == 1


def test_a_share_in_which_the_bot_was_killed_can_be_repeated_after_a_while(
    trace: TraceSummary,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    database: Database,
    web: WebClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.trace_ui.share.UNCLEAR_NS", 0)
    requester = Requester(
        team=trace.team, user=alice.id, channel=general.id, thread_ts=trace.thread_ts
    )

    def die(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(web, "chat_postMessage", die)
        post_once(web, database, trace_id=trace.trace_id, blocks=[], requester=requester)
    show_in_thread(sandbox, alice, general, trace)
    assert "The trace was posted in this thread." in share(sandbox, alice)


def test_who_shares_a_trace_is_told_that_it_was_posted_beside_a_locked_database(
    trace: TraceSummary,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    show_in_thread(sandbox, alice, general, trace)
    monkeypatch.setattr("bot.trace_ui.share.release_lease", locked)
    assert "The trace was posted in this thread." in share(sandbox, alice)
    assert "posted in this thread already" in share(sandbox, alice)
    assert len(shares(sandbox, general)) == 1


def test_a_share_that_did_not_reach_slack_can_be_repeated_at_once(database: Database) -> None:
    requester = Requester(team=TEAM, user=ALICE, channel=GENERAL)
    with socket.socket() as closed:  # It is bound, and nobody listens on it.
        closed.bind(("127.0.0.1", 0))
        client = WebClient(base_url=f"http://127.0.0.1:{closed.getsockname()[1]}/")
        for _ in range(2):
            with pytest.raises(URLError):
                post_once(client, database, trace_id="1" * 32, blocks=[], requester=requester)


def test_a_trace_is_not_shared_in_the_channel_if_its_thread_is_gone(
    trace: TraceSummary, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    show_in_thread(sandbox, alice, general, trace)
    with sandbox._workspace.changing():
        sandbox._workspace.messages[general.id].clear()
    assert "deleted" in share(sandbox, alice)
    assert shares(sandbox, general) == []


def test_nobody_shares_in_a_channel_that_they_have_left(
    trace: TraceSummary, sandbox: Sandbox, alice: User
) -> None:
    bob = sandbox.add_user("bob")
    board = sandbox.add_channel("board", [alice, bob], private=True)
    (seen,) = sandbox.command(bob, board, "/trace", f"show {trace.trace_id}", timeout=20.0)
    in_modal(sandbox, bob, lambda: sandbox.click(bob, seen, "trace_raw"))
    modal = sandbox._slack.views[f"modal:{bob.id}"]
    row = {"type": "actions", "block_id": "old", "elements": seen.blocks[-1]["elements"]}
    sandbox._slack.views[f"modal:{bob.id}"] = modal | {"blocks": [row]}
    sandbox.leave(bob, board)
    sandbox.settle()
    assert "Only those who are in a conversation" in share(sandbox, bob)
    assert shares(sandbox, board) == []
