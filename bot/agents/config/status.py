"""The status of each agent: whether its program is installed, its version, and its last error."""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.agents.config.roster import Roster
from bot.agents.models.provider import HttpProvider
from bot.agents.programs.catalog import COMMAND
from bot.agents.programs.process.confinement import ConfinementError
from bot.agents.programs.process.temporary import NoTemporaryFolder
from bot.agents.programs.provider import NOTHING_RUNS_IT, CommandProvider
from bot.agents.types import (
    DIRECT,
    AccessRule,
    Agent,
    Allowed,
    Mode,
    Provider,
    SessionUse,
)

if TYPE_CHECKING:
    from storage.database.base import Database
    from storage.queries.failures import FailedSpan

VERSION_S = 15.0
"""Seconds that a program may take to print its version; gemini takes 2."""

VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderStatus:
    """A provider: `place` is its path or URL, `problem` what is missing, None if nothing is.

    `version` is None if the program was not asked or did not print one. `sessions` is None if the
    provider has none.
    """

    provider: str
    model: str | None
    place: str | None = None
    version: str | None = None
    sessions: SessionUse | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStatus:
    """An agent with its providers; `channels` are those where it answers by default.

    `access` says who may ask it, and `may_ask` the same in words.
    """

    name: str
    mode: Mode
    access: AccessRule
    may_ask: str
    default: bool
    channels: tuple[str, ...]
    providers: tuple[ProviderStatus, ...]
    last_error: "FailedSpan | None"


def agent_statuses(roster: Roster, database: "Database | None") -> tuple[AgentStatus, ...]:
    """Return the agents in the order of their file; without a database no errors are known."""
    providers = [each for agent in roster.agents.values() for each in agent.providers]
    # At once, because each program takes a second or two to print its version.
    with ThreadPoolExecutor(max(len(providers), 1)) as pool:
        states = iter(list(pool.map(provider_status, providers)))
    errors = {} if database is None else _last_errors(database)
    return tuple(
        AgentStatus(
            name=name,
            mode=agent.mode,
            access=replace(agent.access, shared_channels=agent.shared_channels),
            may_ask=who_may_ask(agent),
            default=name == roster.default,
            channels=tuple(each for each, chosen in roster.channels.items() if chosen == name),
            providers=tuple(next(states) for _ in agent.providers),
            last_error=errors.get(name),
        )
        for name, agent in roster.agents.items()
    )


def _last_errors(database: "Database") -> "Mapping[str, FailedSpan]":
    # Imported late: who only looks for programs does without a database.
    from storage.queries.failures import last_failed_calls

    return last_failed_calls(database)


def who_may_ask(agent: Agent, *, name: Callable[[str], str] = str) -> str:
    """Return who may ask an agent, and where, in words; `name` shows one of Slack's ids."""
    rule = agent.access
    parts = [
        "full members",
        *_allowed(rule.guests, "guests", name),
        *_allowed(rule.strangers, "people of other organisations", name),
        *_allowed(rule.workflows, "workflows", str),
    ]
    who = ", ".join(parts)
    if rule.people is not None or rule.groups is not None:
        groups = [f"members of {name(group)}" for group in sorted(rule.groups or ())]
        listed = [*map(name, sorted(rule.people or ())), *groups]
        who = f"of {who} only {', '.join(listed) or 'nobody'}"
    where = []
    if rule.channels is not None:
        where.append(f"in {_names(rule.channels, name)}")
    if (shared := agent.shared_channels) is not True:
        named = f" except {_names(shared, name)}" if shared else ""
        where.append(f"not where guests or other organisations can read{named}")
    return "; ".join([who, *where])


def _allowed(allowed: Allowed, kind: str, name: Callable[[str], str]) -> list[str]:
    if isinstance(allowed, bool):
        return [kind] if allowed else []
    return [f"{kind} {_names(allowed, name)}"]


def _names(ids: Iterable[str], name: Callable[[str], str]) -> str:
    shown = [f"{DIRECT} messages" if each == DIRECT else name(each) for each in sorted(ids)]
    return ", ".join(shown) or "none"


def unusable_agents(roster: Roster) -> dict[str, bool]:
    """Return the agents with a provider that has a problem; True if no provider is left.

    No program is started, so this is quick.
    """
    found = {
        name: [problem_of(provider) is not None for provider in agent.providers]
        for name, agent in roster.agents.items()
    }
    return {name: all(problems) for name, problems in found.items() if any(problems)}


def problem_of(provider: Provider) -> str | None:
    """Return what a provider is missing, None if nothing is."""
    if isinstance(provider, HttpProvider):
        endpoint = provider.endpoint
        missing = endpoint.key_variable is not None and endpoint.key is None
        return f"{endpoint.key_variable} is not set: set it to a key" if missing else None
    if not isinstance(provider, CommandProvider):
        return None
    if provider.path() is None:
        return f"{provider.command[0]} cannot be found: install it, or set command to its path"
    if (folder := provider.workplaces.closed) is not None:
        return f"{folder} is not a folder that the bot can enter: set working_directory"
    return None


def provider_status(provider: Provider) -> ProviderStatus:
    if isinstance(provider, CommandProvider):
        return _program_status(provider)
    return ProviderStatus(
        provider=provider.name,
        model=provider.model,
        place=provider.endpoint.base_url if isinstance(provider, HttpProvider) else None,
        problem=problem_of(provider),
    )


def _program_status(provider: CommandProvider) -> ProviderStatus:
    path, version, problem = provider.path(), None, problem_of(provider)
    # Any other command may do anything with --version.
    if path is not None and provider.program is not COMMAND:
        try:
            version = _version(provider)
        except FileNotFoundError:
            problem = problem or f"{path} {NOTHING_RUNS_IT}"
        except NoTemporaryFolder as error:
            problem = problem or str(error)
    return ProviderStatus(
        provider=provider.name,
        model=provider.model,
        place=path,
        version=version,
        sessions=provider.sessions if provider.program.resume_arguments else None,
        problem=problem,
    )


def _version(provider: CommandProvider) -> str | None:
    """Return the version that the program prints, None if it fails or prints none.

    Raises `FileNotFoundError` and `NoTemporaryFolder`.
    """
    try:
        found = VERSION.search(provider.version(timeout_s=VERSION_S))
    except FileNotFoundError:
        raise
    except (ConfinementError, OSError):
        return None
    return found[0].rstrip(".") if found else None
