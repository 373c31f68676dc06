"""A newcomer types README, from a clone and with an empty home folder, up to an answer in Slack.

The workspace is the sandbox, and `claude` and `codex` are stand-ins. Packages come from the index
that pip and uv are configured for.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox import Sandbox
from tests.support.conversations import eventually
from tests.support.paths import ROOT
from tests.support.readme import README, part

SUITE = "scripts/test"
"""Is not typed, because it is what runs the tests."""

PROGRAM = """\
#!/bin/sh
[ "$1" = --version ] && echo "2.1.197 (Claude Code)" && exit
cat > /dev/null
echo '{"type": "result", "subtype": "success", "is_error": false, "result": "Hello from claude."}'
"""

SENDER = """\
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
provider.get_tracer("shop").start_span("checkout").end()
"""


class Newcomer:
    """Somebody at a shell in a clone, and the programs that they have started."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.clone, self._sandbox = folder / "tracebot", sandbox
        home, programs = folder / "home", folder / "programs"
        for each in (home, programs):
            each.mkdir()
        for name in ("claude", "codex"):
            (programs / name).write_text(PROGRAM)
            (programs / name).chmod(0o755)
        subprocess.run(["git", "clone", "--quiet", ROOT, self.clone], check=True)
        index = {name: os.environ[name] for name in os.environ if name[:4] in ("PIP_", "UV_")}
        python = Path(sys.executable).resolve().parent
        self.environ = {
            **index,
            "UV_NATIVE_TLS": "1",  # Trusts what the machine trusts, as pip does.
            "HOME": str(home),
            "PATH": f"{home}/.local/bin:{programs}:{python}:/usr/bin:/bin",
            "SLACK_API_URL": sandbox.api_url,
            "SLACK_BOT_TOKEN": sandbox.bot_token,
            "SLACK_APP_TOKEN": sandbox.app_token,
        }

    def type(self, line: str) -> str:
        """Return what a command shows; it has to succeed."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.clone,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def start(self, line: str) -> "subprocess.Popen[bytes]":
        """Start a command that goes on until it is interrupted."""
        return subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=self.clone,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def lines(heading: str) -> Iterator[str]:
    """Yield the lines of the shell blocks below a heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for block in re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


@pytest.fixture
def newcomer(tmp_path: Path, sandbox: Sandbox) -> Newcomer:
    return Newcomer(tmp_path, sandbox)


def test_readme_leads_from_a_clone_to_an_answer(newcomer: Newcomer, sandbox: Sandbox) -> None:
    for line in lines("Try it"):
        if not line.startswith(SUITE):
            assert "@tracebot" in newcomer.type(line)
    for line in lines("Install"):
        newcomer.type(line)
    first, serve, *rest = lines("Connect your workspace")
    newcomer.type(first)
    (four,) = re.findall(r"```toml\n(.*?)```", part("AGENTS"), re.DOTALL)
    (newcomer.clone / "agents.toml").write_text(four)
    bot = newcomer.start(serve)
    try:
        sandbox.wait_for_app(opened=1)
        alice = sandbox.add_user("alice")
        general = sandbox.add_channel("general", [alice])
        question = sandbox.post(alice, general, f"{sandbox.mention} hello")
        sandbox.wait_for_reply(general, question.ts, containing="Hello from claude.")
        shown = "".join(map(newcomer.type, rest))
    finally:
        bot.send_signal(signal.SIGINT)
        bot.wait(timeout=60)
    assert "claude  2.1.197" in shown and "codex  2.1.197" in shown
    assert "Hello from claude." in shown


def test_what_sends_opentelemetry_is_recorded(newcomer: Newcomer) -> None:
    newcomer.environ["PATH"] = f"{Path(sys.executable).parent}:{newcomer.environ['PATH']}"
    collect, export = lines("Record from anything that speaks OpenTelemetry")
    collector = newcomer.start(collect.partition("&")[0])
    try:
        send = f"{export}\npython - <<'END'\n{SENDER}END\n"
        eventually(lambda: newcomer.type(send) == "" and "checkout" in newcomer.type("tracebot ls"))
    finally:
        collector.send_signal(signal.SIGINT)
        assert collector.wait(timeout=60) == 0
