"""What a command prints: on a terminal, in a pipe, and as values for programs."""

import sys
from pathlib import Path

import pytest

from bot.cli.main import tracebot
from storage import Observability
from tests.support.terminals import TRACEBOT, on_terminal, shell_on_terminal

PAGER = f"{sys.executable} -c \"import sys; print('PAGED', len(sys.stdin.read().splitlines()))\""
LONG = "deploy " * 40


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a database with a few turns, one with a tab in its question."""
    path = tmp_path_factory.mktemp("output") / "tracebot.db"
    with Observability.open(path, platform="cli") as observability:
        for number in range(6):
            with observability.span("run make", agent="codex", text=f"{number}: {LONG}") as failed:
                failed.fail("exit_code", "exit code 2")
        with observability.span("slack message", agent="claude", cost=1, text="two\ttabs\\\nred"):
            pass
    return path


class Piped:
    """Runs a command in this process, whose stdout is not a terminal."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.capsys = capsys
        self.code = 0
        self.stderr = ""

    def __call__(self, *words: str) -> str:
        self.code = tracebot([*words, "--database", str(self.path)])
        out, self.stderr = self.capsys.readouterr()
        return out


@pytest.fixture
def piped(recorded: Path, capsys: pytest.CaptureFixture[str]) -> Piped:
    return Piped(recorded, capsys)


def test_a_terminal_shows_what_is_longer_than_its_screen_in_a_pager(recorded: Path) -> None:
    with on_terminal(recorded, "ls", lines=5, PAGER=PAGER) as terminal:
        assert terminal.wait() == 0
    assert terminal.shown == "PAGED 14\n"


PATIENT_PAGER = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: print("HEARD", flush=True))
sys.stdin.read(9)
print("READY", flush=True)
open("/dev/tty").readline()
print("PAGED", len(sys.stdin.read().splitlines()))
"""


def test_ctrl_c_in_a_pager_does_not_cut_what_it_shows(tmp_path: Path) -> None:
    with Observability.open(tmp_path / "long.db", platform="cli") as observability:
        for number in range(1_000):
            with observability.span("run make", text=f"{number}: {LONG}"):
                pass
    (tmp_path / "pager.py").write_text(PATIENT_PAGER)
    pager = f"{sys.executable} {tmp_path}/pager.py"
    script = f"{TRACEBOT} ls -n 1000 --database {tmp_path}/long.db; echo LEFT"
    with shell_on_terminal(script, PAGER=pager) as terminal:
        terminal.wait_for("READY")
        terminal.press_ctrl_c()
        terminal.wait_for("HEARD")
        terminal.type("")
        terminal.wait_for("LEFT\n")
    assert int(terminal.shown.partition("PAGED ")[2].split()[0]) > 1_000


def test_a_pager_gets_none_of_the_bots_secrets(recorded: Path) -> None:
    names = (
        "print(sorted(n for n in os.environ if n.upper().startswith(('SLACK_', 'TRACEBOT_OTLP'))))"
    )
    names += "; print(os.environ['LESS'])"
    pager = f'{sys.executable} -c "import os, sys; sys.stdin.read(); {names}"'
    own = {"SLACK_BOT_TOKEN": "xoxb-1", "slack_app_token": "xapp-1", "TRACEBOT_OTLP_TOKEN": "x"}
    with on_terminal(recorded, "ls", lines=5, PAGER=pager, LESS="iM", **own) as terminal:
        assert terminal.wait() == 0
    assert terminal.shown == "[]\n-R iM\n", "and shows colours, whatever else LESS says"


@pytest.mark.parametrize(
    ("words", "lines", "environ"),
    [
        (["ls"], 50, {"PAGER": PAGER}),
        (["ls", "--no-pager"], 5, {"PAGER": PAGER}),
        (["ls"], 5, {"PAGER": "/no/x"}),
        (["ls"], 5, {"PAGER": "less '"}),
        (["ls"], 5, {"PAGER": PAGER, "TERM": "dumb"}),
    ],
    ids=["short", "refused", "missing", "mistaken", "dumb"],
)
def test_a_terminal_shows_without_a_pager(
    recorded: Path, words: list[str], lines: int, environ: dict[str, str]
) -> None:
    with on_terminal(recorded, *words, lines=lines, **environ) as terminal:
        assert terminal.wait() == 0
    assert ("\x1b[31m✗" if "TERM" not in environ else "\n✗") in terminal.shown
    assert "PAGED" not in terminal.shown


def test_a_pipe_gets_one_line_for_each_row_without_colour(piped: Piped) -> None:
    shown = piped("ls", "--limit", "7").splitlines()
    assert len(shown) == 8
    assert sum("deploy" in line for line in shown) == 6
    assert "\x1b" not in "".join(shown)


def test_values_are_raw_and_on_one_line_each(piped: Piped) -> None:
    names, newest, failed = (
        line.split("\t") for line in piped("ls", "--tsv", "--limit", "2").splitlines()
    )
    found = dict(zip(names, newest, strict=True))
    assert (found["text"], found["cost_usd"]) == (r"two\ttabs\\\nred", "0.000001")
    assert (found["input_tokens"], found["error_message"]) == ("", "")
    assert found["started_at"].endswith("Z")
    assert dict(zip(names, failed, strict=True))["text"] == f"5: {LONG}"
    assert piped.stderr.startswith("For more, add --cursor ")


def test_values_and_json_exclude_each_other(piped: Piped) -> None:
    assert "--json and --tsv" in piped("ls", "--tsv", "--json")
    assert piped.code == 2


def test_values_of_statistics_compare_the_groups(piped: Piped) -> None:
    names, *groups = (
        line.split("\t")
        for line in piped("stats", "--by", "agent", "--compare", "--tsv").splitlines()
    )
    rows = [dict(zip(names, group, strict=True)) for group in groups]
    assert [(row["key"], row["traces"], row["errors"]) for row in rows] == [
        ("codex", "6", "6"),
        ("claude", "1", "0"),
    ]
    assert rows[0]["before_traces"] == "0"


def test_a_message_is_not_printed_among_values(piped: Piped) -> None:
    assert piped("thread", "C9", "1.0", "--tsv") == ""
    assert piped.code == 1
    assert "Nothing found" in piped.stderr
