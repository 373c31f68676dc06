"""The turns that run in this process, and how each is stopped: from here, or by another process.

Slack hands an event or a button to any one of an app's connections, and a shell is no connection
at all. A wish to stop a turn of another process therefore goes through the database, which each
process watches while it has turns that run.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from peewee import Database, PeeweeException

from bot.agents.cancellation import Cancellation
from storage.coordination.cancel_requests import wishes

WATCH_S = 1.0

logger = logging.getLogger("tracebot.running")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTurn:
    """A turn whose agents are at work. Its names are those of a stored trace."""

    trace_id: str
    team: str
    channel: str
    thread_ts: str
    message_ts: str
    user: str
    audience: str
    cancellation: Cancellation = field(default_factory=Cancellation)


class RunningTurns:
    """Knows them by trace id; `database` is asked for wishes of others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: dict[str, RunningTurn] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._all_cancelled_by: str | None = None
        self._watch = threading.Thread(
            target=self._fulfil_wishes, name="tracebot-running", daemon=True
        )
        self._watch.start()

    @contextmanager
    def running(self, turn: RunningTurn) -> Iterator[Cancellation]:
        with self._changed:
            self._turns[turn.trace_id] = turn
            self._changed.notify_all()
            if self._all_cancelled_by is not None:
                turn.cancellation.cancel(self._all_cancelled_by)
        try:
            yield turn.cancellation
        finally:
            with self._changed:
                del self._turns[turn.trace_id]
                self._changed.notify_all()

    def all(self) -> tuple[RunningTurn, ...]:
        with self._changed:
            return tuple(self._turns.values())

    def cancel_all(self, by: str) -> None:
        """Stop those that run, and whatever is about to."""
        with self._changed:
            self._all_cancelled_by = by
        for turn in self.all():
            turn.cancellation.cancel(by)

    def close(self) -> None:
        """Watch for wishes no longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._watch.join()

    def _fulfil_wishes(self) -> None:
        while self._wait_for_turns():
            try:
                found = wishes(self._database, [turn.trace_id for turn in self.all()])
            except PeeweeException as error:
                logger.warning("The database does not say which turns are to stop: %s", error)
                continue
            for turn in self.all():
                if turn.trace_id in found:
                    turn.cancellation.cancel(found[turn.trace_id])

    def _wait_for_turns(self) -> bool:
        """Until a moment after a turn runs; False when there is no more to watch."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._turns))
            self._changed.wait_for(lambda: self._closed, WATCH_S)
            return not self._closed
