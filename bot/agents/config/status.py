"""The state of each agent: whether its program is there, in which version, and what failed last."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.agents.config.roster import Roster
from bot.agents.models.provider import HttpProvider
from bot.agents.programs.catalog import COMMAND
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Agent, Mode, Provider, Request
from storage.model.span import FAILED
from storage.queries.traces import TraceSummary, recent_traces

if TYPE_CHECKING:
    from peewee import Database

VERSION_S = 15.0
"""How long a program may take to say its version: gemini takes 2 s."""
VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderStatus:
    """`place` is where it is: a path, a URL. `problem` says what is missing, None where nothing is.

    `version` is None where it was not asked, or not told.
    """

    provider: str
    model: str | None
    place: str | None = None
    version: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStatus:
    name: str
    mode: Mode
    default: bool
    channels: tuple[str, ...]
    providers: tuple[ProviderStatus, ...]
    last_error: TraceSummary | None


def agent_statuses(roster: Roster, database: "Database | None") -> tuple[AgentStatus, ...]:
    """The agents in the order of their file; without a database nothing is known of errors."""
    providers = [each for agent in roster.agents.values() for each in agent.providers]
    with ThreadPoolExecutor(max(len(providers), 1)) as pool:
        states = iter(list(pool.map(provider_status, providers)))
    return tuple(
        AgentStatus(
            name=name,
            mode=agent.mode,
            default=name == roster.default,
            channels=tuple(each for each, chosen in roster.channels.items() if chosen == name),
            providers=tuple(next(states) for _ in agent.providers),
            last_error=None if database is None else last_error(database, agent),
        )
        for name, agent in roster.agents.items()
    )


def last_error(database: "Database", agent: Agent) -> TraceSummary | None:
    """The newest trace of the agent that failed."""
    found = [
        trace
        for status in sorted(FAILED)
        for trace in recent_traces(database, agent=agent.name, status=status, limit=1).traces
    ]
    return max(found, key=lambda trace: trace.started_at, default=None)


def provider_status(provider: Provider) -> ProviderStatus:
    if isinstance(provider, CommandProvider):
        return _program_status(provider)
    state = ProviderStatus(provider=provider.name, model=provider.model)
    if isinstance(provider, HttpProvider):
        endpoint = provider.endpoint
        missing = endpoint.key_variable is not None and endpoint.key is None
        problem = f"{endpoint.key_variable} is not set" if missing else None
        return ProviderStatus(
            provider=provider.name,
            model=provider.model,
            place=endpoint.base_url,
            problem=problem,
        )
    return state


def _program_status(provider: CommandProvider) -> ProviderStatus:
    environment, _ = provider.environment_for(Request(prompt=""))
    path = shutil.which(provider.command[0], path=environment.get("PATH"))
    folder = provider.working_directory
    problem = None
    if path is None:
        problem = f"{provider.command[0]} is not found: install it, or name its path with command"
    elif folder is not None and not folder.is_dir():
        problem = f"{folder} is no folder: set working_directory"
    # Only an agent's own program is known to take --version, and to do nothing else then.
    asked = path is not None and provider.program is not COMMAND
    command = (*provider.command, "--version")
    return ProviderStatus(
        provider=provider.name,
        model=provider.model,
        place=path,
        version=_version(command, environment) if asked else None,
        problem=problem,
    )


def _version(command: Iterable[str], environment: dict[str, str]) -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            list(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_S,
            check=True,
        ).stdout.decode("utf-8", "replace")
        found = VERSION.search(said)
        return found[0].rstrip(".") if found else None
    return None
