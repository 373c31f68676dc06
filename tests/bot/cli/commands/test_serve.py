"""`tracebot serve` as its operator runs it: in its own process, controlled by signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.queries.lookups import thread_traces
from storage.queries.traces import TraceSummary
from tests.support.conversations import ended, eventually

TRACEBOT = Path(sys.executable).parent / "tracebot"
PATIENCE_S = 60.0

SLOW = """\
import pathlib, sys, time
here = pathlib.Path(sys.argv[1])
question = sys.stdin.read().splitlines()[-1]
(here / "asked").touch()
print("The first half", flush=True)
while not (here / "go").exists():
    time.sleep(0.02)
print("and the second.")
"""

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    path = tmp_path / "agents.toml"
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "work").mkdir()
    command = [sys.executable, str(tmp_path / "slow.py"), "."]
    path.write_text(
        f"[agents.slow]\nprovider = 'command'\ncommand = {command}\nworking_directory = 'work'\n"
    )
    return path


@pytest.fixture
def serve(sandbox: Sandbox, db_path: Path, agents: Path) -> Iterator[Serve]:
    """Start `tracebot serve`, and wait until it is connected."""
    started: list[subprocess.Popen[str]] = []

    def start(
        *, connected: bool = True, shell: str = 'exec "$0" serve', **environment: str
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["sh", "-c", shell, TRACEBOT],
            cwd=agents.parent,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "SLACK_BOT_TOKEN": sandbox.bot_token,
                "SLACK_APP_TOKEN": sandbox.app_token,
                "SLACK_API_URL": sandbox.api_url,
                "TRACEBOT_DATABASE_URL": str(db_path),
                "TRACEBOT_AGENTS": str(agents),
                "TRACEBOT_OTLP_PORT": "0",
                **environment,
            },
        )
        started.append(process)
        if connected:
            sandbox.wait_for_app(timeout=PATIENCE_S)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(sandbox: Sandbox, alice: User, general: Channel, folder: Path) -> Message:
    question = sandbox.post(alice, general, f"{sandbox.mention} think hard")
    eventually((folder / "work" / "asked").exists)
    return question


def wait_to_read(process: subprocess.Popen[str], text: str) -> None:
    """Wait until the bot logs *text*."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr), "it ended before"


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Return what the bot logs, up to the line with *text*."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"it ended before: {lines}")


def exit_code(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=PATIENCE_S)
    return process.returncode


def traces(db_path: Path, general: Channel, question: Message) -> list[TraceSummary]:
    with Observability.open(db_path, platform="cli") as reading:
        found = thread_traces(reading.database, channel=general.id, thread_ts=question.ts)
        reading.database.close()
    return list(found)


def test_a_reply_that_ends_within_the_grace_period_is_posted_before_the_bot_ends(
    serve: Serve,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    db_path: Path,
    tmp_path: Path,
) -> None:
    process = serve()
    question = ask(sandbox, alice, general, tmp_path)
    process.send_signal(signal.SIGTERM)
    said = read_until(process, "Stopping: running turns")
    assert "migrations" not in "".join(said), "a new database tells of no older version"
    (tmp_path / "work" / "go").touch()
    assert exit_code(process) == 0
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "The first half\nand the second."
    (trace,) = traces(db_path, general, question)
    assert trace.status == "ok"


def test_a_thread_is_told_of_a_stopped_turn_and_what_waited_is_answered_after_the_restart(
    serve: Serve,
    sandbox: Sandbox,
    alice: User,
    general: Channel,
    db_path: Path,
    tmp_path: Path,
) -> None:
    process = serve(TRACEBOT_GRACE="0.2")
    question = ask(sandbox, alice, general, tmp_path)
    waiting = sandbox.post(alice, general, f"{sandbox.mention} and this?", thread_ts=question.ts)
    sandbox.wait_for_reaction(general, waiting.ts, "hourglass_flowing_sand", timeout=PATIENCE_S)
    process.send_signal(signal.SIGTERM)
    assert exit_code(process) == 0
    (stopped,) = [m for m in sandbox.thread(general, question.ts) if "restarted" in m.text]
    assert stopped.text.startswith("The first half\n:octagonal_sign: I am being restarted")
    assert set(sandbox.reactions(general, question.ts)) == {"octagonal_sign"}
    assert set(sandbox.reactions(general, waiting.ts)) == {"hourglass_flowing_sand"}
    found = traces(db_path, general, question)
    assert [(trace.status, trace.decision) for trace in found] == [
        ("cancelled", "answer"),
        ("ok", "skip"),
    ]
    (tmp_path / "work" / "go").touch()
    serve()
    sandbox.wait_for_reaction(general, waiting.ts, "white_check_mark", timeout=PATIENCE_S)
    assert set(sandbox.reactions(general, waiting.ts)) == {"white_check_mark"}


