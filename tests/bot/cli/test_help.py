"""The help of every command, its examples as somebody pastes them, and what shells complete."""

import re
import shlex
import shutil
import subprocess
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest

from bot.cli.completion import script
from bot.cli.examples import EXAMPLES, FIRST
from bot.cli.help import GROUPS, commands_of
from bot.cli.main import tracebot
from bot.cli.man_page import man_page
from bot.cli.parser import parser_for, shell_parser
from reports.commands.mistakes import SHELL_ONLY
from reports.commands.parser import build_parser, parse
from storage import Observability
from storage.database.connect import connect
from storage.recovery.backup import backup

PARSER = shell_parser()[0]
COMMANDS = commands_of(PARSER)

ENDING = {"|", "||", ">"}
NOT_ENDING = {"serve", "collect", "demo", "init", "move"}
"""Commands that go on, ask, or need a server: their examples are only parsed here."""


def test_every_command_stands_in_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(COMMANDS) <= set(grouped)


def test_the_help_lists_the_commands_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for words in (["--help"], ["-h"], ["help"], []):
        assert tracebot(words) == 0
        shown.append(capsys.readouterr().out)
    assert len(set(shown)) == 1
    groups = re.findall(r"^(\w[\w ]+):$", shown[0], re.MULTILINE)
    assert groups == [*GROUPS, "Options", "Examples"]
    assert max(map(len, shown[0].splitlines())) <= 80


