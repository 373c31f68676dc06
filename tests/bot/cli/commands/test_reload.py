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


def test_a_changed_agents_file_is_used_and_an_invalid_one_is_not(
    sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    agents, log = tmp_path / "agents.toml", tmp_path / "log"
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
    with log.open("w") as output:
        bot = subprocess.Popen([TRACEBOT, "serve"], env=environ, cwd=tmp_path, stderr=output)
    try:
        sandbox.wait_for_app(timeout=60)
        eventually(lambda: "tracebot answers in" in log.read_text())
        question = sandbox.post(alice, general, f"{sandbox.mention} one")
        sandbox.wait_for_reply(general, question.ts, containing="You said: one")

        agents.write_text("[agents.second]\ncommand = ['tr', 'a-z', 'A-Z']")
        bot.send_signal(signal.SIGHUP)
        eventually(lambda: "The agents are now second." in log.read_text())
        question = sandbox.post(alice, general, f"{sandbox.mention} two")
        sandbox.wait_for_reply(general, question.ts, containing="TWO")
        sandbox.post(alice, general, "three", thread_ts=question.ts)
        sandbox.wait_for_reply(general, question.ts, containing="THREE")

        agents.write_text("[agents.third]\nprovider = 'nobody'")
        bot.send_signal(signal.SIGHUP)
        eventually(lambda: "The agents file was not reloaded" in log.read_text())
        assert "agents.toml, line 2" in log.read_text()
        question = sandbox.post(alice, general, f"{sandbox.mention} four")
        sandbox.wait_for_reply(general, question.ts, containing="FOUR")
    finally:
        bot.terminate()
        bot.wait(timeout=60)
