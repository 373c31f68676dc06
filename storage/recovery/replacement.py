"""A damaged database is moved aside, a new one begun, and what can be read is saved into it.

Any number of processes may meet the damage at once: the first moves the file, the others find it
replaced (`SharedDatabase`). The saving may take long and goes on beside the
recording; when its process dies, the next one that looks goes on where it stopped.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cysqlite

from storage.database.connect import connect
from storage.database.driver import Connection
from storage.database.error_causes import DAMAGED, LOCKED, cause_of
from storage.database.lock_files import locked
from storage.database.shared_file import SharedDatabase, file_at, opening, set_aside
from storage.errors import TemporarilyUnavailable
from storage.recovery.salvage import salvage
from storage.upkeep.journal import JournalEntry, add_entry, entries

WRITE_LOCK_S = 5.0

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What became of one damaged file.

    `saved` and `lost` count rows, by table; None where nothing tells how many are lost. Both are
    empty where nothing could be read at all.
    """

    file: str
    at: int
    finished: bool
    saved: Mapping[str, int]
    lost: Mapping[str, int | None]

    @property
    def complete(self) -> bool:
        return self.finished and bool(self.lost) and set(self.lost.values()) == {0}


def recover(database: SharedDatabase) -> bool:
    """Replace the damaged file that this thread has open; False where another process just did.

    What can be read is saved by a thread of its own. For whoever met an error whose
    `storage.database.connect.cause_of` is "damaged". Raises `TemporarilyUnavailable` while another
    process writes.
    """
    damaged = database.file
    if not database.is_closed():
        database.close()
    with locked(opening(database.path)):
        if damaged is not None and file_at(database.path) != damaged:
            return False
        aside = set_aside_with_write_lock(database.path, word="damaged")
    database.create()
    if aside is None:
        return False
    logger.error(
        "The database %s is damaged: it is kept as %s, recording goes on in a new one, and what "
        "can be read is saved into it.",
        database.path,
        aside.name,
    )
    add_entry(database, JournalEntry(name=f"recovery:{aside.name}", at=time.time_ns(), ok=False))
    threading.Thread(
        target=_salvage_quietly, args=(database.path,), name="tracebot-salvage", daemon=True
    ).start()
    return True


def set_aside_with_write_lock(path: Path, *, word: str) -> Path | None:
    """Rename the files while no commit is under way, the lock `opening` being held; see there.

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
                    f"{path} has to be replaced, but another process is writing to it: stop that "
                    "process and try again."
                ) from error
            if cause != DAMAGED:
                raise
        return set_aside(path, word=word)
    finally:
        if connection.in_transaction:
            connection.rollback()
        connection.close()


def recoveries(database: SharedDatabase) -> tuple[Recovery, ...]:
    """All that this database was begun after, newest first."""
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
    database: SharedDatabase,
    *,
    wait: bool = False,
    progress: Callable[[str, int], object] = lambda table, rows: None,
) -> None:
    """Save what nobody has saved yet; while another is at it, `wait` for that one or leave it.

    `progress` is told a table and how many of its rows are saved.
    """
    if not _unfinished(database):
        return
    patience = None if wait else 0.0
    try:
        with locked(Path(f"{database.path}.salvaging"), patience=patience):
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
        logger.exception("What is left of the damaged database could not be saved yet")
    finally:
        if not database.is_closed():
            database.close()
