"""`tracebot run`, as a real process around real commands."""

import ctypes
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from peewee import Database

from bot.cli.commands.run import run as run_here
from storage.model.span import Span
from storage.queries.traces import TraceSummary, recent_traces, trace_spans
from tests.support.terminals import shell_on_terminal

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


def run(
    db_path: Path, *command: str, environ: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRACEBOT, "run", "--", *command],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path), **(environ or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def recorded(database: Database) -> tuple[TraceSummary, Span]:
    (summary,) = recent_traces(database).traces
    (span,) = trace_spans(database, summary.trace_id)
    return summary, span


def test_a_command_is_recorded_and_its_streams_are_its_own(
    db_path: Path, database: Database
) -> None:
    script = "import sys; print(sys.stdin.read().upper()); sys.stderr.write('oops')"
    result = run(db_path, sys.executable, "-c", script, stdin="hello")
    assert (result.returncode, result.stdout, result.stderr) == (0, "HELLO\n", "oops")
    summary, span = recorded(database)
    assert summary.name == f"run {Path(sys.executable).name}"
    assert (summary.platform, summary.status) == ("cli", "ok")
    assert span.attributes["process.exit.code"] == 0
    assert span.attributes["process.command_args"] == [sys.executable, "-c", script]


def test_run_exits_with_the_commands_exit_code(db_path: Path, database: Database) -> None:
    assert run(db_path, "sh", "-c", "exit 7").returncode == 7
    _, span = recorded(database)
    assert (span.status, span.error_type, span.error_message) == (
        "error",
        "exit_code",
        "exit code 7",
    )


def test_a_command_that_a_signal_ended_is_recorded_with_the_signal(
    db_path: Path, database: Database
) -> None:
    assert run(db_path, "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    _, span = recorded(database)
    assert span.attributes["process.signal"] == "SIGKILL"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_forwarded(db_path: Path, database: Database, number: signal.Signals) -> None:
    script = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True)\n"
        "time.sleep(20)\n"
    )
    child = subprocess.Popen(
        [TRACEBOT, "run", "--", sys.executable, "-c", script],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        assert child.wait(timeout=60) == 42
    assert recorded(database)[1].attributes["process.exit.code"] == 42


COUNTING = """
import signal
awaited = {signal.SIGINT, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
print("ready", flush=True)
times = 0
while signal.sigwait(awaited) == signal.SIGINT:
    times += 1
    print("interrupted", flush=True)
print("times:", times)
"""


@pytest.mark.parametrize("redirection", ["", f"2>{os.devnull}"])
@pytest.mark.parametrize("own_group", ["", "import os; os.setpgid(0, 0)"])
def test_ctrl_c_reaches_a_command_once(
    db_path: Path, tmp_path: Path, redirection: str, own_group: str
) -> None:
    (tmp_path / "command.py").write_text(own_group + COUNTING)
    line = f"exec {TRACEBOT} run -- {sys.executable} {tmp_path}/command.py {redirection}"
    with shell_on_terminal(line, TRACEBOT_DATABASE_URL=str(db_path)) as terminal:
        terminal.wait_for("ready")
        terminal.press_ctrl_c()
        terminal.wait_for("interrupted")
        # It is forwarded after Ctrl-C would be.
        terminal.process.send_signal(signal.SIGUSR1)
        terminal.wait()
        assert "times: 1\n" in terminal.shown


def test_ctrl_c_ends_the_loop_of_a_shell(db_path: Path, tmp_path: Path) -> None:
    # No script of sh: dash defers a signal that arrives while it starts a command.
    (tmp_path / "command.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = f"{TRACEBOT} run -- {sys.executable} {tmp_path}/command.py"
    loop = f"for each in 1 2 3; do {command}; done; echo on"
    with shell_on_terminal(loop, TRACEBOT_DATABASE_URL=str(db_path)) as terminal:
        terminal.wait_for("ready")
        terminal.press_ctrl_c()
        assert terminal.wait() == -signal.SIGINT
        assert terminal.shown.count("ready") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE])
