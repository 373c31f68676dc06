"""Bring batches into the database, or into the spool until the database can take them.

A `Delivery` belongs to its writer's thread and has no locks. In a forked child `abandon` is called
on it, when that thread does not exist any more.
"""

import logging
import math
import random
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cysqlite import DatabaseCorruptError
from peewee import (
    DataError,
    IntegrityError,
    NotSupportedError,
    PeeweeException,
    ProgrammingError,
)

from storage.coordination.process_identity import new_writer
from storage.database.base import Database
from storage.database.error_causes import DAMAGED, LOCKED, PASSING, TOO_LARGE, cause_of
from storage.database.shared_file import BUSY_MS, SharedDatabase
from storage.errors import StorageError, TemporarilyUnavailable
from storage.model.batch import Batch
from storage.recovery.opening import prepare
from storage.store.batch import store
from storage.store.spool_files import spool_folder, waiting
from storage.writer.abandoned import mark_abandoned
from storage.writer.dropped import DropCounters
from storage.writer.merging import Merging
from storage.writer.spool import Spool, SpoolFull, left_behind

PATIENCE_S = 0.1
"""How long a batch waits for other writers, or for a migration, before it goes to the spool."""

RETRY_S = 0.25
"""How long after a failure the database is tried again."""

REPLAY_S = 0.1
"""How long the spool is replayed before new spans get their turn."""

WARN_AFTER_S = 1.0
"""How long one of `PASSING` may last before anybody is told. The others need somebody at once."""

WARN_EVERY_S = 60.0

WAITING = "The database cannot be written, so spans wait in the spool"

