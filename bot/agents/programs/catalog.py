"""The known agents' programs: their commands and arguments, and how their output is parsed.

With `query` a program may change nothing; with `execute` it may change files in its working
directory. In neither mode may it run any command outside a sandbox of its own: arguments of the
agents file can allow that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bot.agents.programs import telemetry
from bot.agents.programs.output.parsers import claude, codex, copilot, gemini, opencode
from bot.agents.programs.output.reader import Parser
from bot.agents.programs.telemetry import Telemetry
from bot.agents.types import Mode

PromptVia = Literal["stdin", "argument"]

NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)
"""Variables that every program needs to reach the internet."""

PATHS = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "OPENCODE_CONFIG"),
)
"""Variables whose value is the path of a file or folder that the program reads."""

HOMES: Mapping[str, str] = {
    "CLAUDE_CONFIG_DIR": "{HOME}/.claude",
    "CODEX_HOME": "{HOME}/.codex",
    "COPILOT_HOME": "{HOME}/.copilot",
    "XDG_CONFIG_HOME": "{HOME}/.config",
    "XDG_DATA_HOME": "{HOME}/.local/share",
    "XDG_STATE_HOME": "{HOME}/.local/state",
    "XDG_CACHE_HOME": "{HOME}/.cache",
}
"""Variables that say where programs keep their configuration, and where if they are not set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One kind of agent's program.

    Its command line is `command`, `arguments`, those of the mode, the model, telemetry and files,
    those of the agents file, and `final_arguments`. `confined_mode_arguments` replace those of the
    mode if Landlock confines it: its own sandbox may not work inside ours.

    `resume_arguments` make it go on with a session; empty if it cannot. They come right before
    `final_arguments`. `session_gone` is what it says, on stderr or as its error, if it has that
    session no more. `counts_sessions` is True if the tokens that it tells are those of the whole
    session, not of one turn.
    `file_argument` lets it read a file that came with a message; None if it may read any file.
    `pass_environment` names variables that it needs for itself: the address of its model, its key.
    `configuration` are the folders that it keeps its settings, sign-in and sessions in, as
    templates of variables (see `HOMES`), and `settings_files` are files beside them. The folders
    with neither sign-in nor sessions are `settings_folders`, too: with `query` it only reads them.
    `parser` is for programs that print JSON lines. `exit_codes` maps those that say why it failed
    to error types. `before_prompt` precedes a prompt that is an argument. `default_recipient` is
    the `@name` that begins the prompt if no model is configured; None if prompts have no recipient.
    """

    name: str
    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    mode_arguments: Mapping[Mode, tuple[str, ...]] = field(default_factory=dict)
    model_arguments: tuple[str, ...] = ("--model", "{model}")
    resume_arguments: tuple[str, ...] = ()
    session_gone: str = ""
    counts_sessions: bool = False
    file_argument: str | None = None
    final_arguments: tuple[str, ...] = ()
    prompt: PromptVia = "stdin"
    pass_environment: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    settings_files: tuple[str, ...] = ()
    settings_folders: tuple[str, ...] = ()
    confined_mode_arguments: Mapping[Mode, tuple[str, ...]] = field(default_factory=dict)
    telemetry: Callable[[str, Mapping[str, str]], Telemetry] = telemetry.by_environment
    parser: Parser | None = None
    exit_codes: Mapping[int, str] = field(default_factory=dict)
    before_prompt: tuple[str, ...] = ("--",)
    default_recipient: str | None = None

    def own_folders(self, environment: Mapping[str, str]) -> tuple[Path, ...]:
        """Return the folders of its configuration."""
        return tuple(_place(each, environment) for each in self.configuration)

    def read_folders(self, environment: Mapping[str, str]) -> tuple[Path, ...]:
        """Return its folders that it may not write with `query`, as it keeps nothing there."""
        kept = [each for each in self.configuration if each not in self.settings_folders]
        places = {_place(each, environment) for each in kept}
        return tuple({_place(each, environment) for each in self.settings_folders} - places)

    def own_files(self, environment: Mapping[str, str]) -> tuple[Path, ...]:
        return tuple(_place(each, environment) for each in self.settings_files)

    def address(self, model: str | None, prompt: str) -> str:
        """Return the prompt with its recipient, if this program has recipients."""
        if self.default_recipient is None:
            return prompt
        return f"@{model or self.default_recipient} {prompt}"


def _place(template: str, environment: Mapping[str, str]) -> Path:
    home = {"HOME": environment.get("HOME") or str(Path.home())}
    homes = {
        name: environment.get(name) or default.format(**home) for name, default in HOMES.items()
    }
    return Path(template.format(**home, **homes))


COMMAND = Program(name="command", command=(), model_arguments=())

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
    configuration=("{CLAUDE_CONFIG_DIR}", "{XDG_CACHE_HOME}/claude-cli-nodejs"),
    settings_files=("{HOME}/.claude.json",),
    resume_arguments=("--resume", "{session}"),
    session_gone="No conversation found with session ID",
    file_argument="--add-dir={folder}",
    telemetry=telemetry.claude,
    parser=claude.parse,
)

CODEX_CONFINED = (
    *("-c", 'default_permissions="tracebot"'),
    *("-c", 'permissions.tracebot.filesystem={":root"="write"}'),
    *("-c", "permissions.tracebot.network.enabled=false"),
    *("-c", "features.use_legacy_landlock=true"),
)
"""Codex's own sandbox mounts file systems, which Landlock forbids. Ours limits files in its place;
codex still closes the network to the commands that it runs, as it does without us.
"""

CODEX = Program(
    name="codex",
    command=("codex",),
    arguments=("exec", "--json", "--skip-git-repo-check"),
    mode_arguments={
        "query": ("--sandbox=read-only",),
        "execute": ("--sandbox=workspace-write",),
    },
    confined_mode_arguments={"query": CODEX_CONFINED, "execute": CODEX_CONFINED},
    resume_arguments=("resume", "{session}"),
    session_gone="no rollout found for thread id",
    counts_sessions=True,
    final_arguments=("-",),
    configuration=("{CODEX_HOME}",),
    pass_environment=("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_HOME", *NETWORK),
    telemetry=telemetry.codex,
    parser=codex.parse,
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
    configuration=("{HOME}/.gemini",),
    resume_arguments=("--resume", "{session}"),
    session_gone="Error resuming session",
    file_argument="--include-directories={folder}",
    telemetry=telemetry.gemini,
    parser=gemini.parse,
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
    configuration=("{COPILOT_HOME}", "{XDG_CACHE_HOME}/copilot"),
    resume_arguments=("--resume={session}",),
    session_gone="No session, task, or name matched",
    file_argument="--add-dir={folder}",
    telemetry=telemetry.copilot,
    parser=copilot.parse,
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
    configuration=(
        *("{XDG_CONFIG_HOME}/opencode", "{XDG_DATA_HOME}/opencode"),
        *("{XDG_STATE_HOME}/opencode", "{XDG_CACHE_HOME}/opencode"),
    ),
    settings_folders=("{XDG_CONFIG_HOME}/opencode",),
    resume_arguments=("--session", "{session}"),
    session_gone="Session not found",
    file_argument="--file={file}",
    telemetry=telemetry.opencode,
    parser=opencode.parse,
)

CREWX = Program(
    name="crewx",
    command=("crewx",),
    arguments=(),
    mode_arguments={"query": ("query", "--raw"), "execute": ("execute", "--raw")},
    # Its model is one of its own agents, which the prompt names. So the prompt begins with @ and
    # cannot be taken for an option. On stdin it would be context, not the question.
    model_arguments=(),
    default_recipient="crewx",
    prompt="argument",
    before_prompt=(),
    configuration=(
        "{HOME}/.crewx",
        *CLAUDE.configuration,
        *CODEX.configuration,
        *GEMINI.configuration,
    ),
    settings_files=CLAUDE.settings_files,
    pass_environment=(
        "CREWX_*",
        *CLAUDE.pass_environment,
        *CODEX.pass_environment,
        *GEMINI.pass_environment,
    ),
)

PROGRAMS = (CLAUDE, CODEX, GEMINI, COPILOT, OPENCODE, CREWX)