@pytest.mark.parametrize("command", ["ls", "search", "slow", "errors", "ps", "stats"])
def test_a_command_takes_the_filters_that_its_help_shows_as_words(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    tracebot([command, "--help"])
    (words,) = re.findall(r"each also a word: (.*):\n", capsys.readouterr().out)
    filters = shlex.split(words.replace(",", ""))
    parse(parser_for([command]), [command, *filters])
    assert "agent:claude" in filters


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    for columns in ("100", "48"):
        monkeypatch.setenv("COLUMNS", columns)
        for words in ([command, "--help"], [command, "-h"], ["help", command]):
            assert tracebot(words) == 0
            shown.append(capsys.readouterr().out)
    assert len(set(shown)) <= 2
    for option in (o for action in COMMANDS[command]._actions for o in action.option_strings):
        assert option in shown[0]
    # A line that is broken is another command when it is pasted.
    lines = [line.strip() for line in shown[-1].splitlines()]
    examples = [line for line, _ in EXAMPLES[command]]
    assert [each for each in examples if each not in lines] == []


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a folder with all that examples name, and the id of its trace."""
    tmp_path = tmp_path_factory.mktemp("seeded")
    agents = '[agents.claude]\nprovider = "echo"\n[agents.codex]\nprovider = "echo"\n'
    (tmp_path / "new.toml").write_text(agents)
    (tmp_path / "crewx.yaml").write_text("agents:\n- id: helper\n  provider: cli/claude\n")
    (tmp_path / "agents.toml").write_text(agents)
    ts = "1700000000.000100"
    with Observability.open(tmp_path / "tracebot.db", platform="slack") as observability:
        with observability.span(
            "slack message",
            channel="C0GENERAL",
            thread_ts=ts,
            message_ts=ts,
            user="U0ALICE",
            team="T1",
        ) as span:
            span.set(text="deploy the release notes", decision="answer", agent="claude", cost=9)
            with observability.span("decide", decision="answer", reason="mentioned"):
                pass
            observability.record_metric("queue.depth", 3)
            observability.log_structured("warning", "slow", {})
            span.fail("timeout", "too slow")
        trace_id = span.trace_id
    with closing(connect(tmp_path / "tracebot.db")) as database:
        backup(database, tmp_path / "copy.db")
    return tmp_path, trace_id


@pytest.fixture
def place(
    seeded: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Go to a copy of that folder. Return what stands for the names in examples."""
    folder, trace_id = seeded
    for each in folder.iterdir():
        if each.is_file():
            shutil.copy(each, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", str(tmp_path / "tracebot.db"))
    monkeypatch.setenv("TRACEBOT_AGENTS", "agents.toml")
    return {"01a20b7c": trace_id, "/backups/tracebot.db": "copy.db"}


LINES = [
    pytest.param(command, line, id=line)
    for command, examples in EXAMPLES.items()
    for line, _ in examples
]


def words_of(line: str, place: dict[str, str]) -> list[str]:
    """Return the arguments of tracebot in a line of a shell, up to a pipe."""
    for named, real in place.items():
        line = line.replace(named, real)
    line = line.removeprefix("pass show slack | ").removesuffix(" </dev/null")
    line = line.removeprefix("git diff | ").removeprefix("TRACEBOT_AGENTS=new.toml ")
    line = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line)
    tokens = shlex.split(line)
    words = tokens[: next((at for at, each in enumerate(tokens) if each in ENDING), len(tokens))]
    assert words[0] == "tracebot"
    return words[1:]


@pytest.mark.parametrize(("command", "line"), LINES)
def test_each_example_runs(
    command: str,
    line: str,
    place: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = words_of(line, place)
    if command in NOT_ENDING or "pass show" in line or words[:1] == ["run"] or "--follow" in words:
        parse(parser_for(words), words)
        return
    if command == "import":
        Path("agents.toml").unlink()
    if line == "tracebot backup /backups/tracebot.db":
        Path("copy.db").unlink()
    monkeypatch.setattr("sys.stdin", StringIO("what changed?"))
    code = tracebot(words)
    shown = capfd.readouterr()
    # An id of a budget, an alert or an issue is another one in each database.
    unknown = command == "cancel" or "3f2a1b" in line or "a3f2" in line
    doctor = command == "doctor"  # Which finds no tokens of Slack here.
    assert code == 0 or unknown or doctor, shown.out + shown.err
    assert "Traceback" not in shown.err


def test_slack_knows_which_commands_only_a_shell_has() -> None:
    _, commands = build_parser(prog="/trace", shell=False)
    assert {*SHELL_ONLY} == set(COMMANDS) - set(commands.choices)


@pytest.mark.parametrize("line", ["help ls", "ls -h", "--version", "completion bash"])
def test_zsh_may_give_the_comment_of_an_example_to_its_command(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tracebot(line.split()) == 0
    shown = capsys.readouterr().out
    assert tracebot([*line.split(), "#", "list", "the", "newest"]) == 0
    assert capsys.readouterr().out == shown


def test_what_an_example_does_is_told_without_what_is_special_to_a_shell() -> None:
    told = [does for examples in (FIRST, *EXAMPLES.values()) for _, does in examples]
    assert [each for each in told if re.search(r"""['"`?*()\[\];|&<>!]""", each)] == []


def test_the_first_examples_are_those_of_their_commands() -> None:
    for line, _ in FIRST:
        words = shlex.split(line)[1:]
        if words[0] != "run":
            parse(parser_for(words), words)


def completed(*words: str) -> set[str]:
    """Return what bash offers for the last of these words."""
    typed = shlex.join(words)
    count = len(words) - 1
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"{script('bash', PARSER)}\nCOMP_WORDS=({typed}); COMP_CWORD={count}\n_tracebot; "
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_values() -> None:
    assert completed("tracebot", "st") == {"stats"}
    assert completed("tracebot", "ls", "--st") == {"--status"}
    assert completed("tracebot", "ls", "--status", "e") == {"error"}
    assert completed("tracebot", "ls", "status", ":", "ti") == {"timeout"}
    assert completed("tracebot", "stats", "--by", "m") == {"model"}
    assert completed("tracebot", "alerts", "s") == {"snooze"}
    assert {"ls", "serve"} <= completed("tracebot", "help", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_of_all_shells_know_every_command_and_option(
    shell: str, tmp_path: Path
) -> None:
    made = script(shell, PARSER)
    for name, parser in COMMANDS.items():
        assert name in made
        for option in (o for each in parser._actions for o in each.option_strings):
            assert (option if shell != "fish" else option.lstrip("-")) in made or name in (
                "run",
                "help",
            )
    (tmp_path / "script").write_text(made)
    if found := shutil.which(shell):
        subprocess.run([found, "-n", tmp_path / "script"], check=True, timeout=30)


def test_the_man_page_has_every_command_and_example() -> None:
    page = man_page(PARSER)
    for name in COMMANDS:
        assert f".SS {name}\n" in page
    assert r"tracebot ls \-n 500" in page
    # A line that begins with a dot is a request.
    assert {line.split()[0] for line in page.splitlines() if line.startswith(".")} <= {
        *(".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi")
    }
