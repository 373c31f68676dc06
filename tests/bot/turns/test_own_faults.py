"""A fault of the bot itself: whoever waits is told, and the log says what happened."""

from typing import Any, NoReturn

import pytest
from slack_sdk import WebClient

from bot.concurrency.lanes import Lanes
from bot.sandbox import Channel, Sandbox, User
from bot.slack.attachments import FileDownloads
from bot.slack.threads import ThreadReader
from storage import Observability
from tests.support.conversations import StartBot, eventually, finished


def breaks(*args: Any, **options: Any) -> NoReturn:
    raise RuntimeError("a wire is loose")


def unreachable(*args: Any, **options: Any) -> NoReturn:
    raise ConnectionResetError("reset by peer")


def test_a_person_whose_turn_breaks_is_told(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    monkeypatch.setattr(FileDownloads, "fetch", breaks)
    files = [("notes.txt", "text/plain", b"one")]
    question = sandbox.post(alice, general, f"{sandbox.mention} read", files=files)
    reply = sandbox.wait_for_reply(general, question.ts)
    sandbox.wait_for_reaction(general, question.ts, "x")
    (trace,) = finished(observability, general, question.ts)
    assert "went wrong on my side" in reply.text
    assert trace.trace_id[:16] in reply.text
    assert "a wire is loose" not in reply.text
    assert (trace.status, "A turn failed" in caplog.text) == ("error", True)


def test_a_turn_that_the_network_ends_is_one_line_in_the_log(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    monkeypatch.setattr(FileDownloads, "fetch", unreachable)
    files = [("notes.txt", "text/plain", b"one")]
    question = sandbox.post(alice, general, f"{sandbox.mention} read", files=files)
    sandbox.wait_for_reaction(general, question.ts, "x")
    eventually(lambda: "A turn ended early in trace" in caplog.text)
    assert "Traceback" not in caplog.text


def test_a_fault_in_the_decision_is_told_to_those_who_mention_the_bot(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_bot()
    monkeypatch.setattr(ThreadReader, "read", breaks)
    root = sandbox.post(alice, general, "a talk")
    other = sandbox.post(alice, general, "between people", thread_ts=root.ts)
    mention = sandbox.post(alice, general, f"{sandbox.mention} why?", thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="went wrong")
    sandbox.wait_for_reaction(general, mention.ts, "x")
    finished(observability, general, root.ts, count=3)
    (reply,) = [each for each in sandbox.thread(general, root.ts) if each.bot_id]
    assert reply.ts > mention.ts
    assert sandbox.reactions(general, other.ts) == {}


def test_a_message_whose_turn_cannot_begin_keeps_no_other_from_its_answer(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    with monkeypatch.context() as patch:
        patch.setattr(Lanes, "begin", breaks)
        first = sandbox.post(alice, general, f"{sandbox.mention} one")
        eventually(lambda: "A turn failed in trace" in caplog.text)
    sandbox.post(alice, general, f"{sandbox.mention} two", thread_ts=first.ts)
    sandbox.wait_for_reply(general, first.ts, containing="two")


def test_no_fault_in_reacting_stops_an_answer(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_bot()
    monkeypatch.setattr(WebClient, "reactions_add", breaks)
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    sandbox.wait_for_reply(general, question.ts, containing="hello")