def test_a_second_signal_ends_the_grace_period(
    serve: Serve, sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    process = serve(TRACEBOT_GRACE="600")
    question = ask(sandbox, alice, general, tmp_path)
    process.send_signal(signal.SIGTERM)
    wait_to_read(process, "Stopping: running turns")
    process.send_signal(signal.SIGINT)
    assert exit_code(process) == 0
    sandbox.wait_for_reply(general, question.ts, containing="restarted")


def test_a_signal_that_a_script_ignores_ends_no_grace_period(
    serve: Serve, sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    process = serve(shell="trap '' INT; exec \"$0\" serve", TRACEBOT_GRACE="600")
    question = ask(sandbox, alice, general, tmp_path)
    process.send_signal(signal.SIGTERM)
    wait_to_read(process, "Stopping: running turns")
    process.send_signal(signal.SIGINT)
    (tmp_path / "work" / "go").touch()
    assert exit_code(process) == 0
    (answer,) = ended(sandbox, general, question, "white_check_mark")
    assert answer.text == "The first half\nand the second."


def test_sighup_does_not_end_a_bot_that_reads_its_agents_for_the_first_time(
    serve: Serve, agents: Path
) -> None:
    agents.unlink()
    os.mkfifo(agents)
    process = serve(connected=False)
    with agents.open("w") as file:  # As soon as the bot reads.
        process.send_signal(signal.SIGHUP)
        file.write("no agents")
    assert exit_code(process) == 1


def test_sighup_reloads_the_agents(
    serve: Serve, sandbox: Sandbox, alice: User, general: Channel, agents: Path
) -> None:
    process = serve()
    agents.write_text('[agents.parrot]\nprovider = "echo"\n')
    process.send_signal(signal.SIGHUP)
    wait_to_read(process, "The agents are now parrot")
    question = sandbox.post(alice, general, f"{sandbox.mention} @parrot hello")
    reply = sandbox.wait_for_reply(general, question.ts, timeout=PATIENCE_S)
    assert reply.metadata is not None
    assert reply.metadata["event_payload"]["agent"] == "parrot"
    sandbox.post(alice, general, "and without a name?", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="without a name", timeout=PATIENCE_S)
    process.send_signal(signal.SIGTERM)
    assert exit_code(process) == 0


def test_a_start_waits_until_slack_is_well(serve: Serve, sandbox: Sandbox) -> None:
    sandbox.faults.error("auth.test", "internal_error")
    sandbox.faults.server_error("apps.connections.open", status=502)
    process = serve(connected=False)
    lines = read_until(process, "tracebot answers in Socket Mode")
    assert [line for line in lines if "Slack is not connected" in line] == [
        line for line in lines if "(internal_error). I try again until it is." in line
    ]
    sandbox.wait_for_app()
    process.send_signal(signal.SIGTERM)
    assert exit_code(process) == 0


def test_a_start_that_waits_for_slack_ends_at_a_signal(serve: Serve) -> None:
    process = serve(connected=False, SLACK_API_URL="http://127.0.0.1:9/api/")
    (*_, told) = read_until(process, "Slack is not connected")
    assert "it refuses connections (check the network, the proxy and SLACK_API_URL)" in told
    process.send_signal(signal.SIGINT)
    assert exit_code(process) == 0


def test_a_wrong_app_token_ends_the_start(serve: Serve) -> None:
    process = serve(connected=False, SLACK_APP_TOKEN="xapp-1-wrong", TRACBOT_WORKERS="3")
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "tracebot: Slack does not accept SLACK_APP_TOKEN (invalid_auth). Copy it" in told
    assert "Did you mean TRACEBOT_WORKERS?" in told
    assert "tracebot answers" not in told


def test_a_bot_says_when_slack_is_gone_and_when_it_is_back(serve: Serve, sandbox: Sandbox) -> None:
    process = serve()
    read_until(process, "tracebot answers in Socket Mode")
    sandbox.faults.server_error("apps.connections.open", status=503, times=2)
    sandbox.break_sockets("end")
    lines = read_until(process, "Slack is connected again")
    assert len([line for line in lines if "Slack is not connected: " in line]) == 1
    sandbox.break_sockets("end")
    (told,) = read_until(process, "connected again")
    assert "the connection ended without a word" in told
