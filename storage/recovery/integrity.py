"""Check that the database is not damaged, by SQLite's `quick_check` with a time limit."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peewee import PeeweeException

from storage.database.base import Database
from storage.database.connect import connect
from storage.database.error_causes import DAMAGED, INTERRUPTED, cause_of
from storage.database.shared_file import SharedDatabase
from storage.database.stopping import Stopped
from storage.recovery.replacement import finish_recoveries, recover
from storage.upkeep.journal import JournalEntry, add_entry, last_entry

LIMIT_S = 30.0
SMALL = 64_000_000
"""Files of up to this many bytes are checked in less time than tracebot takes to start."""

STEPS = 10_000
"""Steps of SQLite's virtual machine between two looks at the clock."""

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of a check.

    `at` is in nanoseconds since the epoch. `finished` is False if the time limit ended the check;
    then `ok` says that nothing was found so far. `finding` is SQLite's description of the damage.
    """

    at: int
    ok: bool
    finished: bool
    finding: str = ""


def check(
    database: Database,
    *,
    limit_s: float = LIMIT_S,
    stopped: Callable[[], bool] = lambda: False,
) -> Check | None:
    """Check the file for at most `limit_s` seconds, and store the result in the journal.

    Raises `Stopped`, and stores nothing, once `stopped()` is true before the check has finished.

    A damaged database is replaced, see `storage.recovery.replacement`. Return None for a database
    on a server, which looks after its own files.
    """
    if not isinstance(database, SharedDatabase):
        return None
    own = connect(database.path)
    found = _quick_check(own, limit_s, stopped)
    if not found.finished and stopped():
        raise Stopped("The process is stopped.")
    if not found.ok:
        # `own` still knows which file was checked. Another process may have replaced that file by
        # now, and the new one must not be replaced in its turn.
        recover(own)
        if not own.is_closed():
            own.close()
    details = {"finished": found.finished, "finding": found.finding}
    with suppress(PeeweeException):  # The journal cannot be written while the disk is full.
        add_entry(database, JournalEntry(name="check", at=found.at, ok=found.ok, details=details))
    return found


def check_at_start(database: Database) -> None:
    """Check a small file now, and a large one in a thread, so that it does not delay the start.

    Errors are logged, not raised.
    """
    if not isinstance(database, SharedDatabase):
        return
    if (file := database.path).exists() and file.stat().st_size > SMALL:
        name = "tracebot-check"
        threading.Thread(target=_check_quietly, args=(file,), name=name, daemon=True).start()
    else:
        _check_quietly(file)


def _check_quietly(path: Path) -> None:
    own = connect(path)
    try:
        check(own)
        finish_recoveries(own)
    except Exception:
        logger.exception("The database could not be checked")
    finally:
        if not own.is_closed():
            own.close()


def last_check(database: Database) -> Check | None:
    """Return the result of the last check of this database by any process."""
    done = last_entry(database, "check")
    if done is None:
        return None
    return Check(
        at=done.at,
        ok=done.ok,
        finished=bool(done.details.get("finished")),
        finding=str(done.details.get("finding", "")),
    )


def _quick_check(own: SharedDatabase, limit_s: float, stopped: Callable[[], bool]) -> Check:
    now, until = time.time_ns(), time.monotonic() + limit_s
    own.progress(lambda: time.monotonic() > until or stopped(), STEPS)
    try:
        rows: list[tuple[Any, ...]] = own.execute_sql("PRAGMA quick_check(1)").fetchall()
    except Exception as error:
        cause = cause_of(error)
        if cause == DAMAGED:
            return Check(at=now, ok=False, finished=True, finding=str(error))
        if cause == INTERRUPTED:
            return Check(at=now, ok=True, finished=False)
        raise
    finally:
        own.progress(None)
        if not own.is_closed():
            own.close()
    finding = str(rows[0][0])
    ok = finding == "ok"
    return Check(at=now, ok=ok, finished=True, finding="" if ok else finding)
