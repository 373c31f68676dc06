"""Replace a damaged database with a new one, and save into it what can still be read.

Several processes may find the damage at once. The first one renames the file and creates a new
database; the others notice that it was replaced (`storage.database.shared_file`).

Saving may take long, so it runs in a thread while recording goes on in the new database. If its
process dies, the next process that checks the database continues where it stopped.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cysqlite

from storage.database.base import Database
from storage.database.connect import connect
from storage.database.driver import Connection
from storage.database.error_causes import DAMAGED, LOCKED, cause_of
from storage.database.file_check import opening, refuse_other_files
from storage.database.lock_files import locked
from storage.database.new_file import set_aside
from storage.database.shared_file import SharedDatabase, file_at
from storage.errors import TemporarilyUnavailable
from storage.recovery.salvage import salvage
from storage.upkeep.journal import JournalEntry, add_entry, entries

WRITE_LOCK_S = 5.0
"""How long a replacement waits for another process to commit."""

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The result of recovering one damaged file.

    `saved` and `lost` count rows by table; a count is None if it is unknown how many rows are lost.
    Both are empty if nothing could be read.
    """

    file: str
    at: int
    finished: bool
    saved: Mapping[str, int]
    lost: Mapping[str, int | None]

    @property
    def complete(self) -> bool:
        """Return True if every row of every table was saved."""
        return self.finished and bool(self.lost) and set(self.lost.values()) == {0}


def recover(database: SharedDatabase) -> bool:
    """Replace the damaged file that this thread has open, and start saving what can be read.

    Call this after an error whose `storage.database.error_causes.cause_of` is `DAMAGED`. Return
    False if the file is gone or another process has already replaced it. Raises
    `TemporarilyUnavailable` while another process writes, and `NotOurDatabase`.
    """
    damaged = database.file  # Before `close` and `create`, which may find another file.
    if not database.is_closed():
        database.close()
    with locked(opening(database.path)):
        # What is at the path now may be a file of others, put there by mistake: it is not moved.
        refuse_other_files(database.path)
        if damaged is not None and file_at(database.path) != damaged:
            return False
        aside = set_aside_with_write_lock(database.path, word="damaged")
    database.create()
    if aside is None:
        return False
    logger.error(
        "The database %s is damaged. It is kept as %s, recording goes on in a new database, and "
        "what can be read is being saved into it.",
        database.path,
        aside.name,
    )
    add_entry(database, JournalEntry(name=f"recovery:{aside.name}", at=time.time_ns(), ok=False))
    threading.Thread(
        target=_salvage_quietly, args=(database.path,), name="tracebot-salvage", daemon=True
    ).start()
    return True


def set_aside_with_write_lock(path: Path, *, word: str) -> Path | None:
    """Rename the database while holding SQLite's write lock, so that no commit is under way.

    The caller holds the lock `opening` alone. Return the new path, None if there was no file.
    Raises `TemporarilyUnavailable` while another process writes.
    """
    connection = Connection(str(path), timeout=WRITE_LOCK_S)
    try:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except cysqlite.DatabaseError as error:
            cause = cause_of(error)
            if cause == LOCKED:
                raise TemporarilyUnavailable(
                    f"{path} has to be replaced, but another process is writing to it",
                    "stop that process and try again",
                ) from error
            # A damaged file may refuse the lock. It is moved without one: no commit succeeds on it.
            if cause != DAMAGED:
                raise
        return set_aside(path, word=word)
    finally:
        if connection.in_transaction:
            connection.rollback()
        connection.close()


def recoveries(database: Database) -> tuple[Recovery, ...]:
    """Return what was saved of each damaged file that this database replaced, newest first."""
    return tuple(
        Recovery(
            file=done.name.partition(":")[2],
            at=done.at,
            finished=bool(done.details.get("finished")),
            saved=done.details.get("saved", {}),
            lost=done.details.get("lost", {}),
        )
        for done in entries(database, "recovery:")
    )


def finish_recoveries(
    database: Database,
    *,
    wait: bool = False,
    progress: Callable[[str, int], object] = lambda table, rows: None,
) -> None:
    """Save what is still unsaved of damaged files.

    If another process is saving it, wait for that process with `wait`, or leave it to that process.
    `progress` is called with the name of a table and the number of its rows saved so far.
    """
    if not isinstance(database, SharedDatabase) or not _unfinished(database):
        return
    patience = None if wait else 0.0
    try:
        with locked(Path(f"{database.path}.salvaging"), patience=patience):
            # Read again under the lock: another process may have finished meanwhile.
            for file in _unfinished(database):
                salvage(database, database.path.with_name(file), progress=progress)
    except BlockingIOError:
        return


def _unfinished(database: SharedDatabase) -> list[str]:
    return [found.file for found in recoveries(database) if not found.finished]


def _salvage_quietly(path: Path) -> None:
    database = connect(path)
    try:
        finish_recoveries(database)
    except Exception:
        logger.exception(
            "The rest of the damaged database could not be saved. The next check tries again."
        )
    finally:
        if not database.is_closed():
            database.close()
