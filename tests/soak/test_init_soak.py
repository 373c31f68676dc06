"""From an empty folder to an answer: `tracebot init` at a terminal starts the bot at its end."""

import os
import sys
from pathlib import Path

import pytest

from bot.sandbox import Sandbox
from tests.support.paths import ROOT
from tests.support.terminals import on_terminal

PASTE = "it is not shown: "


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("SLACK_", "TRACEBOT_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_ctrl_c_while_a_token_is_asked_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    with on_terminal(tmp_path / "tracebot.db", "init", folder=folder) as terminal:
        terminal.wait_for(PASTE)
        terminal.interrupt()
        assert terminal.wait() == 1
        assert "stopped. Nothing was written." in terminal.shown
    assert list(folder.iterdir()) == []


def test_the_bot_that_init_starts_answers(folder: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with (
        Sandbox.start(ROOT / "manifest.yml") as sandbox,
        on_terminal(
            tmp_path / "tracebot.db",
            "init",
            columns=250,
            folder=folder,
            SLACK_API_URL=sandbox.api_url,
            PATH=path,
        ) as terminal,
    ):
        alice = sandbox.add_user("alice")
        channel = sandbox.add_channel("general", [alice])
        terminal.wait_for(PASTE)
        terminal.type(sandbox.bot_token)
        terminal.wait_for("App token")
        terminal.wait_for_after(PASTE, terminal.shown.index("App token"))
        terminal.type(sandbox.app_token)
        terminal.wait_for("Start it now? [Y/n] ")
        terminal.type("")
        terminal.wait_for("tracebot answers in Socket Mode with echo")
        question = sandbox.post(alice, channel, f"{sandbox.mention} hello")
        sandbox.wait_until(lambda: len(sandbox.thread(channel, question.ts)) > 1)
        terminal.interrupt()
        assert terminal.wait() == 0
        assert sandbox.bot_token not in terminal.shown
        assert sandbox.app_token not in terminal.shown