def test_run_ends_by_the_signal_that_ended_the_command(
    db_path: Path, database: Database, number: signal.Signals
) -> None:
    assert run(db_path, "sh", "-c", f"kill -{int(number)} $$").returncode == -number
    _, span = recorded(database)
    assert span.attributes["process.signal"] == number.name
    assert span.attributes["process.exit.code"] == 128 + number


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="no real-time signals")
def test_a_signal_without_a_name_is_recorded(db_path: Path, database: Database) -> None:
    number = signal.SIGRTMIN + 6
    assert run(db_path, "sh", "-c", f"kill -{number} $$").returncode == 128 + number
    assert recorded(database)[1].error_message == f"ended by signal {number}"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the threads of a process in /proc")
def test_a_signal_that_arrives_on_another_thread_is_forwarded(db_path: Path) -> None:
    child = subprocess.Popen(
        [TRACEBOT, "run", "--", sys.executable, "-c", "print(1, flush=True); input()"],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        threads = (int(each.name) for each in Path(f"/proc/{child.pid}/task").iterdir())
        other = next(thread for thread in threads if thread != child.pid)
        tgkill = {"x86_64": 234, "aarch64": 131}[platform.machine()]
        assert ctypes.CDLL(None).syscall(tgkill, child.pid, other, int(signal.SIGTERM)) == 0
        assert child.wait(timeout=30) == -signal.SIGTERM


@pytest.mark.parametrize("streams", ["2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_command_runs_whatever_its_streams_are(
    db_path: Path, tmp_path: Path, streams: str
) -> None:
    (tmp_path / "file").write_text("")
    for database in (db_path, tmp_path / "file" / "t.db"):
        line = f"{TRACEBOT} run --database {database} -- sh -c 'touch {tmp_path}/ran; exit 3'"
        assert subprocess.run(["sh", "-c", f"{line} {streams}"]).returncode == 3
        (tmp_path / "ran").unlink()
    assert subprocess.run(["sh", "-c", f"{TRACEBOT} run 2>&-"]).returncode == 2


def test_a_command_runs_in_a_folder_that_was_removed(
    db_path: Path, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "gone").mkdir()
    gone = f"cd {tmp_path}/gone; rmdir {tmp_path}/gone; {TRACEBOT} run"
    assert subprocess.run(["sh", "-c", f"{gone} --database {db_path} -- false"]).returncode == 1
    assert "process.working_directory" not in recorded(database)[1].attributes
    (tmp_path / "gone").mkdir()
    relative = ["sh", "-c", f"{gone} --database t.db -- false"]
    said = subprocess.run(relative, capture_output=True, text=True)
    assert said.returncode == 1
    assert said.stderr.endswith(
        "tracebot: the command runs, but is not recorded: The folder you are in was removed, so "
        "t.db cannot be found: change to another folder, or give the whole path of the database.\n"
    )


def test_whatever_goes_wrong_a_command_keeps_its_exit_code(
    db_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(url: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("storage.writer.start.open_to_record", fail)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    assert run_here(["sh", "-c", "exit 3"], database=str(db_path)) == 3
    said = "tracebot: the command runs, but is not recorded: unforeseen\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("step_s", [3600, -10])
def test_a_command_takes_as_long_as_it_ran_although_the_clock_is_set(
    step_s: int,
    db_path: Path,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_set, real = tmp_path / "set", time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + step_s * is_set.exists() * 10**9)
    assert run_here(["touch", str(is_set)], database=str(db_path)) == 0
    monkeypatch.undo()
    _, span = recorded(database)
    assert span.duration_ns is not None
    assert 0 < span.duration_ns < 600 * 10**9


def test_a_command_is_recorded_where_the_others_read(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    own = {name: value for name, value in os.environ.items() if name != "TRACEBOT_DATABASE_URL"}

    def here(*words: str) -> str:
        place = {**own, "HOME": str(tmp_path)}
        done = subprocess.run(
            [TRACEBOT, *words], env=place, cwd=folder, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    # The second line is for another program, and does not concern a command that is recorded.
    (folder / ".env").write_text(f"TRACEBOT_DATABASE_URL={folder}/traces.db\nnot understood\n")
    here("run", "--", "true")
    (folder / ".env").write_text(f"TRACEBOT_DATABASE_URL={folder}/traces.db\n")
    assert "run true" in here("ls")
    (folder / ".env").write_bytes(b"\xff")
    here("run", "--", "true")
    (folder / ".env").unlink()
    assert here("ls").count("run true") == 1


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        ("tracebot_database_url=named.db", {}),
        ("", {"tracebot_database_url": "named.db"}),
        (None, {"tracebot_database_url": "named.db"}),
        ("TRACEBOT_DATABASE_URL=other.db", {"TRACEBOT_DATABASE_URL": ""}),
    ],
)
def test_each_command_takes_the_same_database_for_the_same_variables(
    tmp_path: Path, line: str | None, environ: dict[str, str]
) -> None:
    if line is not None:
        (tmp_path / ".env").write_text(line)
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environ}
    for words in (["run", "--", "true"], ["ls"]):
        done = subprocess.run(
            [TRACEBOT, *words], env=own, cwd=tmp_path, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert "run true" in done.stdout
    assert (tmp_path / "named.db").exists() == ("named.db" in f"{line}{environ}")
    assert not (tmp_path / "other.db").exists()


def test_a_command_gets_the_environment_as_it_is(db_path: Path) -> None:
    given = {"PATH": os.environ["PATH"], "TRACEBOT_DATABASE_URL": str(db_path), "HOME": "/tmp"}
    for locale in ({}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "C"}):
        shown = subprocess.run(
            [TRACEBOT, "run", "--", "env"], env={**given, **locale}, capture_output=True, text=True
        ).stdout.splitlines()
        got = dict(line.split("=", 1) for line in shown)
        assert {"TRACEPARENT", "OTEL_RESOURCE_ATTRIBUTES"} <= got.keys()
        del got["TRACEPARENT"], got["OTEL_RESOURCE_ATTRIBUTES"]
        assert got == {**given, **locale}


def test_modules_of_a_project_do_not_take_the_place_of_ours(
    db_path: Path, database: Database, tmp_path: Path
) -> None:
    for name in ("storage", "pydantic", "peewee"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('of the project')")
    script = "import os; print(os.environ['PYTHONPATH'])"
    result = run(db_path, sys.executable, "-c", script, environ={"PYTHONPATH": str(tmp_path)})
    assert (result.returncode, result.stdout) == (0, f"{tmp_path}\n"), result.stderr
    assert recorded(database)[0].status == "ok"


def test_a_script_that_names_no_interpreter_runs_in_sh(db_path: Path, tmp_path: Path) -> None:
    script, binary = tmp_path / "own-script", tmp_path / "binary"
    script.write_text('echo "ran $1"; exit 3\n')
    binary.write_bytes(b"\x7fELF\0\0")
    script.chmod(0o755)
    binary.chmod(0o755)
    in_path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for done in (run(db_path, str(script), "a"), run(db_path, "own-script", "a", environ=in_path)):
        assert (done.returncode, done.stdout) == (3, "ran a\n")
    assert run(db_path, str(binary)).returncode == 126


def test_a_hangup_that_is_ignored_stays_ignored(db_path: Path) -> None:
    ended = subprocess.run(
        ["nohup", TRACEBOT, "run", "--", "sh", "-c", "kill -HUP $$; echo still here"],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert (ended.returncode, ended.stdout) == (0, b"still here\n")


def test_a_run_inside_a_run_is_its_child(db_path: Path, database: Database) -> None:
    assert run(db_path, TRACEBOT, "run", "--", "true").returncode == 0
    (summary,) = recent_traces(database).traces
    outer, inner = trace_spans(database, summary.trace_id)
    assert (outer.name, inner.name) == ("run tracebot", "run true")
    assert inner.parent_id == outer.span_id
    assert (summary.name, summary.span_count) == ("run tracebot", 2)


def test_secrets_in_arguments_are_not_stored(db_path: Path, database: Database) -> None:
    run(db_path, "true", "--token", "s3cr3t-value-here", "PASSWORD=hunter2hunter2")
    _, span = recorded(database)
    assert "s3cr3t-value-here" not in str(span)
    assert "hunter2hunter2" not in str(span)


def test_a_missing_command_exits_as_in_a_shell(db_path: Path, database: Database) -> None:
    result = run(db_path, "no-such-command-here")
    assert result.returncode == 127
    assert "no-such-command-here" in result.stderr
    assert recorded(database)[1].error_type == "FileNotFoundError"


def test_a_script_whose_interpreter_is_missing_is_said_to_be_there(
    db_path: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/python\n")
    script.chmod(0o755)
    result = run(db_path, str(script))
    assert (result.returncode, "It is there: the interpreter" in result.stderr) == (127, True)


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("echo hi", "Leave out the quotes: tracebot run -- echo hi"),
        ("echo hi && ls", "For a line of a shell: tracebot run -- sh -c 'echo hi && ls'"),
        ("FOO=1 make", "For a line of a shell: tracebot run -- sh -c 'FOO=1 make'"),
        ("FOO=1", "To set a variable: tracebot run -- env FOO=1 …"),
    ],
)
def test_a_command_that_a_shell_would_take_apart_is_shown_in_another_way(
    db_path: Path, command: str, advice: str
) -> None:
    assert run(db_path, command).stderr.endswith(f"{advice}\n")


def test_a_database_that_cannot_be_opened_never_stops_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file" / "t.db", "sh", "-c", "echo done; exit 3")
    assert (result.returncode, result.stdout) == (3, "done\n")
    assert "not recorded" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_new_folder_is_told_of_once(tmp_path: Path) -> None:
    database = tmp_path / "trcaebot" / "tracebot.db"
    first, second = (run(database, "echo", "done") for _ in range(2))
    assert first.stdout == second.stdout == "done\n"
    assert first.stderr == (
        f"tracebot: The folder {database.parent} did not exist: it was created for the database.\n"
    )
    assert second.stderr == ""


def test_the_own_folder_for_a_server_is_not_told_of(tmp_path: Path) -> None:
    place = {"HOME": str(tmp_path), "TRACEBOT_DATABASE_URL": "postgresql://ann@127.0.0.1:1/traces"}
    result = run(tmp_path, "echo", "done", environ=place)
    assert result.stdout == "done\n"
    assert "folder" not in result.stderr


def test_one_sentence_says_that_the_server_is_away(tmp_path: Path) -> None:
    url = "postgresql://ann:s3cret-pw@127.0.0.1:1/traces"
    place = {"HOME": str(tmp_path), "TRACEBOT_DATABASE_URL": url}
    assert run(tmp_path, "sleep", "1.5", environ=place).stderr == (
        "tracebot: The database postgresql://ann@127.0.0.1:1/traces cannot be reached (Connection "
        "refused): what is recorded is stored later, nothing is lost.\n"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--"], "The command to run is missing"),
        (["--databse", "x"], "run does not take --databse"),
        (["--database"], "--database needs a path"),
        (["--database=", "--", "touch", "ran"], "--database needs a path"),
        (["--database", "", "--", "touch", "ran"], "--database needs a path"),
        (["--database", "--", "touch", "ran"], "--database needs a path"),
    ],
)
def test_run_says_what_is_wrong_with_its_options(
    options: list[str], reason: str, tmp_path: Path
) -> None:
    command = [TRACEBOT, "run", *options]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    hint = "write tracebot run -- COMMAND, or see tracebot help run."
    assert result.stderr == f"tracebot: {reason}: {hint}\n"
    assert not list(tmp_path.iterdir())


def test_run_does_not_wait_for_what_it_does_not_need(db_path: Path) -> None:
    result = run(db_path, "true", environ={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "storage.writer.writer" in imported
    assert not imported & {"opentelemetry", "pydantic", "rich", "storage.recording"}
    needless = {"storage.model.erasure", "storage.model.fingerprint", "storage.model.search_words"}
    needless |= {"storage.coordination.heartbeats"}
    assert not imported & needless
