"""Read the agents file for a command, with the files of the bot that no agent may reach."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from bot.agents.config.isolation import open_folders
from bot.agents.config.roster import Roster, load_roster
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.paths import inside, real
from bot.errors import ConfigurationError
from bot.settings import Settings, load_settings
from storage.database.connect import database_path, postgres_url
from storage.database.postgres_url import PASSWORD, passwords, private_files
from storage.errors import BackupError, StorageError


def load_agents(settings: Settings, *, database: str = "") -> Roster:
    """Return the agents of the settings' agents file. Raises `RosterError`.

    `database` replaces that of the settings.
    """
    path, url = named_database(settings, database), database or settings.database_url
    others = (Path(".env").absolute(), *private_files(url, os.environ))
    if path is not None and postgres_url(url) is not None:
        others += (path.parent,)  # The spool that will be there is not yet, as a file's always is.
    files = BotFiles(database=path, others=others)
    return load_roster(settings.agents, environ=_without_password(url), files=files)


def _without_password(url: str) -> Mapping[str, str]:
    """Return the environment without a password that is the one of our database."""
    if os.environ.get(PASSWORD) not in passwords(url, os.environ):
        return os.environ
    return {name: value for name, value in os.environ.items() if name != PASSWORD}


def named_database(settings: Settings, database: str = "") -> Path | None:
    """Return the path of the database, None if it cannot be one: opening it says why."""
    with contextlib.suppress(StorageError):
        return database_path(database or settings.database_url)
    return None


def refuse_open_backup(backup: Path, *, database: str) -> None:
    """Raise `BackupError` if an agent of the agents file could read a backup at this path."""
    try:
        roster = load_agents(load_settings(), database=database)
    except ConfigurationError:
        return  # No agent can be started, and the start says why.
    place = real(backup.absolute().parent)
    for agent, folder in open_folders(roster):
        if inside(place, real(folder)):
            raise BackupError(
                f"{folder} is open to the agent {agent}, which could read a backup there, and with "
                "it every conversation: name a file in another folder."
            )
