"""Paste the commands of the documentation into a shell, page by page, and follow the tutorial.

A block of shell commands runs unless a comment before it says `not run`, and why.
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
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(
    r"^( *<!-- not run: [^\n]+ -->\n)?( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL
)

CLAUDE = """\
#!/bin/sh
[ "$1" = --version ] && echo "2.1.197 (Claude Code)" && exit
cat > /dev/null
echo '{"type": "result", "subtype": "success", "is_error": false, "result": "A lease is a loan."}'
"""


def blocks(page: str) -> Iterator[str]:
    for left_out, indent, commands in BLOCK.findall((DOCS / page).read_text()):
        if not left_out:
            yield "".join(line.removeprefix(indent) for line in commands.splitlines(True))


PAGES = [
    page
    for page in sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
    if any(blocks(page)) and page not in ("tutorial.md", "how-to/write-an-agent.md")
]


class Shell:
    """A shell in a folder of its own, with an empty home folder and a scripted `claude`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = folder / "programs"
        for each in (folder / "home", programs):
            each.mkdir()
        (programs / "claude").write_text(CLAUDE)
        (programs / "claude").chmod(0o755)
        self.environ = {
            "HOME": str(folder / "home"),
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def type(self, commands: str) -> str:
        """Return what commands show; the first one that fails is a failure."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (commands, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_can_be_pasted(page: str, shell: Shell) -> None:
    shell.type("tracebot run -- true")
    for commands in blocks(page):
        shell.type(commands)


def test_the_agent_of_the_guide_counts_words(shell: Shell) -> None:
    page = "how-to/write-an-agent.md"
    text = (DOCS / page).read_text().replace("/opt/agents", str(shell.folder))
    program = re.search(r"^```python\n(import sys.*?)^```$", text, re.MULTILINE | re.DOTALL)
    agents = re.search(r"^```toml\n(\[agents\.counter\].*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert program and agents
    (shell.folder / "count.py").write_text(program[1])
    (shell.folder / "agents.toml").write_text(agents[1])
    shell.environ["TRACEBOT_AGENTS"] = "agents.toml"
    shown = "".join(shell.type(commands) for commands in blocks(page))
    assert "You wrote 5 words." in shown and "invoke_agent counter" in shown


def test_the_tutorial_leads_to_an_answer_and_its_trace(shell: Shell, sandbox: Sandbox) -> None:
    tokens = {"SLACK_BOT_TOKEN": sandbox.bot_token, "SLACK_APP_TOKEN": sandbox.app_token}
    shell.environ |= {"SLACK_API_URL": sandbox.api_url, **tokens}
    shell.type("tracebot init")
    doctor, look = blocks("tutorial.md")
    assert "✗" not in shell.type(doctor)
    bot = subprocess.Popen(["tracebot", "serve"], cwd=shell.folder, env=shell.environ)
    try:
        sandbox.wait_for_app(opened=1)
        alice = sandbox.add_user("alice")
        general = sandbox.add_channel("general", [alice])
        question = sandbox.post(alice, general, f"{sandbox.mention} what is a lease?")
        sandbox.wait_for_reply(general, question.ts, containing="A lease is a loan.")
        shown = shell.type(look)
    finally:
        bot.send_signal(signal.SIGINT)
        assert bot.wait(timeout=60) == 0
    assert "what is a lease?" in shown and "invoke_agent claude" in shown
