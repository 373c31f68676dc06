"""`tracebot agents` and `tracebot import crewx`, as somebody at a shell sees them."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.agents.echo import EchoProvider
from bot.agents.errors import AgentCrashed
from bot.agents.invocation import invoke
from bot.agents.parallel import AgentQuery, query
from bot.agents.types import Agent, Provider, Reply, Request
from storage import Observability
from storage.model.span import Span
from tests.support.command_line import run_here
from tests.support.paths import MEASURED

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))
FAKE = "#!/bin/sh\n[ \"$1\" = --version ] && echo '2.1.300 (Claude Code)'\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an agents file, and a program `claude` that tells a version."""
    program = tmp_path / "claude"
    program.write_text(FAKE)
    program.chmod(0o755)
    (tmp_path / "agents.toml").write_text(
        """
        default = "reviewer"
        channels = { C0123456789 = "words" }
        [agents.words]
        command = ["wc"]
        [agents.reviewer]
        mode = "execute"
        providers = [
            { provider = "claude", model = "opus" }, { provider = "codex", sessions = "fresh" }
        ]
        [agents.api]
        provider = "openai"
        model = "gpt-5-mini"
        [agents.api.access]
        people = ["U0123456789"]
        groups = ["S0123456789"]
        channels = ["C0123456789", "direct"]
        guests = true
        shared_channels = ["C0123456789"]
        """
    )
    return tmp_path


def environment(folder: Path, agents: str) -> dict[str, str]:
    return {
        "PATH": f"{folder}:/usr/bin:/bin",
        "HOME": str(folder),
        "TRACEBOT_AGENTS": str(folder / agents) if agents else "",
    }


