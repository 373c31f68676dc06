"""Text of agents and of others, as it reaches a terminal."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.terminal import TerminalFormatter
from reports.formatting import HIDDEN, visible, visible_json
from storage import Observability
from tests.support.command_line import run_here

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x00\x08\r\u202egnp.exe\u2066\u2069\u200f\u200ba\u200db"
CLEAN = "␛]0;owned␇␛[2J\\x9b31m␀␈␍\\u202egnp.exe\\u2066\\u2069\\u200f\\u200ba\\u200db"

AGENTS = """
[agents.hostile]
provider = "command"
command = ["{python}", "-c", "print('an answer' + {text!a})"]
[agents.broken]
provider = "command"
command = ["{python}", "-c", "import sys; sys.exit({text!a})"]
"""


def tracebot(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [TRACEBOT, *words],
        env={**os.environ, **environ},
        cwd="/",
        capture_output=True,
        check=False,
        timeout=60,
    )
    return subprocess.CompletedProcess(
        words, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def hidden(text: str) -> set[str]:
    return set(HIDDEN.findall(text.replace("\r\n", "\n")))


@pytest.fixture
def recorded(db_path: Path) -> Path:
    """Return a database in which each text that others choose tries to move the terminal."""
    with Observability.open(db_path, platform="slack") as observability:
        name = f"slack message {HOSTILE}"
        with observability.span(name, channel=f"C{HOSTILE}", agent=f"a{HOSTILE}") as root:
            root.set(text=f"what {HOSTILE}", model=f"m{HOSTILE}", user=f"U{HOSTILE}", cost=5)
            with observability.span(f"tool {HOSTILE}", kind="client") as tool:
                tool.fail(f"type {HOSTILE}", f"message {HOSTILE}")
            root.fail("crash", f"last words {HOSTILE}")
    return db_path


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        *("ls", "ps --all", "errors", "slow", "cost", "stats --by agent", "stats --by model"),
        *("stats --by user", "stats --by channel", "digest now", "search what", "show"),
    ],
)
def test_no_view_lets_text_of_others_control_the_terminal(
    recorded: Path, command: str, as_json: bool
) -> None:
    words = command.split()
    if command == "show":
        listed = run_here(recorded, "ls", "--json")
        words.append(json.loads(listed.stdout)["traces"][0]["trace_id"])
    if command == "ps --all":
        words = ["ls", "--all"]
    done = run_here(recorded, *words, *(["--json"] if as_json else []))
    assert done.returncode == 0, done.stderr
    assert not hidden(done.stdout)
    if as_json:
        assert "owned" in done.stdout
        assert json.loads(done.stdout)
    else:
        assert "␛" in done.stdout


@pytest.fixture
def hostile_agents(tmp_path: Path) -> dict[str, str]:
    agents = tmp_path / "agents.toml"
    text = f"{HOSTILE.replace(chr(0), '')}"
    escaped = AGENTS.format(python=sys.executable, text=text).replace("\\", "\\\\")
    agents.write_text(escaped)
    return {"TRACEBOT_AGENTS": str(agents), "TRACEBOT_DATABASE_URL": str(tmp_path / "t.db")}


def test_the_answer_of_an_agent_cannot_control_the_terminal(
    hostile_agents: dict[str, str],
) -> None:
    done = tracebot("query", "@hostile hello", "@broken hello", **hostile_agents)
    assert "an answer\ngnp.exe" in done.stdout
    assert "owned" not in done.stdout
    assert not hidden(done.stdout) | hidden(done.stderr)
    listed = tracebot("agents", **hostile_agents)
    assert "last error" in listed.stdout
    assert not hidden(listed.stdout)
    as_json = tracebot("query", "--json", "@hostile hello", **hostile_agents)
    assert not hidden(as_json.stdout)
    assert "\x1b[2J" in json.loads(as_json.stdout)["answers"][0]["text"]


@pytest.mark.parametrize("words", [["ls", HOSTILE.replace("\0", "")], ["show", "x\x1b[2J"]])
def test_a_refusal_cannot_control_the_terminal(recorded: Path, words: list[str]) -> None:
    done = tracebot(*words, "--database", f"{recorded}\x1b[2J")
    assert done.returncode != 0
    assert not hidden(done.stderr)


def test_a_log_line_cannot_control_the_terminal() -> None:
    # Without NUL, which the search for secrets has replaced before.
    said = HOSTILE.replace("\0", "")
    record = logging.LogRecord("n", logging.ERROR, "p", 1, "agent said %s", (said,), None)
    line = TerminalFormatter("%(levelname)s %(message)s").format(record)
    assert line == f"ERROR agent said {CLEAN.replace('␀', '')}"


def test_line_breaks_tabs_and_other_languages_are_kept() -> None:
    text = "one\ttwo\r\nthree\n한국어 日本語 עברית العربية 👩‍👩‍👧 é"
    assert visible(text) == text.replace("\r\n", "\n")
    needed = "🏴󠁧󠁢󠁥󠁮󠁧󠁿 👩🏽\u200d🚀 ❤️\u200d🔥 می\u200cخواهم क्\u200dष 1️⃣"
    assert visible(needed) == needed
    assert visible("half an emoji: \ud83d") == "half an emoji: \\ud83d"


@pytest.mark.parametrize("mark", "\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2060\ufeff\U000e0041")
def test_marks_without_a_width_are_shown(mark: str) -> None:
    for text in (f"adm{mark}in", f"{mark}admin", f"admin{mark}"):
        shown = visible(text)
        assert mark not in shown
        assert "\\u" in shown
        as_json = visible_json(json.dumps(text, ensure_ascii=False))
        assert mark not in as_json
        assert json.loads(as_json) == text
