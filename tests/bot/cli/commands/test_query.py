"""`tracebot query` asks several agents at the same time, in one trace."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.main import tracebot
from storage.queries.traces import recent_traces, trace_spans
from storage.recovery.opening import open_database

PYTHON = sys.executable
AGENTS = f"""
default = "echo"
[agents.echo]
provider = "echo"
[agents.parrot]
mode = "execute"
provider = "command"
command = ["{PYTHON}", "-c", "import sys; print('parrot:', sys.stdin.read().strip())"]
[agents.broken]
provider = "command"
command = ["{PYTHON}", "-c", "import sys; sys.exit(3)"]
[agents.slow]
provider = "command"
command = ["{PYTHON}", "-c", "import time; time.sleep(600)"]
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, db_path: Path) -> None:
    (tmp_path / "agents.toml").write_text(AGENTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEBOT_AGENTS", str(tmp_path / "agents.toml"))
    monkeypatch.setenv("TRACEBOT_DATABASE_URL", str(db_path))


def test_several_agents_answer_under_one_parent(
    db_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tracebot(["query", "@parrot one", "two", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [answer["agent"] for answer in said["answers"]] == ["parrot", "echo"]
    assert "one" in said["answers"][0]["text"]
    assert all(answer["duration_ms"] > 0 for answer in said["answers"])
    database = open_database(db_path)
    (trace,) = recent_traces(database).traces
    assert (trace.trace_id, trace.platform, trace.status) == (said["trace_id"], "cli", "ok")
    spans = trace_spans(database, trace.trace_id)
    asked = [span for span in spans if span.name.startswith("invoke_agent")]
    assert {span.parent_id for span in asked} == {spans[0].span_id}
    assert len(asked) == 2
    database.close()


@pytest.mark.parametrize(("capture", "text"), [("full", "what?\nwhy?"), ("none", None)])
def test_the_questions_are_recorded_as_far_as_they_may(
    capture: str, text: str | None, db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEBOT_CAPTURE", capture)
    assert tracebot(["query", "@echo @parrot what?", "why?"]) == 0
    database = open_database(db_path)
    (trace,) = recent_traces(database).traces
    assert trace.text == text
    database.close()


def test_a_question_counts_for_its_agents(capsys: pytest.CaptureFixture[str]) -> None:
    tracebot(["query", "hello"])
    tracebot(["query", "@parrot hello", "@echo hello"])
    capsys.readouterr()
    assert tracebot(["stats", "--by", "agent", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    groups = {group["key"]: group["traces"] for group in counted["groups"]}
    assert groups == {"echo": 1, "parrot, echo": 1}
    assert counted["total"]["traces"] == 2


def test_an_answer_is_printed_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tracebot(["query", "@parrot \x1b[31mred\x1b[0m\x07 \u202eleft\r\nnext"]) == 0
    assert "parrot: red left\nnext\n" in capsys.readouterr().out


def test_the_output_names_each_agent_and_the_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tracebot(["query", "@echo @parrot hello"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" · ")[0] for line in lines if " · " in line] == ["echo", "parrot"]
    assert lines[-1].startswith("tracebot show ")


def test_an_agent_without_an_answer_fails_the_command_but_not_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tracebot(["query", "@broken hello", "@echo hello", "--json"]) == 1
    broken, echo = json.loads(capsys.readouterr().out)["answers"]
    assert (broken["text"], broken["error"]["type"]) == (None, "crash")
    assert echo["error"] is None
    assert tracebot(["query", "@broken hello"]) == 1
    assert "No answer (crash): " in capsys.readouterr().out


def test_the_question_may_come_from_stdin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("@parrot from a pipe\n"))
    assert tracebot(["query", "-"]) == 0
    assert "from a pipe" in capsys.readouterr().out


@pytest.mark.parametrize("locale", ["utf-8:strict", "utf-8:surrogateescape"])
def test_a_question_from_stdin_may_contain_bytes_that_are_not_text(locale: str) -> None:
    command = [str(Path(sys.executable).with_name("tracebot")), "query", "-"]
    asked = subprocess.run(
        command,
        input=b"@parrot Gr\xfc\xdfe, \xe2\x9c\x93",
        env={**os.environ, "PYTHONIOENCODING": locale},
        capture_output=True,
    )
    assert (asked.returncode, asked.stderr) == (0, b"")
    assert "parrot: Gr\ufffd\ufffde, \u2713" in asked.stdout.decode()


def test_the_timeout_stops_the_agents(capsys: pytest.CaptureFixture[str]) -> None:
    assert tracebot(["query", "@slow hello", "--timeout", "0.5", "--json"]) == 1
    (slow,) = json.loads(capsys.readouterr().out)["answers"]
    assert slow["error"] == {"type": "cancelled", "message": "Stopped by --timeout 0.5."}
    assert slow["duration_ms"] < 30_000


def test_an_empty_stdin_is_named_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert tracebot(["query", "-"]) == 2
    assert "stdin has no question" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["@parrot"], "has no question"),
        (["--mode", "execute", "@echo change it"], "echo may only read"),
        (["--timeout", "soon", "hello"], "is not a time limit"),
        ([], "tracebot: query needs QUESTION: see tracebot help query."),
    ],
)
def test_invalid_arguments_are_refused_before_an_agent_is_asked(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tracebot(["query", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_stops_the_agents_and_is_recorded(
    number: signal.Signals, tmp_path: Path, db_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    os.mkfifo(tmp_path / "work" / "began")
    (tmp_path / "agents.toml").write_text(
        '[agents.slow]\ncommand = ["sh", "-c", "echo > began; sleep 60"]\n'
        'working_directory = "work"\n'
    )
    command = [str(Path(sys.executable).with_name("tracebot")), "query", "hello"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as asking:
        (tmp_path / "work" / "began").read_text()
        asking.send_signal(number)
        _, said = asking.communicate(timeout=60)
    assert (asking.returncode, said) == (128 + number, "")
    database = open_database(db_path)
    (trace,) = recent_traces(database).traces
    spans = trace_spans(database, trace.trace_id)
    assert {span.status for span in spans} == {"cancelled"}
    if number is not signal.SIGINT:
        assert spans[0].error_message == number.name
    database.close()


def test_execute_works_if_the_agents_file_allows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tracebot(["query", "--mode", "execute", "@parrot do it"]) == 0
    assert "do it" in capsys.readouterr().out


def test_a_question_to_an_agent_that_does_not_exist_says_who_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tracebot(["query", "@nobody what is new?"]) == 0
    assert "There is no agent @nobody: echo is asked." in capsys.readouterr().err
    assert tracebot(["query", "why is @types/node 20.1 broken?", "@app.get fails"]) == 0
    assert capsys.readouterr().err == ""
