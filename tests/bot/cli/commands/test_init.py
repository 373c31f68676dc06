"""`tracebot init` checks each token at once, says the way on, and writes at the end."""

import io
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.agents.config.roster import load_roster
from bot.cli.commands.doctor import examine
from bot.cli.findings import WELL
from bot.cli.init.env_file import refuse_place
from bot.cli.main import tracebot
from bot.errors import ConfigurationError
from bot.sandbox import Sandbox
from tests.support.paths import ROOT
from tests.support.terminals import Terminal, on_terminal

MANIFEST = ROOT / "manifest.yml"
NO_AGENTS = f"{Path(sys.executable).parent}:/usr/bin:/bin"


@pytest.fixture(autouse=True)
def folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, db_path: Path, sandbox: Sandbox
) -> Path:
    """Return an empty folder that is the current one, in an environment without settings."""
    for name in list(os.environ):
        if name.startswith(("SLACK_", "TRACEBOT_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", str(db_path))
    monkeypatch.setenv("SLACK_API_URL", sandbox.api_url)
    monkeypatch.setenv("PATH", NO_AGENTS)
    return folder


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", sandbox.bot_token)
    monkeypatch.setenv("SLACK_APP_TOKEN", sandbox.app_token)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder of the `PATH` with claude, codex and a gemini that does not start."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in (
        ("claude", 'echo "2.1.3 (Claude Code)"'),
        ("codex", 'echo "codex-cli 0.46.0"'),
        ("gemini", "exit 1"),
    ):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{NO_AGENTS}")
    return folder


