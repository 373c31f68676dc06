"""`tracebot serve` reloads its agents on SIGHUP while it runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bot.sandbox import Channel, Sandbox, User

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_all_processes_use_a_changed_agents_file_and_none_an_invalid_one(
    sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    """SIGHUP goes to one of two processes. Slack sends each question to either."""
    agents, logs = tmp_path / "agents.toml", [tmp_path / "log", tmp_path / "log of the other"]
    agents.write_text("[agents.first]\nprovider = 'echo'")
    environ = {
        **os.environ,
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_SIGNING_SECRET": sandbox.signing_secret,
        "SLACK_API_URL": sandbox.api_url,
        "TRACEBOT_DATABASE_URL": str(tmp_path / "tracebot.db"),
        "TRACEBOT_AGENTS": str(agents),
        "TRACEBOT_OTLP_PORT": "off",
    }
    bots = []
    for log in logs:
        with log.open("w") as output:
            command = [TRACEBOT, "serve"]
            bots.append(subprocess.Popen(command, env=environ, cwd=tmp_path, stderr=output))

    def all_say(text: str) -> None:
        eventually(lambda: all(text in log.read_text() for log in logs))

    try:
        all_say("tracebot answers in")
        question = sandbox.post(alice, general, f"{sandbox.mention} one")
        sandbox.wait_for_reply(general, question.ts, containing="You said: one")

        agents.write_text("[agents.second]\ncommand = ['tr', 'a-z', 'A-Z']")
        bots[0].send_signal(signal.SIGHUP)
        all_say("The agents are now second.")
        question = sandbox.post(alice, general, f"{sandbox.mention} two")
        sandbox.wait_for_reply(general, question.ts, containing="TWO")
        sandbox.post(alice, general, "three", thread_ts=question.ts)
        sandbox.wait_for_reply(general, question.ts, containing="THREE")

        agents.write_text("[agents.third]\nprovider = 'nobody'")
        bots[0].send_signal(signal.SIGHUP)
        eventually(lambda: "The agents file was not reloaded" in logs[0].read_text())
        assert "agents.toml, line 2" in logs[0].read_text()
        question = sandbox.post(alice, general, f"{sandbox.mention} four")
        sandbox.wait_for_reply(general, question.ts, containing="FOUR")
        assert "was not reloaded" not in logs[1].read_text()
    finally:
        for bot in bots:
            bot.terminate()
        for bot in bots:
            bot.wait(timeout=60)
