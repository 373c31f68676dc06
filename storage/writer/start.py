"""Open a database to record into it."""

import logging
import time
from pathlib import Path

from peewee import PeeweeException

from storage.database.base import Database
from storage.database.connect import BUSY_TIMEOUT_MS, database_path, locate
from storage.database.error_causes import PASSING, cause_of
from storage.errors import StorageError, TemporarilyUnavailable
from storage.recovery.opening import prepare
from storage.writer.abandoned import mark_abandoned

logger = logging.getLogger("tracebot.storage")


def open_to_record(url: str | Path | None, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Open the database at a path or URL, and mark the spans of dead processes as abandoned.

    A database that is locked, full or being migrated is not an error: what is recorded waits in the
    spool. Raises `storage.errors.StorageError` for one that cannot be used by waiting.
    """
    located = locate(url, busy_timeout_ms=busy_timeout_ms)
    folder = located.path.parent
    was_missing = not folder.exists()
    try:
        prepare(located, patience=busy_timeout_ms / 1000)
        mark_abandoned(located)
    except (TemporarilyUnavailable, PeeweeException) as error:
        logger.warning(
            _sentence(error if isinstance(error, StorageError) else located.explain(error))
        )
        located.told = cause_of(error), time.monotonic()
    if was_missing and not located.on_server and folder != database_path(None).parent:
        # Else nobody would notice that a path is misspelt.
        logger.warning("The folder %s did not exist: it was created for the database.", folder)
    return located


def _sentence(error: StorageError) -> str:
    """Say what happened, that nothing is lost, and what to do unless it may pass by itself."""
    if isinstance(error, TemporarilyUnavailable) and cause_of(error) in PASSING:
        return f"{error.happened}: what is recorded is stored later, nothing is lost."
    return f"{error} What is recorded is stored later, nothing is lost."
