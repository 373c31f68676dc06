"""How soon Slack gets acknowledgements and answers to `/trace` while 50 slow agents work."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bot.sandbox import Sandbox
from tests.benchmarks.figure import Figure
from tests.benchmarks.run import Run, percentile
from tests.support.paths import MANIFEST

TURNS = 50
SAMPLES = 200
PATIENCE_S = 120.0
SLOW = """\
import pathlib, sys, time
print("I begin", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    print("still at it", flush=True)
    time.sleep(0.2)
"""


def measure(run: Run) -> Iterator[Figure]:
    commands, events, answers = [], [], []
    with run.folder() as folder, _serving(folder) as sandbox:
        alice = sandbox.add_user("alice")
        general = sandbox.add_channel("general", [alice])
        asked = partial(sandbox.command, alice, general, "/trace")
        turns = run.count(TURNS)
        for number in range(turns):
            sandbox.post(alice, general, f"{sandbox.mention} question {number}")
        sandbox.wait_for_call("chat.startStream", timeout=PATIENCE_S)
        sandbox.settle(PATIENCE_S)
        for number in range(run.count(SAMPLES)):
            commands.append(_took(lambda: asked("ps", responses=0)))
            sandbox.post(alice, general, f"chatter {number}")
            events.append(_took(lambda: sandbox.settle(PATIENCE_S)))
            if number % 10 == 0:
                answers.append(_took(lambda: asked("stats")))
        (folder / "go").touch()
        sandbox.wait_until(lambda: _answered(sandbox) == turns, PATIENCE_S)
    for name, times, limit in (
        ("ack of /trace, p99", commands, 100),
        ("ack of an event, p99", events, 100),
        ("ack, then stats answered, p99", answers, 3_000),
    ):
        yield Figure(name=name, ours=percentile(times, 0.99), unit="ms", at_most=limit)


def _answered(sandbox: Sandbox) -> int:
    added = [call.arguments["name"] for call in sandbox.calls("reactions.add")]
    return added.count("white_check_mark")


def _took(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - started) / 1e6


@contextmanager
def _serving(folder: Path) -> Iterator[Sandbox]:
    """Yield the sandbox, with `tracebot serve` in its own process and eight slow agents at once."""
    (folder / "slow.py").write_text(SLOW)
    command = [sys.executable, str(folder / "slow.py"), str(folder / "go")]
    (folder / "agents.toml").write_text(
        f'[agents.slow]\nprovider = "command"\ncommand = {command}\n'
    )
    with Sandbox.start(MANIFEST) as sandbox:
        serve = subprocess.Popen(
            [Path(sys.executable).with_name("tracebot"), "serve"],
            cwd=folder,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "SLACK_BOT_TOKEN": sandbox.bot_token,
                "SLACK_APP_TOKEN": sandbox.app_token,
                "SLACK_API_URL": sandbox.api_url,
                "TRACEBOT_DATABASE_URL": str(folder / "t.db"),
                "TRACEBOT_AGENTS": str(folder / "agents.toml"),
                "TRACEBOT_OTLP_PORT": "off",
                "TRACEBOT_GRACE": "0",
            },
        )
        try:
            sandbox.wait_for_app(timeout=PATIENCE_S)
            yield sandbox
        finally:
            serve.terminate()
            serve.wait(PATIENCE_S)