def written(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


class Person:
    """Somebody at the terminal, who answers a question once it is there."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._seen = 0

    def answer(self, question: str, text: str) -> str:
        """Return what was shown since the last answer."""
        self.terminal.wait_for_after(question, self._seen)
        shown, self._seen = self.terminal.shown[self._seen :], len(self.terminal.shown)
        self.terminal.type(text)
        return shown


AGAIN = "press Enter to check the same one: "
PASTE = "it is not shown: "


def test_every_mistake_is_named_with_its_way_on(
    sandbox: Sandbox, folder: Path, db_path: Path
) -> None:
    bot_token, app_token = sandbox.bot_token, sandbox.app_token
    with on_terminal(db_path, "init", columns=250, folder=folder) as terminal:
        person = Person(terminal)
        shown = person.answer(PASTE, "")
        assert "so echo answers" in shown and "npm install -g" in shown
        assert "api.slack.com/apps?new_app=1&manifest_yaml=" in shown and str(MANIFEST) in shown
        assert "Nothing was pasted" in person.answer(PASTE, app_token)
        assert "this is an app's token, for SLACK_APP_TOKEN" in person.answer(AGAIN, "xoxp-1-2-3")
        assert "this is a user's token" in person.answer(AGAIN, "xoxb-1 2")
        assert "it contains a space" in person.answer(AGAIN, "xoxb-1-nobody")
        shown = person.answer(AGAIN, f' SLACK_BOT_TOKEN="{bot_token}" ')
        assert "(invalid_auth). Copy it again from the app's page" in shown
        sandbox.faults.error("apps.connections.open", "token_revoked")
        shown = person.answer(PASTE, bot_token)
        assert "the bot is @tracebot in tracebot sandbox" in shown
        assert "api.slack.com/apps/A0TRACEBOT/general" in shown
        assert "this is a bot's token, for SLACK_BOT_TOKEN" in person.answer(AGAIN, app_token)
        sandbox.faults.error("apps.connections.open", "missing_scope")
        assert "Install the app again" in person.answer(AGAIN, "")
        sandbox.faults.server_error("apps.connections.open")
        assert "with the scope connections:write" in person.answer(AGAIN, "")
        assert "does not accept calls at the moment (status 503)" in person.answer(AGAIN, "")
        shown = person.answer("Start it now? [Y/n] ", "n")
        assert "tracebot doctor finds no problem" in shown and "/invite @tracebot" in shown
        assert terminal.wait() == 0
        assert bot_token not in terminal.shown and app_token not in terminal.shown
    assert written(folder) == [".env", "agents.toml"]
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


class Answers:
    """Answers the questions of `init` in this process, as somebody at a terminal would."""

    def __init__(self, *answers: str | type[BaseException]) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str) -> str:
        self.questions.append(question.strip())
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            return answer
        raise answer


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    def answer(*answers: str | type[BaseException]) -> Answers:
        person = Answers(*answers)
        monkeypatch.setattr("bot.cli.commands.init._is_terminal", lambda: True)
        monkeypatch.setattr("builtins.input", person)
        monkeypatch.setattr("getpass.getpass", person)
        return person

    return answer


@pytest.mark.parametrize("way_out", [KeyboardInterrupt, EOFError])
def test_ctrl_c_and_ctrl_d_leave_nothing_behind(
    way_out: type[BaseException],
    folder: Path,
    sandbox: Sandbox,
    at_terminal: Callable[..., Answers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_terminal(sandbox.bot_token, way_out)
    assert tracebot(["init"]) == 1
    assert "stopped. Nothing was written." in capsys.readouterr().err
    assert written(folder) == []


def test_a_token_is_replaced_only_after_a_question(
    sandbox: Sandbox,
    folder: Path,
    programs: Path,
    at_terminal: Callable[..., Answers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = "SLACK_BOT_TOKEN='xoxb-1-2-a-token-of-last-year'\n# mine\nTRACEBOT_WORKERS=3\n"
    (folder / ".env").write_text(old)
    person = at_terminal("codex", sandbox.bot_token, "n")
    assert tracebot(["init"]) == 1
    assert person.questions[-1] == "Replace SLACK_BOT_TOKEN xoxb-…year in .env? [Y/n]"
    assert (folder / ".env").read_text() == old
    assert "(invalid_auth)" in capsys.readouterr().out
    person = at_terminal("pi", "codex", sandbox.bot_token, "", sandbox.app_token, "n")
    assert tracebot(["init"]) == 0
    assert person.questions[-1] == "Start it now? [Y/n]"
    shown = capsys.readouterr().out
    assert "pi is not one of claude, codex" in shown and "a-token-of-last-year" not in shown
    assert "gemini --version fails, so it is left out" in shown
    assert "Kept from .env: xoxb-…year" in shown and "SLACK_BOT_TOKEN replaced" in shown
    text = (folder / ".env").read_text()
    assert text.startswith(f"SLACK_BOT_TOKEN={sandbox.bot_token}\n# mine\nTRACEBOT_WORKERS=3\n")
    roster = load_roster(folder / "agents.toml")
    assert (roster.default, roster.names) == ("codex", ("codex", "claude"))


def test_force_asks_for_tokens_that_are_there(
    sandbox: Sandbox, folder: Path, at_terminal: Callable[..., Answers]
) -> None:
    (folder / ".env").write_text(f"SLACK_BOT_TOKEN=xoxb-1\nSLACK_APP_TOKEN={sandbox.app_token}\n")
    person = at_terminal(sandbox.bot_token, sandbox.app_token, "n")
    assert tracebot(["init", "--force"]) == 0
    assert [each for each in person.questions if "Replace" in each] == []


def test_a_desktop_opens_the_form_with_the_manifest(
    folder: Path,
    at_terminal: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setattr("webbrowser.open", opened.append)  # Returns None: no browser was found.
    at_terminal("", KeyboardInterrupt)
    assert tracebot(["init"]) == 1
    assert opened[0].startswith("https://api.slack.com/apps?new_app=1&manifest_yaml=")
    assert "No browser could be opened" in capsys.readouterr().out


def test_without_a_terminal_the_tokens_come_from_the_environment(
    given: None, folder: Path, capsys: pytest.CaptureFixture[str], sandbox: Sandbox
) -> None:
    assert tracebot(["init"]) == 0
    shown = capsys.readouterr().out
    assert sandbox.bot_token not in shown and sandbox.app_token not in shown
    assert "\n1. " in shown and "?" not in shown.replace("?new_app", "")
    # Once before anything is written, and once by the doctor with what is written.
    assert len(sandbox.calls("auth.test")) == 2
    assert {each.found for each in examine(None) if each.mark != WELL} == set()
    before = (folder / ".env").read_bytes()
    assert tracebot(["init"]) == 0  # Once more, with what is there.
    assert (folder / ".env").read_bytes() == before
    shown = capsys.readouterr().out
    assert "agents.toml is kept, with echo (default)" in shown and "SLACK_BOT_TOKEN kept" in shown


def test_the_tokens_come_from_files_or_from_stdin(
    folder: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an editor on Windows saves it, with a blank line first.
    (folder / "bot.txt").write_text(f"\ufeff\r\n{sandbox.bot_token}\r\nnote\r\n")
    options = ["--bot-token-file", "bot.txt", "--app-token-file", "-", "--agent", "echo"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{sandbox.app_token}\n"))
    assert tracebot(["init", *options]) == 0
    assert f"SLACK_APP_TOKEN={sandbox.app_token}\n" in (folder / ".env").read_text()


def refused(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = tracebot(["init", *words.split()])
    return code, capsys.readouterr().err


def test_without_a_terminal_what_is_missing_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = refused("", capsys)
    assert code == 2 and "SLACK_BOT_TOKEN or --bot-token-file" in said
    assert "SLACK_APP_TOKEN or --app-token-file" in said
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1")
    assert "SLACK_APP_TOKEN" not in refused("", capsys)[1]
    code, said = refused("--bot-token-file none.txt", capsys)
    assert (code, said) == (1, "tracebot: none.txt cannot be read (No such file or directory).\n")
    assert written(folder) == []


def test_what_is_there_is_replaced_only_by_force(
    given: None, folder: Path, capsys: pytest.CaptureFixture[str], sandbox: Sandbox
) -> None:
    old = "SLACK_BOT_TOKEN=xoxb-1-2-a-token-of-last-year\n"
    (folder / ".env").write_text(old)
    (folder / "agents.toml").write_text('[agents.mine]\nprovider = "echo"\n')
    code, said = refused("", capsys)
    assert code == 2 and "another SLACK_BOT_TOKEN (xoxb-…year): add --force" in said
    tokens = ("--bot-token-file", "bot.txt", "--app-token-file", "app.txt")
    (folder / "bot.txt").write_text("xoxb-1")
    (folder / "app.txt").write_text("xapp-1")
    code, said = refused(f"--agent echo {' '.join(tokens)}", capsys)
    assert code == 2 and "agents.toml is there already: add --force" in said
    assert (folder / ".env").read_text() == old


def test_force_replaces_the_tokens_and_the_agents_that_are_named(
    given: None, folder: Path, sandbox: Sandbox, programs: Path
) -> None:
    (folder / ".env").write_text("SLACK_BOT_TOKEN=xoxb-1-2-a-token-of-last-year\n")
    (folder / ".env").chmod(0o644)
    (folder / "agents.toml").write_text('[agents.mine]\nprovider = "echo"\n')
    (folder / "agents.toml").chmod(0o664)
    tracebot(["init", "--force", "--agent", "codex", "--agent", "claude"])
    assert f"SLACK_BOT_TOKEN={sandbox.bot_token}\n" in (folder / ".env").read_text()
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert load_roster(folder / "agents.toml").names == ("codex", "claude")
    assert stat.S_IMODE((folder / "agents.toml").stat().st_mode) == 0o664


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--agent pi", 2, "pi is not a value of --agent: choose from claude"),
        ("--agent opencode", 1, "opencode cannot be found on the PATH. Install it, for example"),
    ],
)
def test_an_agent_that_is_not_here_is_refused(
    words: str,
    code: int,
    said: str,
    given: None,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given_code, shown = refused(words, capsys)
    assert (given_code, said in shown, written(folder)) == (code, True, [])


def test_an_agents_file_with_a_mistake_is_named_before_anything_is_asked(
    given: None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "agents.toml").write_text("[agents.a]\nprovider = 'claud'\n")
    code, said = refused("", capsys)
    assert code == 1 and "agents.toml" in said and "claude" in said
    assert written(folder) == ["agents.toml"]


@pytest.mark.usefixtures("given")
def test_what_slack_refuses_is_said_and_nothing_is_written(
    sandbox: Sandbox,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = {"SLACK_BOT_TOKEN": sandbox.bot_token, "SLACK_APP_TOKEN": sandbox.app_token}

    def said() -> str:
        for name, token in tokens.items():
            monkeypatch.setenv(name, token)
        code, shown = refused("", capsys)
        assert (code, written(folder)) == (1, [])
        assert "Nothing was written." in shown
        return shown

    sandbox.faults.error("auth.test", "token_revoked")
    assert "(token_revoked). Install the app again on its page" in said()
    sandbox.faults.answer(
        "bots.info", json.dumps({"ok": True, "bot": {"id": "B1", "app_id": "A0OTHER"}})
    )
    shown = said()
    assert "belongs to another Slack app (A0TRACEBOT) than SLACK_BOT_TOKEN (A0OTHER)" in shown
    assert "https://api.slack.com/apps/A0OTHER/general" in shown
    sandbox.faults.error("apps.connections.open", "socket_mode_not_enabled")
    assert "Switch it on under Socket Mode" in said()
    gone = {"ok": True, "url": "ws://127.0.0.1:9/link/?app_id=A0TRACEBOT"}
    sandbox.faults.answer("apps.connections.open", json.dumps(gone))
    assert "No WebSocket can be opened: it refuses connections" in said()
    sandbox.faults.wrong_content("auth.test")
    assert "A web page answers in place of Slack: sign in to this network" in said()
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    assert "Slack cannot be reached: it refuses connections" in said()
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9/")
    assert "cannot be reached through the proxy 127.0.0.1:9: it refuses connections" in said()


@pytest.fixture
def poorer(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[Sandbox]:
    """Start a workspace whose app lacks two scopes and Socket Mode."""
    manifest = sandbox.manifest.without("files:read", "users:read")
    with Sandbox.start(replace(manifest, socket_mode=False)) as poorer:
        monkeypatch.setenv("SLACK_API_URL", poorer.api_url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", poorer.bot_token)
        monkeypatch.setenv("SLACK_APP_TOKEN", poorer.app_token)
        yield poorer


def test_a_missing_scope_is_named_with_its_use(
    poorer: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refused("", capsys)
    assert code == 1 and "files:read (to read files that come with a message), users:read" in said
    assert "OAuth & Permissions" in said and "install the app again" in said


def test_socket_mode_that_is_off_is_a_warning_of_init_and_of_doctor(
    poorer: Sandbox,
    folder: Path,
    at_terminal: Callable[..., Answers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    poorer.scopes_header = None
    person = at_terminal("y", "n", "n")
    assert tracebot(["init"]) == 0
    again, start = "Check it again? [Y/n]", "Start it now? [Y/n]"
    assert person.questions == [again, again, start]
    shown = capsys.readouterr().out
    assert "⚠ Slack says that Socket Mode is off" in shown
    assert "⚠ Slack does not say which scopes the app has" in shown
    assert "⚠ Socket Mode: is switched off, says Slack" in shown


def test_a_place_that_cannot_be_written_is_named_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").mkdir()
    code, said = refused("", capsys)
    assert (code, said) == (1, "tracebot: .env is not a file: move it away, and run this again.\n")
    with tempfile.TemporaryDirectory(dir="/tmp") as read_only:
        os.chmod(read_only, 0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.setresuid(65534, 65534, 0)
        try:
            with pytest.raises(ConfigurationError, match=f"{read_only} cannot be written: go to"):
                refuse_place(Path(read_only, ".env"))
        finally:
            if is_root:
                os.setresuid(0, 0, 0)
