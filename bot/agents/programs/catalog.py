"""The agents that are programs: what each is called, what it is told, and how it is understood.

`query` is to change nothing, `execute` may change files in the working directory; neither lets an
agent run whatever it likes outside a sandbox of its own. Who wants that says so in the agents file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.agents.programs import telemetry
from bot.agents.programs.output import parsers
from bot.agents.programs.output.reader import Parser
from bot.agents.programs.telemetry import Telemetry
from bot.agents.types import Mode

PromptVia = Literal["stdin", "argument"]

NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)
"""How to reach the internet from here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One kind of agent's program.

    `arguments` are always given, then those of the mode, of the model, of the agents file, and
    `last`. `passes` are the names of the environment that it needs for itself: where its model is,
    and its own key. A `dialect` reads what it prints, where that is JSON lines.
    `exit_codes` are those that say why it failed.
    """

    name: str
    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    mode_arguments: Mapping[Mode, tuple[str, ...]] = field(default_factory=dict)
    model: tuple[str, ...] = ("--model", "{model}")
    file: str | None = None
    """What lets it read a file that came with a message, wherever that is; None: it may anyway."""
    final_arguments: tuple[str, ...] = ()
    prompt: PromptVia = "stdin"
    pass_environment: tuple[str, ...] = ()
    telemetry: Callable[[str, Mapping[str, str]], Telemetry] = telemetry.by_environment
    parser: Parser | None = None
    exit_codes: Mapping[int, str] = field(default_factory=dict)
    before_prompt: tuple[str, ...] = ("--",)
    """What stands before a prompt that is an argument."""
    default_recipient: str | None = None
    """Whom a prompt is addressed to as `@name`, where no model is named; None: to nobody."""

    def address(self, model: str | None, prompt: str) -> str:
        return (
            prompt
            if self.default_recipient is None
            else f"@{model or self.default_recipient} {prompt}"
        )


COMMAND = Program(name="command", command=(), model=())

CLAUDE = Program(
    name="claude",
    command=("claude",),
    arguments=("-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
    mode_arguments={
        "query": ("--disallowed-tools=Edit,Write,NotebookEdit",),
        "execute": ("--permission-mode=acceptEdits",),
    },
    pass_environment=(
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"),
        *("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"),
        *NETWORK,
    ),
    file="--add-dir={folder}",
    telemetry=telemetry.claude,
    parser=parsers.claude,
)

CODEX = Program(
    name="codex",
    command=("codex",),
    arguments=("exec", "--json", "--skip-git-repo-check"),
    mode_arguments={
        "query": ("--sandbox=read-only",),
        "execute": ("--sandbox=workspace-write",),
    },
    final_arguments=("-",),
    pass_environment=("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_HOME", *NETWORK),
    telemetry=telemetry.codex,
    parser=parsers.codex,
)

GEMINI = Program(
    name="gemini",
    command=("gemini",),
    arguments=("--output-format", "stream-json", "--skip-trust"),
    mode_arguments={
        "query": ("--approval-mode=default",),
        "execute": ("--approval-mode=auto_edit",),
    },
    pass_environment=(
        *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT"),
        *("GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_APPLICATION_CREDENTIALS"),
        *NETWORK,
    ),
    file="--include-directories={folder}",
    telemetry=telemetry.gemini,
    parser=parsers.gemini,
    exit_codes={41: "authentication"},
)

COPILOT = Program(
    name="copilot",
    command=("copilot",),
    arguments=("--output-format", "json", "--no-ask-user", "--no-auto-update"),
    mode_arguments={
        "query": ("--deny-tool=write", "--deny-tool=shell"),
        "execute": ("--allow-tool=write",),
    },
    pass_environment=(
        *("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "COPILOT_HOME"),
        *("COPILOT_MODEL", "COPILOT_OFFLINE", "COPILOT_PROVIDER_*"),
        *NETWORK,
    ),
    file="--add-dir={folder}",
    telemetry=telemetry.copilot,
    parser=parsers.copilot,
)

OPENCODE = Program(
    name="opencode",
    command=("opencode",),
    arguments=("run", "--format", "json"),
    mode_arguments={
        "query": ("--agent", "plan"),
        "execute": ("--agent", "build"),
    },
    pass_environment=(
        "OPENCODE_CONFIG",
        "OPENCODE_CONFIG_CONTENT",
        "OPENCODE_API_KEY",
        "XDG_*",
        *NETWORK,
    ),
    file="--file={file}",
    telemetry=telemetry.opencode,
    parser=parsers.opencode,
)

CREWX = Program(
    name="crewx",
    command=("crewx",),
    arguments=(),
    mode_arguments={"query": ("query", "--raw"), "execute": ("execute", "--raw")},
    # One of its own agents is the model: it is named in the prompt, which begins with @ and so is
    # never an option. What it is given on stdin would be context, not the question.
    model=(),
    default_recipient="crewx",
    prompt="argument",
    before_prompt=(),
    pass_environment=(
        "CREWX_*",
        *CLAUDE.pass_environment,
        *CODEX.pass_environment,
        *GEMINI.pass_environment,
    ),
)

PROGRAMS = (CLAUDE, CODEX, GEMINI, COPILOT, OPENCODE, CREWX)
