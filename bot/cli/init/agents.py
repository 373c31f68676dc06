"""The agents' programs on this machine, and an agents file for them."""

import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from bot.agents.config.roster import load_roster
from bot.agents.config.status import ProviderStatus, agent_statuses
from bot.cli.init.dialogue import Dialogue, Stopped
from bot.errors import ConfigurationError
from reports.errors import UsageError

INSTALL = {
    "claude": "npm install -g @anthropic-ai/claude-code",
    "codex": "npm install -g @openai/codex",
    "gemini": "npm install -g @google/gemini-cli",
    "copilot": "npm install -g @github/copilot",
    "opencode": "npm install -g opencode-ai",
}
"""The programs that are looked for, and a command that installs each."""

ECHO = "echo"

HEAD = """\
# The agents that can be asked. docs/reference/agents-file.md explains each key, `tracebot agents`
# checks this file, and `kill -HUP` of the process of the bot reads it again.

# The agent that answers if a question names none. "@tracebot @{other} …" names one.
default = "{default}"
"""

PROGRAM = """
[agents.{name}]
provider = "{name}"
mode = "query"                            # it changes nothing; with "execute" it may change files
# model = "…"                             # without this line the one that {name} itself would use
# working_directory = "~/src/project"     # the folder in which it works, and which it may read
# timeout = 900                           # seconds for an answer; 600 without this line
# instructions = "Answer in the language of the question."
"""

ECHO_AGENT = """
# Repeats the question, to see that the bot works.
[agents.echo]
provider = "echo"
"""

MORE = """
# A model behind HTTP needs no program. This one runs locally and has OpenAI's API.
# [agents.local]
# provider = "openai"
# model = "qwen3:8b"
# base_url = "http://127.0.0.1:11434/v1"

# The agent that answers in a channel. A channel's id is at the end of its "About".
# [channels]
# C0123456789 = "{default}"

# Who may ask. Without these lines: full members of the workspace.
# [access]
# guests = true
"""


def installed_programs() -> tuple[ProviderStatus, ...]:
    """Return the programs on the `PATH`, in the order of `INSTALL`.

    A program that cannot start has no version.
    """
    with tempfile.TemporaryDirectory(prefix="tracebot-init-") as folder:
        path = Path(folder, "agents.toml")
        path.write_text(agents_file(tuple(INSTALL)), encoding="utf-8")
        statuses = agent_statuses(load_roster(path), None)
    programs = [provider for status in statuses for provider in status.providers]
    return tuple(each for each in programs if each.problem is None)


def agents_file(names: Sequence[str]) -> str:
    """Return an agents file with these agents; the first one answers by default."""
    parts = [HEAD.format(default=names[0], other=names[-1])]
    parts += [ECHO_AGENT if name == ECHO else PROGRAM.format(name=name) for name in names]
    return "".join([*parts, MORE.format(default=names[0])])


def settle_agents(
    path: Path, named: Sequence[str], dialogue: Dialogue, *, force: bool
) -> str | None:
    """Return the text of an agents file to write, None if the one at `path` is kept.

    Raises `UsageError` if a file would be replaced without `force` and nobody can be asked, and
    `RosterError` if the one that is kept has a mistake.
    """
    found = installed_programs()
    if path.exists() and not named:
        _keep(path, found, dialogue)
        return None
    if path.exists() and not force:
        if not dialogue.attended:
            raise UsageError(f"{path} is there already: add --force to replace it.")
        if not dialogue.confirm(f"Replace {path}?"):
            raise Stopped
    names = _chosen(named, found) if named else _offered(found, dialogue)
    dialogue.well(f"{names[0]} answers if a question names no agent.")
    return agents_file(names)


def _keep(path: Path, found: Sequence[ProviderStatus], dialogue: Dialogue) -> None:
    roster = load_roster(path)
    names = (f"{name} (default)" if name == roster.default else name for name in roster.names)
    dialogue.well(f"{path} is kept, with {', '.join(names)}.")
    used = {provider.name for agent in roster.agents.values() for provider in agent.providers}
    if others := [each.provider for each in found if each.provider not in used]:
        dialogue.tell(
            f"Also installed: {', '.join(others)}. To use one, add a section [agents.{others[0]}] "
            f'with provider = "{others[0]}" to the file.'
        )


def _chosen(named: Sequence[str], found: Sequence[ProviderStatus]) -> tuple[str, ...]:
    """Return the agents that somebody named, each once. Raises if one is not known or not here."""
    here = {ECHO, *(each.provider for each in found)}
    for name in named:
        if name not in (ECHO, *INSTALL):
            choices = (*INSTALL, ECHO)
            close = get_close_matches(name, choices, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}."
            raise UsageError(f"{name} is not a value of --agent: {hint}", word=name)
        if name not in here:
            raise ConfigurationError(
                f"{name} cannot be found on the PATH. Install it, for example with "
                f"{INSTALL[name]}, and run this again. Nothing was written."
            )
    return tuple(dict.fromkeys(named))


def _offered(found: Sequence[ProviderStatus], dialogue: Dialogue) -> tuple[str, ...]:
    """Show the programs that were found, and return those that can start, the default first."""
    for each in found:
        if each.version is None:
            dialogue.warn(f"{each.provider}: {each.place} --version fails, so it is left out.")
        else:
            dialogue.well(f"{each.provider} {each.version}, {each.place}")
    names = tuple(each.provider for each in found if each.version is not None)
    if not names:
        dialogue.tell(
            f"None of {', '.join(INSTALL)} was found, so echo answers: it repeats the question. "
            f"To install one: {INSTALL['claude']}. Then run tracebot init --agent claude."
        )
        return (ECHO,)
    default = names[0]
    if dialogue.attended and len(names) > 1:
        question = "Which one answers if a question names none?"
        while (default := dialogue.ask(question, names[0])) not in names:
            dialogue.refuse(f"{default} is not one of {', '.join(names)}.")
    return (default, *(name for name in names if name != default))
