"""Read the agents file for a command, with the files of the bot that no agent may reach."""

import contextlib
from pathlib import Path

from bot.agents.config.roster import Roster, load_roster
from bot.agents.programs.process.bot_files import BotFiles
from bot.settings import Settings
from storage.database.connect import database_path
from storage.errors import StorageError


def load_agents(settings: Settings, *, database: str = "") -> Roster:
    """Return the agents of the settings' agents file. Raises `RosterError`.

    `database` replaces that of the settings.
    """
    path = None
    # Whoever opens the database reports that its name is wrong.
    with contextlib.suppress(StorageError):
        path = database_path(database or settings.database_url)
    files = BotFiles(database=path, others=(Path(".env").absolute(),))
    return load_roster(settings.agents, files=files)