def tracebot(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRACEBOT, *words],
        env={
            **MEASURED,
            **environment(folder, "agents.toml"),
            "TRACEBOT_DATABASE_URL": str(folder / "tracebot.db"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def here(
    folder: Path, *words: str, agents: str = "agents.toml"
) -> subprocess.CompletedProcess[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder, agents).items():
            patch.setenv(name, value)
        return run_here(folder / "tracebot.db", *words, cwd=folder)


@dataclass(frozen=True)
class Broken:
    """A provider that fails."""

    message: str
    name: str = "claude"
    model: str | None = None

    def answer(self, request: Request) -> Reply:
        raise AgentCrashed(self.message)


def fail(folder: Path, name: str, message: str) -> str:
    """Record a failure of the agent `name`; its trace's id."""
    with Observability.open(folder / "tracebot.db", platform="slack") as observability:
        agent = Agent(name=name, providers=(Broken(message),))
        with pytest.raises(AgentCrashed), observability.span("slack message", agent=name) as root:
            invoke(agent, Request(prompt="x"), observability=observability)
        observability.flush()
        observability.database.close()
    return root.trace_id


def test_no_sender_of_telemetry_tells_the_last_error_of_an_agent(folder: Path) -> None:
    trace_id = fail(folder, "reviewer", "no more paper")
    now = time.time_ns()
    theirs = Span(
        trace_id="9" * 32,
        span_id="9" * 16,
        name="invoke_agent reviewer",
        agent="reviewer",
        status="error",
        error_type="error",
        error_message="call 555-0100",
        started_at=now,
        ended_at=now,
        platform="otlp",
        received=True,
    )
    with Observability.open(folder / "tracebot.db", platform="cli") as observability:
        observability.receive([theirs])
        observability.flush()
        observability.database.close()
    printed = tracebot(folder, "agents").stdout
    assert "no more paper" in printed and trace_id[:12] in printed
    assert "555-0100" not in printed


def test_each_agent_is_listed_with_its_status(folder: Path) -> None:
    trace_id = fail(folder, "reviewer", "reviewer failed: no more paper")
    result = tracebot(folder, "agents")
    lines = result.stdout.splitlines()
    assert lines[0] == str(folder / "agents.toml")
    assert lines[2:5] == [
        "words  (query, C0123456789)",
        "  may ask: full members",
        "  command  /usr/bin/wc",
    ]
    assert lines[6:10] == [
        "reviewer  (execute, default)",
        "  may ask: full members; not where guests or other organisations can read",
        f"  claude  opus  2.1.300  {folder / 'claude'}",
        "  codex  sessions: fresh  ✗ codex cannot be found: install it, or set command to its path",
    ]
    assert lines[10].startswith("  last error 20")
    assert trace_id[:12] in lines[10]
    assert lines[11] == "    reviewer failed: no more paper"
    assert lines[13:] == [
        "api  (query)",
        "  may ask: of full members, guests only U0123456789, members of S0123456789; in "
        "C0123456789, direct messages; not where guests or other organisations can read except "
        "C0123456789",
        "  openai  gpt-5-mini  https://api.openai.com/v1  ✗ OPENAI_API_KEY is not set: "
        "set it to a key",
    ]
    assert result.returncode == 1, "an agent that nobody can answer for"


def test_of_agents_that_are_asked_together_each_has_its_own_error(folder: Path) -> None:
    providers: Mapping[str, Provider] = {
        "words": EchoProvider(),
        "reviewer": Broken("reviewer broke"),
        "api": Broken("api broke"),
    }
    asked = [
        AgentQuery(agent=Agent(name=name, providers=(provider,)), request=Request(prompt="x"))
        for name, provider in providers.items()
    ]
    with Observability.open(folder / "tracebot.db", platform="cli") as observability:
        query(asked, observability=observability)
    found = json.loads(here(folder, "agents", "--json").stdout)["agents"]
    errors = [each["last_error"] and each["last_error"]["message"] for each in found]
    assert errors == [None, "reviewer broke", "api broke"]


def test_a_script_gets_the_same_as_json(folder: Path) -> None:
    trace_id = fail(folder, "reviewer", "reviewer failed: no more paper")
    found: dict[str, Any] = json.loads(tracebot(folder, "agents", "--json").stdout)
    words, reviewer, api = found["agents"]
    assert (words["mode"], words["default"], words["channels"]) == (
        "query",
        False,
        ["C0123456789"],
    )
    assert words["last_error"] is None
    assert api["access"] == {
        "people": ["U0123456789"],
        "groups": ["S0123456789"],
        "channels": ["C0123456789", "direct"],
        "guests": True,
        "strangers": False,
        "workflows": False,
        "shared_channels": ["C0123456789"],
    }
    assert reviewer["access"]["shared_channels"] is False
    assert reviewer["providers"] == [
        {
            "provider": "claude",
            "model": "opus",
            "place": str(folder / "claude"),
            "version": "2.1.300",
            "sessions": "resume",
            "problem": None,
        },
        {
            "provider": "codex",
            "model": None,
            "place": None,
            "version": None,
            "sessions": "fresh",
            "problem": "codex cannot be found: install it, or set command to its path",
        },
    ]
    assert reviewer["last_error"]["trace_id"] == trace_id
    assert reviewer["last_error"]["message"] == "reviewer failed: no more paper"
    assert reviewer["last_error"]["at"].endswith("Z")


def test_without_a_file_echo_is_listed(folder: Path) -> None:
    result = here(folder, "agents", agents="")
    assert result.returncode == 0
    assert result.stdout.splitlines()[2:] == [
        "echo  (query, default)",
        "  may ask: full members",
        "  echo",
    ]


def test_a_file_with_a_mistake_is_one_sentence_with_its_line(folder: Path) -> None:
    (folder / "agents.toml").write_text("[agents.a]\nprovider = 'claude'\ntimout = 5")
    result = here(folder, "agents")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"tracebot: {folder}/agents.toml, line 3, in [agents.a]: unknown key timout; "
        "did you mean timeout?\n"
    )


def test_a_program_that_prints_no_version_is_still_found(folder: Path) -> None:
    (folder / "claude").write_text("#!/bin/sh\nexit 3\n")
    found = json.loads(here(folder, "agents", "--json").stdout)
    state = found["agents"][1]["providers"][0]
    assert (state["version"], state["problem"]) == (None, None)


def test_a_program_that_nothing_can_run_is_a_problem(folder: Path) -> None:
    (folder / "claude").write_text("#!/no/node\n")
    found = json.loads(here(folder, "agents", "--json").stdout)
    assert "is there, but not what runs it" in found["agents"][1]["providers"][0]["problem"]


def test_a_crewx_file_is_imported_into_a_new_file(folder: Path) -> None:
    (folder / "crewx.yaml").write_text(
        "agents:\n- {id: ann, provider: cli/claude, team: x, inline: {prompt: Be brief.}}\n"
    )
    result = here(folder, "import", "crewx", "crewx.yaml", "--output", "new.toml")
    assert result.returncode == 0
    assert "ann: its key team is not imported." in result.stderr
    assert f"Set TRACEBOT_AGENTS={folder}/new.toml to use it." in result.stderr
    listed = here(folder, "agents", agents="new.toml")
    assert "ann  (query, default)" in listed.stdout
    again = here(folder, "import", "crewx", "crewx.yaml", "--output", "new.toml")
    assert (again.returncode, "File exists" in again.stderr) == (1, True)


def test_an_import_for_which_there_is_no_room_leaves_no_file(folder: Path) -> None:
    (folder / "crewx.yaml").write_text("agents:\n- {id: ann, provider: cli/claude}\n")
    without_room = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", TRACEBOT]
    failed = subprocess.run(
        [*without_room, "import", "crewx", "crewx.yaml", "--output", "new.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert (failed.returncode, "new.toml cannot be written" in failed.stderr) == (1, True)
    assert not (folder / "new.toml").exists()


def test_a_crewx_file_is_printed_if_no_output_is_named(folder: Path) -> None:
    (folder / "crewx.yaml").write_text("agents:\n- {id: ann, provider: cli/claude}\n")
    result = here(folder, "import", "crewx", "crewx.yaml")
    assert '[agents.ann]\nprovider = "claude"\n' in result.stdout
    missing = here(folder, "import", "crewx", "none.yaml")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "none.yaml cannot be read: No such file or directory." in missing.stderr
