"""The way of a batch: into the database, or into the spool until the database can take it.

Used by a writer's thread alone, but for `disconnect`.
"""

import logging
import random
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from cysqlite import DatabaseCorruptError
from peewee import (
    Database,
    DataError,
    IntegrityError,
    NotSupportedError,
    PeeweeException,
    ProgrammingError,
)

from storage.coordination.process_identity import new_writer
from storage.database.connect import connect
from storage.database.error_causes import DAMAGED, LOCKED, cause_of
from storage.database.shared_file import SharedDatabase, file_at
from storage.errors import StorageError, TemporarilyUnavailable
from storage.recovery.opening import prepare
from storage.store.batch import Batch, store
from storage.writer.abandoned import mark_abandoned
from storage.writer.dropped import Losses
from storage.writer.spool import Spool, SpoolFull, left_behind, spool_folder, waiting

PATIENCE_S = 0.1
"""How long a batch waits for other writers, and for a migration, before it goes to the spool."""

BUSY_MS = 10
"""SQLite's own waiting, between tries: ours has jitter, and is fairer between processes."""

RETRY_S = 0.25
CATCH_UP_S = 0.1
"""How long what waits is replayed before new spans are looked after."""

WARN_AFTER_S = 1.0
WARN_EVERY_S = 60.0

