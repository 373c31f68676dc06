"""The agents that are programs: what each is called, what it is told, and how it is understood.

`query` is to change nothing, `execute` may change files in the working directory; neither lets an
agent run whatever it likes outside a sandbox of its own. Who wants that says so in the agents file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.agents.programs import telemetry
from bot.agents.programs.output import parsers as dialects
from bot.agents.programs.output.reader import Dialect
from bot.agents.programs.telemetry import Telemetry
from bot.agents.types import Mode

PromptBy = Literal["stdin", "argument"]

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
    by_mode: Mapping[Mode, tuple[str, ...]] = field(default_factory=dict)
    model: tuple[str, ...] = ("--model", "{model}")
    file: str | None = None
    """What lets it read a file that came with a message, wherever that is; None: it may anyway."""
    last: tuple[str, ...] = ()
    prompt: PromptBy = "stdin"
    passes: tuple[str, ...] = ()
    telemetry: Callable[[str, Mapping[str, str]], Telemetry] = telemetry.by_environment
    dialect: Dialect | None = None
    exit_codes: Mapping[int, str] = field(default_factory=dict)
    before_prompt: tuple[str, ...] = ("--",)
    """What stands before a prompt that is an argument."""
    addressed: str | None = None
    """Whom a prompt is addressed to as `@name`, where no model is named; None: to nobody."""

    def address(self, model: str | None, prompt: str) -> str:
        return prompt if self.addressed is None else f"@{model or self.addressed} {prompt}"


COMMAND = Program(name="command", command=(), model=())

CLAUDE = Program(
    name="claude",
    command=("claude",),
    arguments=("-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
    by_mode={
        "query": ("--disallowed-tools=Edit,Write,NotebookEdit",),
        "execute": ("--permission-mode=acceptEdits",),
    },
    passes=(
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"),
        *("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"),
        *NETWORK,
    ),
    file="--add-dir={folder}",
    telemetry=telemetry.claude,
    dialect=dialects.claude,
)

CODEX = Program(
    name="codex",
    command=("codex",),
    arguments=("exec", "--json", "--skip-git-repo-check"),
    by_mode={
        "query": ("--sandbox=read-only",),
        "execute": ("--sandbox=workspace-write",),
    },
    last=("-",),
    passes=("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_HOME", *NETWORK),
    telemetry=telemetry.codex,
    dialect=dialects.codex,
)

GEMINI = Program(
    name="gemini",
    command=("gemini",),
    arguments=("--output-format", "stream-json", "--skip-trust"),
    by_mode={
        "query": ("--approval-mode=default",),
        "execute": ("--approval-mode=auto_edit",),
    },
    passes=(
        *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT"),
        *("GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_APPLICATION_CREDENTIALS"),
        *NETWORK,
    ),
    file="--include-directories={folder}",
    telemetry=telemetry.gemini,
    dialect=dialects.gemini,
    exit_codes={41: "authentication"},
)

COPILOT = Program(
    name="copilot",
    command=("copilot",),
    arguments=("--output-format", "json", "--no-ask-user", "--no-auto-update"),
    by_mode={
        "query": ("--deny-tool=write", "--deny-tool=shell"),
        "execute": ("--allow-tool=write",),
    },
    passes=(
        *("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "COPILOT_HOME"),
        *("COPILOT_MODEL", "COPILOT_OFFLINE", "COPILOT_PROVIDER_*"),
        *NETWORK,
    ),
    file="--add-dir={folder}",
    telemetry=telemetry.copilot,
    dialect=dialects.copilot,
)

OPENCODE = Program(
    name="opencode",
    command=("opencode",),
    arguments=("run", "--format", "json"),
    by_mode={
        "query": ("--agent", "plan"),
        "execute": ("--agent", "build"),
    },
    passes=("OPENCODE_CONFIG", "OPENCODE_CONFIG_CONTENT", "OPENCODE_API_KEY", "XDG_*", *NETWORK),
    file="--file={file}",
    telemetry=telemetry.opencode,
    dialect=dialects.opencode,
)

CREWX = Program(
    name="crewx",
    command=("crewx",),
    arguments=(),
    by_mode={"query": ("query", "--raw"), "execute": ("execute", "--raw")},
    # One of its own agents is the model: it is named in the prompt, which begins with @ and so is
    # never an option. What it is given on stdin would be context, not the question.
    model=(),
    addressed="crewx",
    prompt="argument",
    before_prompt=(),
    passes=("CREWX_*", *CLAUDE.passes, *CODEX.passes, *GEMINI.passes),
)

PROGRAMS = (CLAUDE, CODEX, GEMINI, COPILOT, OPENCODE, CREWX)
