"""The demo as a newcomer runs it: in its own process, with an empty home directory."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bot.cli.demo_workspace import Stay, demo_console
from bot.errors import ConfigurationError
from tests.support.paths import MEASURED
from tests.support.ports import free_port
from tests.support.readme import alike, part

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


def environment(home: Path) -> dict[str, str]:
    return {
        **MEASURED,
        "HOME": str(home),
        "PATH": f"{Path(TRACEBOT).parent}:{os.environ['PATH']}",
        "TMPDIR": str(home),
        "PYTHONUNBUFFERED": "1",
        "BROWSER": "false",
    }


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["tracebot", "demo", *arguments],
        env=environment(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def test_the_settings_of_a_bot_in_the_same_shell_do_not_change_the_demo(tmp_path: Path) -> None:
    settings = {
        "TRACEBOT_FEEDBACK_UP": "heart",
        "TRACEBOT_WORKERS": "1",
        "TRACEBOT_AGENTS": "/nowhere.toml",
        "SLACK_BOT_TOKEN": "xoxb-of-the-bot",
    }
    done = subprocess.run(
        ["tracebot", "demo"],
        env={**environment(tmp_path), **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  tracebot show" in done.stdout


@pytest.mark.parametrize(
    ("variables", "in_terminal", "in_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
    ],
)
def test_the_demo_has_colours_where_the_other_commands_have_them(
    variables: dict[str, str],
    in_terminal: bool,
    in_pipe: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    for is_terminal, coloured in ((True, in_terminal), (False, in_pipe)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda is_terminal=is_terminal: is_terminal)
        demo_console().print("[bold]#general[/]")
        assert ("\x1b" in capsys.readouterr().out) is coloured


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    """Return what the demo prints up to the first line with these words."""
    assert demo.stdout
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


@dataclass
class Demo:
    """A demo that has been played and stays open."""

    process: subprocess.Popen[str]
    home: Path
    port: int
    shown: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    process = start(home, "--open", "--port", str(port))
    try:
        yield Demo(process, home, port, read_until(process, "No browser"))
    finally:
        process.kill()
        process.communicate()


def test_the_demo_shows_what_the_bot_can_do(demo: Demo) -> None:
    found = 0
    for words in (
        "left alone: the bot was not mentioned",
        "[CHANGELOG.md]",
        "claude was not available; codex answered.",
        "I look at the pods first",
        "✓ Bash: kubectl logs checkout-7f9c",
        "82.4k → 940 tokens · $0.1610",
        "bob        👍",
        "I read all of the service before I begin. …",
        "carol      [presses Stop]",
        "🛑 Stopped by @carol.",
    ):
        # In this order, although all of it happens at the same time.
        found = demo.shown.index(words, found)
    for command in ("ls", "thread", "stats --by agent", "errors", "digest"):
        assert f"$ tracebot {command}" in demo.shown
    assert "\x1b[" not in demo.shown
    assert len(demo.shown.splitlines()) < 100
    assert max(map(len, demo.shown.partition("Try next")[0].splitlines())) <= 80


def test_readme_shows_a_part_of_it(demo: Demo) -> None:
    shown = alike(demo.shown).splitlines()
    excerpt = alike(part("DEMO")).splitlines()[2:-1]
    assert [line for line in excerpt if line.strip() != "…" and line not in shown] == []


def test_what_the_demo_suggests_can_be_pasted(demo: Demo) -> None:
    suggested = demo.shown.partition("Try next:\n")[2].partition("\n\n")[0]
    lines = [
        line for line in suggested.splitlines() if not re.search(r"tracebot (demo|init)", line)
    ]
    assert len(lines) == 5
    pasted = subprocess.run(
        ["bash", "-e"],
        input="\n".join(lines),
        env=environment(demo.home),
        cwd=demo.home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (pasted.returncode, pasted.stderr) == (0, "")
    assert "What the agent did" in pasted.stdout
    assert "the bot was not mentioned" in pasted.stdout


def test_all_that_the_demo_creates_is_in_one_folder(demo: Demo) -> None:
    (folder,) = demo.home.iterdir()
    assert f"TRACEBOT_DATABASE_URL={folder}/tracebot.db" in demo.shown


def test_the_page_stays_at_its_port_until_the_demo_is_interrupted(demo: Demo) -> None:
    page = f"http://127.0.0.1:{demo.port}/"
    assert page in demo.shown
    assert "<title>" in httpx.get(page, trust_env=False).text
    with pytest.raises(ConfigurationError, match=f"{demo.port} .*--port {demo.port + 1}"):
        Stay(keep=True, port=demo.port).start()
    demo.process.send_signal(signal.SIGINT)
    _, complaint = demo.process.communicate(timeout=30)
    assert (demo.process.returncode, complaint) == (0, "")


def test_ctrl_c_in_the_middle_leaves_nothing_running(tmp_path: Path) -> None:
    demo = start(tmp_path)
    try:
        read_until(demo, "carol")
        os.killpg(demo.pid, signal.SIGINT)
        _, complaint = demo.communicate(timeout=30)
    finally:
        demo.kill()
    assert (demo.returncode, complaint) == (130, "")
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in left.stdout
