"""What happens by itself: a tick a minute, and the database says what is due."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from peewee import PeeweeException

from bot.jobs.digests import Digests
from reports import formatting
from reports.views.health import WAL_LIMIT
from storage.coordination.leases import acquire_lease
from storage.coordination.process_identity import this_process
from storage.database.shared_file import SharedDatabase
from storage.health import log_size
from storage.model.retention import Retention
from storage.recovery.integrity import check
from storage.recovery.replacement import finish_recoveries
from storage.upkeep.checkpoint import CheckpointMode, checkpoint
from storage.upkeep.journal import JournalEntry, add_entry, last_entry
from storage.upkeep.retention import apply_retention
from storage.writer.delivery import adopt

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

logger = logging.getLogger("tracebot.schedule")


class Scheduler:
    """Ticks in the background. Any number of processes may tick on one database."""

    def __init__(
        self,
        database: SharedDatabase,
        *,
        digests: Digests,
        retention: Retention,
        tidy: Callable[[float], object] = lambda before: None,
    ) -> None:
        """`tidy` removes what is kept elsewhere and is older than a moment, in seconds."""
        self._database = database
        self._digests = digests
        self._retention = retention
        self._tidy = tidy
        self._scheduler = BackgroundScheduler(timezone=UTC)

    def start(self) -> None:
        self._scheduler.add_job(
            self._tick_now,
            "interval",
            minutes=1,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._scheduler.start()

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def tick(self, *, now: int) -> None:
        """Do what is due. One thing that fails keeps nothing else from being done."""
        self._attempt("The digest", lambda: self._digests.send_due(now=now))
        self._attempt("What waits in the spool", lambda: adopt(self._database))
        self._attempt("The checkpoint", lambda: self._checkpoint("passive", now))
        self._attempt("The recovery", lambda: self._recover(now))
        today = datetime.fromtimestamp(now / 1_000_000_000, UTC).date()
        self._attempt("Retention", lambda: self._daily(f"retention:{today}", self._retain, now))
        self._attempt(
            "The daily checkpoint", lambda: self._daily(f"truncate:{today}", self._truncate, now)
        )
        self._attempt("The check", lambda: self._daily(f"check:{today}", self._check, now))

    def _tick_now(self) -> None:
        self.tick(now=time.time_ns())
        if not self._database.is_closed():
            # APScheduler's threads come and go; a connection left open would be a reader.
            self._database.close()

    def _attempt(self, what: str, do: Callable[[], object]) -> None:
        try:
            do()
        except PeeweeException as error:
            logger.warning("%s has to wait, the database does not answer: %s", what, error)
        except Exception:
            logger.exception("%s failed", what)

    def _daily(self, key: str, do: Callable[[int], None], now: int) -> None:
        if acquire_lease(self._database, key, owner=this_process(), now=now, lease_ns=DAY_NS):
            do(now)

    def _retain(self, now: int) -> None:
        removed = apply_retention(self._database, self._retention, now=now)
        if removed.traces:
            logger.info("Retention removed %d traces.", removed.traces)
        if (age := self._retention.older_than_ns) is not None:
            self._tidy((now - age) / SECOND_NS)

    def _truncate(self, now: int) -> None:
        self._checkpoint("truncate", now)

    def _check(self, now: int) -> None:
        check(self._database)

    def _recover(self, now: int) -> None:
        finish_recoveries(self._database)
        self._digests.tell_of_recoveries(now=now)

    def _checkpoint(self, mode: CheckpointMode, now: int) -> None:
        result = checkpoint(self._database, mode)
        if not result.complete:
            logger.warning("A %s checkpoint is not complete: %s.", mode, result.reason)
        before = last_entry(self._database, "checkpoint")
        # Each minute's would be a write a minute on a machine where nothing happens.
        if before is None or before.ok != result.complete or before.at < now - HOUR_NS:
            done = JournalEntry(name="checkpoint", at=now, ok=result.complete)
            add_entry(self._database, done)
            self._watch_log()

    def _watch_log(self) -> None:
        size = log_size(self._database.path)
        if size > WAL_LIMIT:
            logger.warning(
                "The write-ahead log has grown to %s: a reader keeps it from being emptied. End "
                "programs that have had the database open for long, then tracebot checkpoint "
                "--truncate.",
                formatting.size(size),
            )
