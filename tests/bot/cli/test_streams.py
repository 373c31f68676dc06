"""What stdout may be: closed, full, a pipe that ends, or a terminal without colour or Unicode."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from bot.cli.main import tracebot
from bot.cli.output import output_form
from bot.cli.streams import RedactedErrors
from reports.render.marks import ESCAPED, MARKS, REPLACED
from storage import Observability
from tests.support.terminals import on_terminal

TRACEBOT = Path(sys.executable).with_name("tracebot")
TEXT = "한국어 😀 é"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "tracebot.db"
    with Observability.open(path, platform="slack") as observability:
        with observability.span("slack message", agent="claude", text=TEXT, input_tokens=9):
            pass
        with observability.span("slack message", agent="codex", text="…") as failed:
            failed.fail("timeout", "too slow")
    return path


def shell(recorded: Path, line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {"TRACEBOT_DATABASE_URL": str(recorded), "PATH": f"{TRACEBOT.parent}:/usr/bin:/bin"}
    return subprocess.run(
        ["bash", "-c", line],
        env={**own, "LC_ALL": "C.UTF-8", **environ},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def test_a_full_disk_behind_stdout_is_not_one_of_the_database(recorded: Path) -> None:
    for command in ("ls --json", "--help", "nope --json"):
        done = shell(recorded, f"tracebot {command} > /dev/full")
        assert done.returncode == 1
        assert done.stderr == ("tracebot: The output cannot be written: No space left on device.\n")


def test_a_full_disk_behind_stderr_is_no_failure(recorded: Path) -> None:
    stream = RedactedErrors(open("/dev/full", "wb"), line_buffering=True)  # noqa: SIM115
    assert stream.write("tracebot answers in Socket Mode\n") == 32
    stream.flush()
    with suppress(OSError):
        stream.close()
    assert shell(recorded, "tracebot nope 2> /dev/full").returncode == 2


def test_closed_streams_are_no_failure(recorded: Path) -> None:
    done = shell(recorded, "tracebot ls <&- >&-; echo $?; tracebot nope 2>&-; echo $?")
    assert (done.stdout, done.stderr) == ("0\n2\n", "")


def test_an_encoding_without_marks_gets_ascii_ones(recorded: Path) -> None:
    line = "tracebot ls; tracebot ls --json; tracebot nope"
    done = shell(recorded, line, PYTHONIOENCODING="ascii")
    shown, _, rest = done.stdout.partition("{")
    assert shown.isascii()
    assert [row.split()[0] for row in shown.splitlines()[1:]] == ["x", "+"]
    assert "??? ? ?  9 -> -" in shown
    assert f"{{{rest}".isascii()
    assert json.loads(f"{{{rest}")["traces"][0]["status"] == "error"
    assert done.stderr.isascii()


def test_what_programs_read_loses_nothing() -> None:
    escaped = TEXT.encode("ascii", ESCAPED).decode()
    assert json.loads(f'"{escaped}"') == TEXT
    assert TEXT.encode("latin-1", REPLACED) == "??? ? é".encode("latin-1")
    assert all(mark.isascii() for mark in MARKS.values())


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "", "LANG": "POSIX"}])
def test_a_terminal_in_an_ascii_locale_gets_aligned_ascii(
    recorded: Path, locale: Mapping[str, str]
) -> None:
    hidden = {"LC_CTYPE": "", "LANG": "", **locale}
    with on_terminal(recorded, "ls", NO_COLOR="1", **hidden) as terminal:
        assert terminal.wait() == 0
    head, slow, quick = terminal.shown.splitlines()
    assert terminal.shown.isascii()
    assert head.index("agent") == slow.index("codex") == quick.index("claude")


TTY, PIPE = True, False


@pytest.mark.parametrize(
    ("in_terminal", "environ", "colour", "is_wide"),
    [
        (TTY, {}, True, False),
        (PIPE, {}, False, True),
        (PIPE, {"COLUMNS": "60"}, False, True),
        (TTY, {"NO_COLOR": "1"}, False, False),
        (TTY, {"NO_COLOR": ""}, True, False),
        (TTY, {"CLICOLOR": "0"}, False, False),
        (TTY, {"TERM": "dumb"}, False, False),
        (TTY, {"FORCE_COLOR": "0"}, False, False),
        (PIPE, {"FORCE_COLOR": "1"}, True, True),
        (PIPE, {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, True, True),
        (PIPE, {"CLICOLOR_FORCE": "0"}, False, True),
        (PIPE, {"FORCE_COLOR": "true", "COLUMNS": "60"}, True, False),
    ],
)
def test_colour_and_width_are_as_gh_has_them(
    monkeypatch: pytest.MonkeyPatch,
    in_terminal: bool,
    environ: Mapping[str, str],
    colour: bool,
    is_wide: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: in_terminal)
    form = output_form(environ)
    assert (form["colour"], form["width"] is None) == (colour, is_wide)


def test_ctrl_c_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("bot.cli.main._dispatch", interrupted)
    assert tracebot(["ls"]) == 130
    assert capsys.readouterr() == ("", "")


TOKEN = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"

WRONG_AGENTS = (
    f'[agents.a]\nprovider = "{TOKEN}"\n',
    f'[agents.a]\nprovider = "command"\ncommand = ["/nowhere/{TOKEN}"]\n'
    f'[agents.b]\nprovider = "command"\ncommand = ["true"]\nworking_directory = "/{TOKEN}"\n',
)
WRONG_SETTINGS = (("TRACEBOT_RETENTION", "SLACK_API_URL"), ("TRACEBOT_AGENTS",))


@pytest.mark.parametrize("names", WRONG_SETTINGS)
@pytest.mark.parametrize("command", ["doctor", "doctor --json", "agents --json", "serve"])
def test_a_token_in_the_wrong_setting_is_not_printed(
    recorded: Path, names: Sequence[str], command: str
) -> None:
    done = shell(recorded, f"tracebot {command}", **dict.fromkeys(names, TOKEN))
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("agents", WRONG_AGENTS)
@pytest.mark.parametrize("command", ["agents", "agents --json", "doctor", "query hello"])
def test_a_token_in_the_agents_file_is_not_printed(
    recorded: Path, tmp_path: Path, agents: str, command: str
) -> None:
    (tmp_path / "agents.toml").write_text(agents)
    done = shell(recorded, f"tracebot {command}", TRACEBOT_AGENTS=str(tmp_path / "agents.toml"))
    assert done.returncode == 1
    assert "redacted:github_token" in done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr


CRASH = f"""
import threading
from bot.cli import main

def fail(*arguments):
    thread = threading.Thread(target=int, args=("in a thread: {TOKEN}",))
    thread.start()
    thread.join()
    raise ValueError("the last words: {TOKEN}")

main.tracebot = fail
main.main(["ls"])
"""


def test_the_traceback_of_an_unexpected_error_has_no_secret(recorded: Path) -> None:
    done = shell(recorded, f"{sys.executable} -c '{CRASH}'")
    assert done.returncode == 1
    for words in ("the last words", "in a thread"):
        assert f"{words}: [redacted:github_token]" in done.stderr
    assert TOKEN not in done.stderr


def test_a_url_that_is_not_one_is_refused_in_a_sentence(recorded: Path) -> None:
    url = "postgresql://ann:hunter2-5@[::1/db"
    for command in (f"doctor --database '{url}'", f"query hello --database '{url}'"):
        done = shell(recorded, f"tracebot {command}")
        assert "Traceback" not in done.stderr
        assert "hunter2-5" not in done.stdout + done.stderr
