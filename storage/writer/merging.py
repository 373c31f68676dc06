"""Run what batches leave for later, from time to time, between a writer's batches."""

import random
import time

from storage.database.base import Database
from storage.database.partitions import keep_ahead
from storage.store.deferred import run_deferred_work
from storage.store.facts import facts_waiting

MERGE_EVERY_S = 1.0
"""About how often facts are added up, if there are any."""

MERGE_S = 0.05
"""How long facts are added up before new spans get their turn."""

LOOK_AHEAD_S = 3_600.0
"""How often a process that records looks if the next days have partitions."""

LEFT_TO_OTHERS = 500
"""Up to so many facts are left to the next writer: a short command should not wait for them."""


class Merging:
    """Add up the facts of this writer's batches, and index their traces.

    Both wait in the database, so that another process does it if this one cannot.
    """

    def __init__(self, database: Database, *, patience: float) -> None:
        self._database = database
        self._patience = patience
        self._look_ahead_at = time.monotonic() + LOOK_AHEAD_S
        self._due_at: float | None = None
        """By the monotonic clock; None if this writer has stored nothing new."""

    def plan(self) -> None:
        """Plan to run after the batch that was just stored, unless it is planned already."""
        if self._due_at is None:
            # At another time than other processes, which would wait for each other.
            self._due_at = time.monotonic() + MERGE_EVERY_S * (0.5 + random.random())

    @property
    def due_in(self) -> float | None:
        """Return in how many seconds there is work to do, or None if there is none."""
        return None if self._due_at is None else max(self._due_at - time.monotonic(), 0.0)

    def run(self) -> None:
        """Run for at most `MERGE_S`, if it is time to. Raises the database's errors."""
        if self.due_in != 0:
            return
        now = time.monotonic()
        self._due_at = now + MERGE_EVERY_S  # If the database takes nothing now.
        if now >= self._look_ahead_at:
            self._look_ahead_at = now + LOOK_AHEAD_S
            keep_ahead(self._database)
        done = run_deferred_work(self._database, until=now + MERGE_S, deadline=self._patience)
        self._due_at = None if done else now

    def finish(self) -> None:
        """Before the writer closes, run for up to a second if much is left."""
        if self._due_at is not None and facts_waiting(self._database) > LEFT_TO_OTHERS:
            run_deferred_work(self._database, until=time.monotonic() + 1.0, deadline=self._patience)
