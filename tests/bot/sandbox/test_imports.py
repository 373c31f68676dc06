"""The sandbox is for the demo and the tests only: `tracebot serve` does not import it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from bot.sandbox import Channel, Sandbox, User

TRACEBOT = ("-X", "importtime", "-c", "from bot.cli.main import main; main()")


def test_serving_imports_nothing_of_the_sandbox(
    sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    environment = os.environ | {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_API_URL": sandbox.api_url,
        "TRACEBOT_DATABASE_URL": str(tmp_path / "tracebot.db"),
        "TRACEBOT_OTLP_PORT": "0",
    }
    with (tmp_path / "stderr").open("wb") as stderr:
        bot = subprocess.Popen(
            (sys.executable, *TRACEBOT, "serve"), cwd=tmp_path, env=environment, stderr=stderr
        )
        try:
            sandbox.wait_for_app(timeout=60)
            # A whole turn, because much is imported only when it is first needed.
            question = sandbox.post(alice, general, f"{sandbox.mention} hello")
            sandbox.wait_for_reply(general, question.ts, containing="hello", timeout=60)
        finally:
            bot.send_signal(signal.SIGTERM)
            bot.wait(60)
    # Each line of -X importtime ends with the name of a module.
    loaded = {
        line.rpartition("|")[2].strip()
        for line in (tmp_path / "stderr").read_text().splitlines()
        if line.startswith("import time:")
    }
    assert "bot.cli.commands.serve" in loaded
    assert {name for name in loaded if name.startswith("bot.sandbox")} == set()
