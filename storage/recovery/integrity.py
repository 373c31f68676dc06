"""Whether the database is whole: SQLite's `quick_check`, bounded in time."""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peewee import PeeweeException

from storage.database.connect import connect
from storage.database.error_causes import DAMAGED, INTERRUPTED, cause_of
from storage.database.shared_file import SharedDatabase
from storage.recovery.replacement import finish_recoveries, recover
from storage.upkeep.journal import JournalEntry, add_entry, last_entry

LIMIT_S = 30.0
SMALL = 64_000_000
"""Bytes that are checked in less time than a start takes."""

STEPS = 10_000
"""SQLite's virtual machine steps between two looks at the clock."""

logger = logging.getLogger("tracebot.storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`at` is nanoseconds. `finished` is False where the time was up before the end."""

    at: int
    ok: bool
    finished: bool
    finding: str = ""


def check(database: SharedDatabase, *, limit_s: float = LIMIT_S) -> Check:
    """Look the whole file through, for at most `limit_s` seconds, and remember what was found.

    A damaged database is replaced, see `storage.recovery.replacement`; the result says so.
    """
    own = connect(database.path)
    found = _quick_check(own, limit_s)
    if not found.ok:
        recover(own)  # The file that was looked through: another may be in its place by now.
        if not own.is_closed():
            own.close()
    details = {"finished": found.finished, "finding": found.finding}
    with suppress(PeeweeException):  # On a full disk nothing is remembered.
        add_entry(database, JournalEntry(name="check", at=found.at, ok=found.ok, details=details))
    return found


def check_at_start(database: SharedDatabase) -> None:
    """Check a small file at once, and a big one beside whatever comes. Raises nothing."""
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


def last_check(database: SharedDatabase) -> Check | None:
    """The last one that any process made of this database."""
    done = last_entry(database, "check")
    if done is None:
        return None
    return Check(
        at=done.at,
        ok=done.ok,
        finished=bool(done.details.get("finished")),
        finding=str(done.details.get("finding", "")),
    )


def _quick_check(own: SharedDatabase, limit_s: float) -> Check:
    now, until = time.time_ns(), time.monotonic() + limit_s
    own.progress(lambda: time.monotonic() > until, STEPS)
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
