"""Run the recurring jobs: digests, retention, checkpoints, checks and recovery.

APScheduler only calls `tick` once a minute. What is due is decided by leases in the database, so
that any number of processes can tick on one database and each job still runs once.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from peewee import PeeweeException

from bot.jobs.digests import Digests
from reports import formatting
from reports.views.health_rules import WAL_LIMIT
from storage.coordination.leases import complete_lease, leased, release_lease_of_dead
from storage.coordination.process_identity import this_process
from storage.database.base import Database
from storage.database.stopping import Stopped, stopped_by
from storage.health import log_size
from storage.model.retention import Folding, Retention
from storage.recovery.integrity import check
from storage.recovery.replacement import finish_recoveries
from storage.store.search_index import add_all
from storage.upkeep.checkpoint import CheckpointMode, checkpoint
from storage.upkeep.erasure import apply_pending, empty_log
from storage.upkeep.folding import fold
from storage.upkeep.issue_counts import count_issues
from storage.upkeep.journal import JournalEntry, add_entry, last_entry
from storage.upkeep.retention import apply_retention, remove_files_here
from storage.writer.abandoned import mark_abandoned

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

TAKE_OVER_S = 2
"""How often other processes are looked at."""

COUNTING_S = 0.5
"""How long a tick counts what an older tracebot did not."""

logger = logging.getLogger("tracebot.schedule")


class Jobs(MemoryJobStore):  # type: ignore[misc]
    """Jobs that are all due at once if the clock was set back.

    By APScheduler they would wait until it has caught up.
    """

    _seen: datetime | None = None

    def get_due_jobs(self, now: datetime) -> Any:
        if self._seen is not None and now < self._seen:
            for job in self.get_all_jobs():
                job.modify(next_run_time=now)
        self._seen = now
        return super().get_due_jobs(now)


class Scheduler:
    """Call `tick` every minute on a background thread."""

    def __init__(
        self,
        database: Database,
        *,
        digests: Digests,
        retention: Retention,
        folding: Folding,
        delete_old_files: Callable[[float], object] = lambda before: None,
        note_connection: Callable[..., object] = lambda *, now, stopped: None,
        check_token: Callable[[], object] = lambda: None,
        adopt: Callable[[], object] = lambda: None,
        take_over: Callable[[int], object] = lambda now: None,
        end_replies: Callable[[int], object] = lambda now: None,
        follow_left: Callable[[], object] = lambda: None,
        run_alerts: Callable[[int], object] = lambda now: None,
        warn_of_budgets: Callable[[int], object] = lambda now: None,
    ) -> None:
        """`delete_old_files` gets the age limit of retention, in seconds since the epoch.

        `note_connection(now=…, stopped=…)` notes whether Slack is connected, for `health`, and
        `check_token` if it takes the bot's token.
        `adopt` begins to store what ended processes have left in the spool, and does not wait:
        that may take minutes, in which digests are due and the bot may be stopped.
        `take_over` answers what processes that are gone have left, and
        `end_replies` ends the replies that nobody ended. It gets the time in nanoseconds.
        `follow_left` follows what became of channels that the bot has left.
        `run_alerts` evaluates the alerts and posts what changed, and `warn_of_budgets` warns of
        budgets that are almost used up, in the same way.
        """
        self._database = database
        self._digests = digests
        self._retention = retention
        self._folding = folding
        self._delete_old_files = delete_old_files
        self._note_connection = note_connection
        self._check_token = check_token
        self._adopt = adopt
        self._take_over = take_over
        self._end_replies = end_replies
        self._follow_left = follow_left
        self._run_alerts = run_alerts
        self._warn_of_budgets = warn_of_budgets
        # It would tell of each job at INFO, every few seconds.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler = BackgroundScheduler(timezone=UTC, jobstores={"default": Jobs()})
        self._closing = threading.Event()
        self._files_removed: date | None = None

    def start(self) -> None:
        # After a suspended machine wakes up, one tick makes up for all that were missed, and it
        # runs however late it is: APScheduler skips a job that is a second late by default.
        self._scheduler.add_job(
            self._tick_now,
            "interval",
            minutes=1,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        # At once, too: people wait for what the process before this one left.
        self._scheduler.add_job(self._end_replies_now)
        self._scheduler.add_job(
            self.take_over,
            "interval",
            seconds=TAKE_OVER_S,
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Begin no more jobs, and wait for those that run: upkeep ends with its transaction."""
        if self._scheduler.running:
            self._closing.set()
            self._scheduler.shutdown(wait=True)
            self._note(time.time_ns(), stopped=True)

    def tick(self, *, now: int) -> None:
        """Run the jobs that are due. An error in one of them does not keep the others from running.

        `now` is in nanoseconds since the epoch.
        """
        self._note(now, stopped=False)
        self._attempt("Ending replies", lambda: self._end_replies(now))
        self._attempt("Checking the token", self._check_token)
        # Before anything that tells channels of statistics.
        self._attempt("Following channels", self._follow_left)
        self._attempt("Sending digests", lambda: self._digests.send_due(now=now))
        self._attempt("The alerts", lambda: self._run_alerts(now))
        self._attempt("Warning of budgets", lambda: self._warn_of_budgets(now))
        self._attempt("Storing spooled spans", self._adopt)
        self._attempt("Erasing", self._erase)
        self._attempt("The search index", self._index)
        self._attempt("Counting issues", lambda: self._count_issues(now))
        self._attempt("The checkpoint", lambda: self._checkpoint("passive", now))
        self._attempt("The recovery", lambda: self._recover(now))
        today = datetime.fromtimestamp(now / 1_000_000_000, UTC).date()
        self._attempt("Retention", lambda: self._daily(f"retention:{today}", self._retain, now))
        self._attempt("Removing files", lambda: self._remove_files_here(today, now))
        self._attempt(
            "The daily checkpoint", lambda: self._daily(f"truncate:{today}", self._truncate, now)
        )
        self._attempt(
            "The integrity check", lambda: self._daily(f"check:{today}", self._check, now)
        )

    def _tick_now(self) -> None:
        self.tick(now=time.time_ns())
        if not self._database.is_closed():
            # Connections belong to a thread, and APScheduler's threads end after a while. One that
            # stayed open on a dead thread would count as a reader and keep the log from shrinking.
            self._database.close()

    def _note(self, now: int, *, stopped: bool) -> None:
        self._try("Noting the connection", lambda: self._note_connection(now=now, stopped=stopped))

    def _end_replies_now(self) -> None:
        self._attempt("Ending replies", lambda: self._end_replies(time.time_ns()))
        self._database.close()

    def take_over(self) -> None:
        """Go on with what processes that are gone have left, and end the spans that they began."""
        # It keeps its connection open, being back in a moment.
        self._attempt("Taking over", lambda: self._take_over(time.time_ns()))
        # A start does so too, unless the database is locked just then.
        self._attempt("Ending spans", lambda: mark_abandoned(self._database))

    def _attempt(self, job: str, run: Callable[[], object]) -> None:
        if not self._closing.is_set():
            self._try(job, run)

    def _try(self, job: str, run: Callable[[], object]) -> None:
        try:
            run()
        except Stopped:
            logger.info("%s is left for later, as the bot is stopped.", job)
        except PeeweeException as error:
            logger.warning(
                "%s failed because of the database (%s). The next tick tries again.", job, error
            )
        except Exception:
            logger.exception("%s failed", job)

    def _daily(self, key: str, run: Callable[[int], None], now: int) -> None:
        # Of a process that ended at it, too: only what succeeded is done for today.
        release_lease_of_dead(self._database, key)
        mine = this_process()
        with leased(self._database, key, owner=mine, now=now, lease_ns=DAY_NS) as acquired:
            if acquired:
                run(now)
                complete_lease(self._database, key, now=now)

    def _count_issues(self, now: int) -> None:
        count_issues(self._database, now=now, until=time.monotonic() + COUNTING_S)

    def _erase(self) -> None:
        # What could not be erased when it was asked for, and what an older backup brought back.
        with stopped_by(self._closing):
            if apply_pending(self._database):
                empty_log(self._database)

    def _index(self) -> None:
        with stopped_by(self._closing):
            add_all(self._database)

    def _retain(self, now: int) -> None:
        if self._database.on_server:
            # By its clock, and so that whole days are due, which are dropped at once.
            now = self._database.now() // DAY_NS * DAY_NS
        # First, as retention then gives the free pages back and counts what is left.
        with stopped_by(self._closing):
            fold(self._database, self._folding, now=now)
            removed = apply_retention(self._database, self._retention, now=now)
        if removed.traces:
            logger.info("Retention removed %d traces.", removed.traces)

    def _remove_files_here(self, today: date, now: int) -> None:
        """Do once a day in each process what retention of another machine cannot do here."""
        if self._files_removed == today:
            return
        remove_files_here(self._database, self._retention, now=now)
        if (age := self._retention.older_than_ns) is not None:
            self._delete_old_files((now - age) / SECOND_NS)
        self._files_removed = today

    def _truncate(self, now: int) -> None:
        self._checkpoint("truncate", now)

    def _check(self, now: int) -> None:
        check(self._database, stopped=self._closing.is_set)

    def _recover(self, now: int) -> None:
        with stopped_by(self._closing):
            finish_recoveries(self._database)
        self._digests.send_recoveries(now=now)

    def _checkpoint(self, mode: CheckpointMode, now: int) -> None:
        result = checkpoint(self._database, mode)
        if result.left:
            return  # To Litestream; `health` says if it fails at that.
        if not result.complete:
            logger.warning("A %s checkpoint is not complete: %s.", mode, result.reason)
        before = last_entry(self._database, "checkpoint")
        # Noted once an hour unless the result changed: a note every minute would write to the
        # database, and so make the next checkpoint necessary, on a machine where nothing happens.
        if before is None or before.ok != result.complete or before.at < now - HOUR_NS:
            done = JournalEntry(name="checkpoint", at=now, ok=result.complete)
            add_entry(self._database, done)
            self._watch_log()

    def _watch_log(self) -> None:
        size = log_size(self._database.path)
        if size > WAL_LIMIT:
            logger.warning(
                "The write-ahead log has grown to %s, because a program that reads the database "
                "keeps it from being emptied. End programs that have had the database open for "
                "long, then run tracebot checkpoint --truncate.",
                formatting.size(size),
            )