REFUSED = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""What the database will never take. Any other of its errors may pass."""

UNAVAILABLE = (PeeweeException, StorageError, OSError, DatabaseCorruptError)

logger = logging.getLogger("tracebot.storage")


class Delivery:
    """Brings one writer's batches into the database: in their order, and each once.

    While one waits in the spool, those after it wait behind it. Then come the batches that
    writers which are gone left in theirs. `database` is not used by anyone else.
    """

    def __init__(
        self, database: SharedDatabase, *, spool: Path, process: str, losses: Losses
    ) -> None:
        self.process = process
        self.committed = 0
        """The number of the last batch that the database has."""
        self._database = database
        self._open = False
        self._folder = spool
        self._spool = Spool(spool, process)
        self._losses = losses
        self._backlog = self._waiting()
        self._next: Batch | None = None
        self._behind = True
        self._adopted = 0
        self._retry_at = self._full_until = 0.0
        self._failing_since: float | None = None
        self._warned_at = float("-inf")

    def deliver(self, batch: Batch) -> bool:
        """Whether the batch is stored or spooled. False: keep it, neither has room."""
        now = time.monotonic()
        if now < self._full_until:
            return False
        direct = not self._spool and now >= self._retry_at
        return (direct and self._store(batch)) or self.keep(batch)

    def catch_up(self) -> None:
        """Replay for a moment of what waits, where it is time to try."""
        now = time.monotonic()
        if not self._behind or now < self._retry_at:
            return
        try:
            while time.monotonic() < now + CATCH_UP_S and self._replay_next():
                pass
        except OSError as error:
            self._failed(error)

    @property
    def next_try(self) -> float | None:
        """In how many seconds `catch_up` has something to do; None when nothing waits."""
        return max(self._retry_at - time.monotonic(), 0.0) if self._behind else None

    @property
    def spooled(self) -> bool:
        """Whether batches of this writer wait in its spool."""
        return bool(self._spool)

    def disconnect(self) -> None:
        """Close the connection; the next batch opens another."""
        self._open = False
        with suppress(*UNAVAILABLE):  # It is forgotten all the same.
            self._database.close()

    def close(self) -> None:
        """Let a later process replay what is left."""
        self._backlog.close()
        self._spool.close()
        self.disconnect()

    def abandon(self) -> None:
        """In a forked child, of its parent's: let go of the spool.

        The connection is left alone, see `storage.database.fork_safety`.
        """
        with suppress(ValueError):  # The parent's thread was running it.
            self._backlog.close()
        self._spool.close()

    def keep(self, batch: Batch) -> bool:
        """Spool a batch; False where there is no room."""
        first = not self._spool
        try:
            self._spool.append(batch)
        except (OSError, SpoolFull) as error:
            self._full_until = time.monotonic() + RETRY_S
            self._warn(f"What is recorded waits in memory, as the spool fails, too: {error}")
            return False
        if first:
            self._begin_replay()
        return True

    def _begin_replay(self) -> None:
        self._backlog.close()
        self._backlog = self._waiting()
        self._next, self._behind, self._adopted = None, True, 0

    def _waiting(self) -> Generator[Batch]:
        yield from self._spool.batches()
        for batch in left_behind(self._folder):
            yield batch
            self._adopted += 1

    def _replay_next(self) -> bool:
        """Store one batch that waits; False when there is none, or it has to go on waiting."""
        self._next = self._next or next(self._backlog, None)
        if self._next is None:
            adopted = self._adopted
            self._begin_replay()
            self._behind = False
            if adopted:
                self._welcome(adopted)
            return False
        if not self._store(self._next):
            return False
        self._next = None
        return True

    def _welcome(self, adopted: int) -> None:
        logger.info("%d batches that ended processes left in the spool are stored.", adopted)
        with suppress(*UNAVAILABLE):  # Else the next start does it.
            mark_abandoned(self._database)

    def _store(self, batch: Batch) -> bool:
        """Whether the database has the batch now, but for what it will never take."""
        try:
            self._write(batch)
        except Exception as error:
            if _may_pass(error):
                self._failed(error)
                return False
            if not self._write_apart(batch, error):
                return False
        self._failing_since = None
        if batch.process == self.process:
            self.committed = batch.number
        return True

    def _write(self, batch: Batch) -> None:
        while True:
            if not self._open:
                self._prepare()
            store(self._database, batch, deadline=PATIENCE_S)
            if self._database.file == file_at(self._database.path):
                return
            # The file was moved or deleted meanwhile, and what was stored went with it.
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
        """Each thing by itself, so that what is refused takes nothing else along.

        They are numbered under a name of the batch's own, so that a replay changes nothing.
        """
        logger.error("The database refuses some of a batch, which is counted as dropped: %s", error)
        for number, piece in enumerate(_pieces(batch), 1):
            piece.process, piece.number = f"{batch.process}#{batch.number}", number
            try:
                self._write(piece)
            except Exception as refusal:
                if _may_pass(refusal):
                    self._failed(refusal)
                    return False
                self._losses.dropped(_kind(piece))
        return self._store(Batch(batch.process, batch.number))

    def _failed(self, error: Exception) -> None:
        cause, now = cause_of(error), time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._losses.failed(cause)
        self._retry_at = now + RETRY_S
        if cause == DAMAGED:
            self._recover()
        if cause != LOCKED:
            self.disconnect()
        if now >= self._failing_since + WARN_AFTER_S:
            self._warn(f"What is recorded waits in the spool, as the database fails: {error}")

    def _recover(self) -> None:
        from storage.recovery.replacement import recover  # Rarely needed, and much to import.

        try:
            recover(self._database)
        except UNAVAILABLE as error:
            self._warn(f"The database is damaged, and cannot be replaced yet: {error}")

    def _warn(self, sentence: str) -> None:
        now = time.monotonic()
        if now < self._warned_at + WARN_EVERY_S:
            return
        self._warned_at = now
        files, size = waiting(self._folder)
        logger.warning("%s. %d files wait, %s bytes.", sentence, files, f"{size:,}")


def delivery_for(database: Database, *, losses: Losses) -> Delivery:
    """For one more writer of this process, by a connection of its own."""
    path = Path(database.database)
    own = connect(path, busy_timeout_ms=BUSY_MS, thread_safe=False)
    return Delivery(own, spool=spool_folder(path), process=new_writer(), losses=losses)


def adopt(database: Database) -> None:
    """Store what writers that are gone left in the spool, as far as the database takes it."""
    delivery = delivery_for(database, losses=Losses())
    while delivery.next_try == 0:
        delivery.catch_up()
    delivery.close()


def _may_pass(error: Exception) -> bool:
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
