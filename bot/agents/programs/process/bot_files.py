"""The bot's own files, which no agent may reach."""

import glob
from dataclasses import dataclass, replace
from pathlib import Path

from bot.agents.programs.process.paths import real
from storage.recovery.known_backups import known_backups


@dataclass(frozen=True, kw_only=True, slots=True)
class BotFiles:
    """The places of the bot's own files.

    Beside the `database` are the spool, the write-ahead log and earlier databases, whose names
    contain its name, and the folder of downloaded files. The backups that were made of it may be
    anywhere. `others` are files such as the agents file and `.env`. They need not exist.
    """

    database: Path | None = None
    others: tuple[Path, ...] = ()

    def and_also(self, path: Path) -> "BotFiles":
        return replace(self, others=(*self.others, path.absolute()))

    def paths(self) -> tuple[Path, ...]:
        """Return the files and folders, as they are now."""
        if self.database is None:
            return self.others
        found = [self.database, self.database.with_name("files")]
        for database in {self.database, real(self.database)}:
            found += database.parent.glob(f"*{glob.escape(database.name)}*")
            found += known_backups(database)
        return (*found, *self.others)

    def workspace(self, agent: str) -> Path | None:
        """Return the folder in which an agent works if it has no working directory."""
        if self.database is None:
            return None
        return self.database.parent / "workspaces" / agent
