"""Erase from the record what people delete or edit in Slack, or ask to forget."""

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from peewee import PeeweeException

from storage import Observability
from storage.model.erasure import Erasure
from storage.recovery.known_backups import known_backups
from storage.store.erasure_log import append, erasure_log
from storage.store.spool_files import spool_folder, waiting
from storage.upkeep.erasure import Erased, apply_pending, empty_log, erase, replace_text
from storage.upkeep.litestream import litestream_folder, replication
from storage.upkeep.retention import old_copies
from storage.writer.delivery import adopt

RETRY_S = 2.0
"""How long after a failure the database is tried again."""

FLUSH_S = 5.0

logger = logging.getLogger("tracebot.eraser")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The result of forgetting a person.

    `spools` are files of running processes that the database has not taken yet, `log_emptied` says
    whether SQLite's log has none of the text any more. `set_aside`, `backups` and `litestream`, the
    folder of that program, are files that the erasure does not reach.
    """

    erased: Erased
    spools: int
    log_emptied: bool
    set_aside: tuple[Path, ...]
    backups: tuple[Path, ...]
    litestream: Path | None


class Eraser:
    """Follow deletions and edits at once, or as soon as the database can be written."""

    def __init__(self, observability: Observability) -> None:
        self._observability = observability
        self._unlogged: list[Erasure] = []
        """Erasures that are not in the log yet; nothing else knows of them."""
        self._edits: dict[Erasure, str] = {}
        """Edited messages whose new text is not stored yet."""
        self._lock = threading.Lock()
        self._logging = threading.Lock()
        self._applying = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = self._failing = False

    def add(self, erasure: Erasure, *, text: str | None) -> None:
        """Erase from now on what is recorded of a message, in every process; *text* replaces it.

        This needs no database. `apply` erases what is stored already, and adds what a full disk
        does not take now.
        """
        with self._lock:
            self._unlogged.append(erasure)
            if text is not None:
                self._edits[erasure] = text
        with suppress(OSError):
            self._log()

    def _log(self) -> None:
        """Add to the log what is not in it. Raises OSError."""
        with self._logging:
            while self._unlogged:
                append(erasure_log(self._observability.database.path), self._unlogged[0])
                del self._unlogged[0]

    def apply(self) -> None:
        """Erase what is stored; if the database cannot be written now, do it later."""
        # One at a time: Slack tells each organisation of a shared channel of the same edit.
        with self._applying:
            self._apply()

    def _apply(self) -> None:
        database = self._observability.database
        with self._lock:
            edits = dict(self._edits)
        try:
            self._log()
            # The messages themselves may still be on their way to the database.
            stored = self._observability.flush(1.0)
            apply_pending(database)
            for edit, text in edits.items():
                replace_text(database, edit, text)
            empty_log(database)
        except (PeeweeException, OSError) as error:
            if not self._failing:  # Once, not with every try.
                logger.error(
                    "The stored text of an edited or deleted message stays until the database can "
                    "be written: %s",
                    error,
                )
            self._failing = True
            self._try_again()
            return
        self._failing = False
        if edits and not stored:
            self._try_again()
            return
        with self._lock:
            for edit in edits:
                self._edits.pop(edit, None)

    def close(self) -> None:
        """Try no more. The next start applies what is left in the log."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        try:
            self._log()
        except OSError as error:
            logger.error(
                "The stored text of %d edited or deleted messages stays, because the log of "
                "erasures cannot be written: %s",
                len(self._unlogged),
                error,
            )

    def _try_again(self) -> None:
        with self._lock:
            if self._closed or (self._timer is not None and self._timer.is_alive()):
                return
            self._timer = threading.Timer(RETRY_S, self._apply_on_timer)
            self._timer.daemon = True
            self._timer.start()

    def _apply_on_timer(self) -> None:
        with self._lock:
            self._timer = None
        try:
            self.apply()
        finally:
            if not self._observability.database.is_closed():  # A connection belongs to its thread.
                self._observability.database.close()


def forget(observability: Observability, erasure: Erasure) -> Forgotten:
    """Erase what a person wrote, everywhere, and record that it was done.

    Raises `PeeweeException` if the database cannot be written now; the erasure is in the log then,
    and is applied later.
    """
    database = observability.database
    with observability.span("forget", decision="skip") as span:
        append(erasure_log(database.path), erasure)
        observability.flush(FLUSH_S)
        adopt(database)
        erased = erase(database, erasure)
        spools, _ = waiting(spool_folder(database.path))
        emptied = empty_log(database).complete
        span.set(
            **{
                "tracebot.erasure.user": erasure.user,
                "tracebot.erasure.by": erasure.by,
                "tracebot.erasure.messages": erased.messages,
                "tracebot.erasure.quoting": erased.quoting,
                "tracebot.erasure.spans": erased.spans,
                "tracebot.erasure.files": erased.files,
            }
        )
    return Forgotten(
        erased=erased,
        spools=spools,
        log_emptied=emptied,
        set_aside=tuple(sorted(old_copies(database.path))),
        backups=known_backups(database.path),
        litestream=litestream_folder(database.path) if replication(database) else None,
    )
