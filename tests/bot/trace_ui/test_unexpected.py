"""An error of the bot itself: whoever asked hears of it, and the log has the traceback."""

import logging
import threading
from collections.abc import Callable

import pytest

from bot.concurrency.logging_executor import LoggingExecutor
from bot.sandbox import Channel, Sandbox, User
from bot.slack.errors import SLACK_ERRORS
from bot.trace_ui import slash_command
from reports.render.slack import RENDERERS
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.queries.traces import recent_traces
from tests.support.conversations import StartBot, eventually


def broken(*args: object, **options: object) -> None:
    raise RuntimeError("a detail that is not for users")


def refused() -> None:
    raise ConnectionRefusedError("nobody listens")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda patch: patch.setattr(slash_command, "answer", broken),
        lambda patch: patch.setitem(RENDERERS, TraceListView, broken),
    ],
    ids=["answer", "rendering"],
)
def test_the_asker_of_a_command_that_breaks_is_told(
    break_it: Callable[[pytest.MonkeyPatch], None],
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    break_it(monkeypatch)
    (told,) = sandbox.command(alice, general, "/trace", "ls")
    assert "an error of mine" in told.text
    assert "a detail" not in f"{told.text} {told.blocks}"

    def failed() -> list[str]:
        observability.flush()
        traces = recent_traces(observability.database, skipped=True).traces
        return [trace.trace_id for trace in traces if trace.status == "error"]

    eventually(lambda: bool(failed()))
    assert failed()[0] in told.text
    assert "RuntimeError: a detail" in caplog.text


def test_what_background_work_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    begun, go = threading.Event(), threading.Event()
    with LoggingExecutor(1) as pool:
        pool.submit(lambda: (begun.set(), go.wait()))
        waiting = pool.submit(broken)
        dropped = pool.submit(broken)
        assert begun.wait(10)
        assert dropped.cancel()
        go.set()
    assert isinstance(waiting.exception(), RuntimeError)
    assert caplog.text.count("RuntimeError: a detail") == 1


def test_what_slack_and_the_network_raise_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with LoggingExecutor(1, expected=SLACK_ERRORS) as pool:
        pool.submit(refused)
    assert "was not done: ConnectionRefusedError: nobody listens" in caplog.text
    assert "Traceback" not in caplog.text