REFUSED = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""Errors of a row that the database will never take. Its other errors may pass."""

UNAVAILABLE = (PeeweeException, StorageError, OSError, DatabaseCorruptError)

logger = logging.getLogger("tracebot.storage")


class Delivery:
    """Bring one writer's batches into the database, in their order and each exactly once.

    While a batch waits in the spool, those that follow are spooled behind it, to keep the order.
    When it is empty, the spools of writers that have ended are replayed. `database` must not be
    used for anything else. `told` is `Database.told`, so that nobody is told twice.
    """

    def __init__(
        self,
        database: Database,
        *,
        spool: Path,
        process: str,
        dropped: DropCounters,
        told: tuple[str, float] | None = None,
    ) -> None:
        self.process = process
        self.committed = 0
        """The number of the last batch of this writer that is in the database."""
        self._database = database
        self._open = False
        self._folder = spool
        self._spool = Spool(spool, process)
        self._dropped = dropped
        self._backlog = self._spooled_batches()
        self._next: Sequence[Batch] | None = None
        self._replaying = True
        self._adopted = 0
        """How many batches of ended writers were stored since their running spans were ended."""
        self._retry_at = self._full_until = 0.0
        self._merging = Merging(database, patience=PATIENCE_S)
        self._failing_since: float | None = None
        self._warned_at: dict[tuple[str, str], float] = {}
        if told is not None:
            self._warned_at[WAITING, told[0]] = told[1]

    def deliver(self, batch: Batch) -> bool:
        """Store or spool a batch. False if neither has room: offer it again later."""
        now = time.monotonic()
        if now < self._full_until:
            return False
        direct = not self._spool and now >= self._retry_at
        return (direct and self._store(batch)) or self.spool(batch)

    def replay(self) -> None:
        """Replay spools for at most `REPLAY_S`, if there are any and it is time to try."""
        now = time.monotonic()
        if not self._replaying or now < self._retry_at:
            return
        try:
            while time.monotonic() < now + REPLAY_S and self._replay_next():
                pass
        except OSError as error:
            # A generator that raised has ended, and would pass for one that has nothing left.
            self._begin_replay()
            self._failed(error)

    def look_for_left_behind(self) -> None:
        """Let `replay` look for spools of ended writers again. May be called from any thread."""
        self._replaying = True

    def merge(self) -> None:
        """Do what batches leave for later, if it is time to and the database takes anything."""
        if time.monotonic() < self._retry_at:
            return
        try:
            self._merging.run()
        except Exception as error:
            # Whatever it is, it must not cost a batch: these are stored before, and after it.
            if not _may_pass(error):
                self._warn("What was recorded is stored, but not yet counted or indexed", error)
            elif cause_of(error) != LOCKED:
                self._failed(error)

    @property
    def most_traces(self) -> int | None:
        """Return of how many traces a batch may be, so that it keeps no other writer waiting."""
        return self._database.most_names

    @property
    def next_merge(self) -> float | None:
        """Return in how many seconds `merge` has work to do, or None if it has none."""
        due_in = self._merging.due_in
        return None if due_in is None else max(due_in, self._retry_at - time.monotonic())

    @property
    def next_try(self) -> float | None:
        """Return in how many seconds `replay` has work to do, or None if nothing is spooled."""
        return max(self._retry_at - time.monotonic(), 0.0) if self._replaying else None

    @property
    def spooled(self) -> bool:
        """Return True while batches of this writer wait in its spool."""
        return bool(self._spool)

    def disconnect(self) -> None:
        """Close the connection. The next batch opens a new one."""
        self._open = False
        with suppress(*UNAVAILABLE):  # Peewee forgets the connection all the same.
            self._database.close()

    def close(self) -> None:
        """Let go of the spool, so that a later process can replay what is left."""
        self._backlog.close()
        self._spool.close()
        with suppress(*UNAVAILABLE):  # Other processes do it.
            self._merging.finish()
        self.disconnect()

    def abandon(self) -> None:
        """In a forked child, let go of the parent's spool but leave its connection alone.

        See `storage.database.fork_safety`.
        """
        with suppress(ValueError):  # The parent's thread was running the generator.
            self._backlog.close()
        self._spool.close()

    def spool(self, batch: Batch) -> bool:
        """Append a batch to the spool. False if it has no room."""
        first = not self._spool
        try:
            self._spool.append(batch)
        except (OSError, SpoolFull) as error:
            self._full_until = time.monotonic() + RETRY_S
            self._warn("The spool cannot be written either, so spans wait in memory", error)
            return False
        if first:
            self._begin_replay()
        return True

    def _begin_replay(self) -> None:
        self._backlog.close()
        self._backlog = self._spooled_batches()
        self._next, self._replaying = None, True

    def _spooled_batches(self) -> Generator[Sequence[Batch]]:
        """Yield this writer's spooled batches, then those of ended writers, in groups.

        Asking for the next group confirms that the last one is stored.
        """
        yield from self._spool.groups()
        for group in left_behind(self._folder):
            yield group
            self._adopted += len(group)

    def _replay_next(self) -> bool:
        """Store a group of spooled batches. False if there is none, or it is not taken now."""
        self._next = self._next or next(self._backlog, None)
        if self._next is None:
            if not self._adopted or self._finish_adoption():
                self._begin_replay()
                self._replaying = False
            return False
        if not self._store(*self._next):
            return False
        self._next = None
        return True

    def _finish_adoption(self) -> bool:
        """End the spans that the adopted writers left running. False to try again later."""
        # Only now: the ends of these spans may have been in the spool.
        try:
            mark_abandoned(self._database)
        except UNAVAILABLE as error:
            self._failed(error)
            return False
        self._failing_since = None
        logger.info("Stored %d batches that ended processes had left in the spool.", self._adopted)
        self._adopted = 0
        return True

    def _store(self, *batches: Batch) -> bool:
        """Store batches together, or else each by itself, without what will never be taken.

        False to try again later.
        """
        try:
            self._write(*batches)
        except Exception as error:
            if _may_pass(error):
                self._failed(error)
                return False
            if len(batches) > 1:
                return all(self._store(each) for each in batches)
            if not self._write_apart(batches[0], error):
                return False
        self._failing_since = None
        if any(each.spans for each in batches):
            self._merging.plan()
        if batches[-1].process == self.process:
            self.committed = batches[-1].number
        return True

    def _write(self, *batches: Batch) -> None:
        while True:
            if not self._open:
                self._prepare()
            store(self._database, *batches, deadline=PATIENCE_S)
            if self._database.is_current():
                return
            # The file was moved or deleted meanwhile, with what was just stored: store it again in
            # the file that is there now.
            self.disconnect()

    def _prepare(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                prepare(self._database, patience=PATIENCE_S)
                break
            except TemporarilyUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02 * random.random())
        self._open = True

    def _write_apart(self, batch: Batch, error: Exception) -> bool:
        """Store each item by itself, so that a refused one takes no other with it.

        Each gets a number under a name derived from the batch's, so that a replay changes nothing.
        """
        logger.error("The database refused part of a batch, which was dropped: %s", error)
        for number, piece in enumerate(_pieces(batch), 1):
            piece.process, piece.number = f"{batch.process}#{batch.number}", number
            try:
                self._write(piece)
            except Exception as refusal:
                if _may_pass(refusal):
                    self._failed(refusal)
                    return False
                self._dropped.add_dropped(_kind(piece))
        return self._store(Batch(batch.process, batch.number))

    def _failed(self, error: Exception) -> None:
        cause, now = cause_of(error), time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._dropped.add_write_failure(cause)
        self._retry_at = now + RETRY_S
        if cause == DAMAGED and isinstance(self._database, SharedDatabase):
            self._recover(self._database)
        if cause != LOCKED:
            self.disconnect()
        if cause not in PASSING or now >= self._failing_since + WARN_AFTER_S:
            self._warn(WAITING, error)

    def _recover(self, database: SharedDatabase) -> None:
        from storage.recovery.replacement import recover  # Rarely needed and slow to import.

        try:
            recover(database)
        except UNAVAILABLE as error:
            self._warn("The database is damaged and could not be replaced yet", error)

    def _warn(self, what: str, error: Exception) -> None:
        now, key = time.monotonic(), (what, cause_of(error))
        if now < self._warned_at.get(key, -math.inf) + WARN_EVERY_S:
            return
        self._warned_at[key] = now
        # A file's errors are about opening it.
        explained = self._database.on_server and isinstance(error, PeeweeException)
        why = self._database.explain(error) if explained else error
        files, size = waiting(self._folder)
        spool = f" Spool: {files} files, {size:,} bytes." if files else ""
        logger.warning("%s: %s.%s", what, str(why).rstrip("."), spool)


def delivery_for(database: Database, *, dropped: DropCounters) -> Delivery:
    """Return the delivery of a new writer of this process, with its own connection."""
    own = database.another(busy_timeout_ms=BUSY_MS, thread_safe=False)
    spool = spool_folder(database.path)
    return Delivery(own, spool=spool, process=new_writer(), dropped=dropped, told=database.told)


def adopt(database: Database) -> None:
    """Store the spools of writers that have ended, as far as the database takes them."""
    delivery = delivery_for(database, dropped=DropCounters())
    while delivery.next_try == 0:
        delivery.replay()
    delivery.close()


def _may_pass(error: Exception) -> bool:
    if cause_of(error) == TOO_LARGE:
        return False
    return isinstance(error, UNAVAILABLE) and not isinstance(error, REFUSED)


def _pieces(batch: Batch) -> Iterator[Batch]:
    for span in batch.spans:
        yield Batch("", 0, spans=[span], resumed=batch.resumed & {span.span_id})
    for metric in batch.metrics:
        yield Batch("", 0, metrics=[metric])
    for log in batch.logs:
        yield Batch("", 0, logs=[log])
    for score in batch.scores:
        yield Batch("", 0, scores=[score])


def _kind(piece: Batch) -> str:
    return next(kind for kind in ("spans", "metrics", "logs", "scores") if getattr(piece, kind))
