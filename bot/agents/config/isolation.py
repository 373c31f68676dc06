"""Find out how well this machine confines the agents of an agents file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bot.agents.config.roster import Roster
from bot.agents.programs.process import landlock, seccomp
from bot.agents.programs.process.confinement import Confinement, landlock_version
from bot.agents.programs.provider import CommandProvider


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something that confinement should keep some agents from and does not, and what to do."""

    agents: tuple[str, ...] = ()
    found: str
    advice: str


def program_agents(roster: Roster) -> Mapping[str, list[Confinement]]:
    """Return the confinements of the agents that are programs, by agent."""
    found = {
        name: [each.confinement for each in agent.providers if isinstance(each, CommandProvider)]
        for name, agent in roster.agents.items()
    }
    return {name: confinements for name, confinements in found.items() if confinements}


def isolation_gaps(roster: Roster) -> Iterator[Gap]:
    """Yield what this machine, or the agents file, leaves open."""
    # A user of its own keeps an agent from most things by itself.
    shared = {
        name: [each for each in confinements if each.user is None]
        for name, confinements in program_agents(roster).items()
    }
    free = tuple(name for name, each in shared.items() if any(not one.is_on for one in each))
    confined = tuple(name for name, each in shared.items() if any(one.is_on for one in each))
    if free:
        yield Gap(
            agents=free,
            found='are not confined (isolation = "off"): they reach whatever the bot reaches',
            advice='remove isolation = "off", or set user to a user of their own',
        )
    if confined:
        yield from (replace(gap, agents=confined) for gap in _gaps_of_this_machine())
    if os.geteuid() == 0 and (free or confined):
        yield Gap(
            agents=(*free, *(name for name in confined if name not in free)),
            found="run as root, like the bot",
            advice="run the bot as a user of its own, or set user to one for its agents",
        )


def _gaps_of_this_machine() -> Iterator[Gap]:
    version = landlock_version()
    if version == 0:
        yield Gap(
            found="are not confined, because this system has no Landlock: they reach whatever the "
            "bot reaches, its database and tokens among them",
            advice="use Linux 5.13 or newer with Landlock switched on, or set user to a user of "
            "their own",
        )
    elif version < landlock.SIGNALS_ABI:
        yield Gap(
            found="can end the bot's processes: before Linux 6.12 Landlock does not prevent it",
            advice="use a newer kernel, or set user to a user of their own",
        )
    if seccomp.machine() is None:
        yield Gap(
            found="can connect to services of this machine, such as Docker or D-Bus",
            advice="keep the user that they run as out of the groups of such services",
        )
