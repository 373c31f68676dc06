"""Find out how well this machine confines the agents of an agents file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from bot.agents.config.roster import Roster
from bot.agents.programs.process import landlock, seccomp
from bot.agents.programs.process.confinement import Confinement, landlock_version
from bot.agents.programs.process.paths import files_within, real
from bot.agents.programs.provider import CommandProvider
from storage.database.base import Database
from storage.database.file_check import is_copy

MOST_FILES = 50_000
"""Files of a folder that are looked at. That takes about a second."""

MOST_NAMED = 5


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


def open_folders(roster: Roster) -> Iterator[tuple[str, Path]]:
    """Yield the folders and files that the agents file opens, with the agent to which it does."""
    for name, agent in roster.agents.items():
        for each in agent.providers:
            if isinstance(each, CommandProvider):
                own = () if each.working_directory is None else (each.working_directory,)
                for folder in (*own, *each.confinement.read, *each.confinement.write):
                    yield name, folder


def open_copies(roster: Roster, *, database: Path | None) -> Iterator[Gap]:
    """Yield copies of a database of tracebot that agents can read, such as forgotten backups."""
    agents: dict[Path, list[str]] = {}
    for name, folder in open_folders(roster):
        agents.setdefault(real(folder), []).append(name)
    for folder, names in agents.items():
        for copy in islice(_databases(folder, but=database), MOST_NAMED):
            yield Gap(
                agents=tuple(dict.fromkeys(names)),
                found=f"can read {copy}, a copy of a database of tracebot",
                advice="move it to a folder that no agent can read",
            )


def open_doors(roster: Roster, database: Database) -> Iterator[Gap]:
    """Yield where agents can open the database, as its server asks them for no password."""
    doors = database.open_doors() if program_agents(roster) else ()
    for door in doors:
        agents = tuple(
            name
            for name, confinements in program_agents(roster).items()
            if any(_can_connect(each, door) for each in confinements)
        )
        if agents:
            yield Gap(
                agents=agents,
                found=f"can open the database: at {door} its server asks for no password",
                advice="write scram-sha-256 in the server's pg_hba.conf instead of trust or peer",
            )


def _can_connect(confinement: Confinement, door: str) -> bool:
    if not confinement.is_on or seccomp.machine() is None:
        return True
    return confinement.unix_sockets if door.startswith("/") else confinement.network


def _databases(folder: Path, *, but: Path | None) -> Iterator[Path]:
    for path in islice(files_within(folder), MOST_FILES):
        # The database itself is not opened: to close it would drop the locks of SQLite on it.
        if path != but and os.path.isfile(path) and not path.is_symlink() and is_copy(path):
            yield path


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
