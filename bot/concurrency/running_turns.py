"""The turns that run in this process, and how each is cancelled: from here or from elsewhere.

Slack sends an event or a click to any one of an app's connections, and a shell has no connection
at all. A request to cancel another process's turn therefore goes through the database, which each
process polls while it runs turns.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from peewee import Database, PeeweeException

from bot.agents.cancellation import Cancellation
from storage.coordination.cancel_requests import cancel_requests

POLL_S = 1.0
"""The longest that another process's request to cancel waits to be seen."""

logger = logging.getLogger("tracebot.running")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTurn:
    """A turn whose agents are working. Its fields are named as those of a stored trace."""

    trace_id: str
    team: str
    channel: str
    thread_ts: str
    message_ts: str
    user: str
    audience: str
    cancellation: Cancellation = field(default_factory=Cancellation)


class RunningTurns:
    """The running turns by trace id. A thread polls *database* for requests to cancel them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: dict[str, RunningTurn] = {}
        # Guards everything below and wakes the polling thread, which sleeps without turns.
        self._changed = threading.Condition()
        self._closed = False
        self._all_cancelled_by: str | None = None
        self._poller = threading.Thread(target=self._poll, name="tracebot-running", daemon=True)
        self._poller.start()

    @contextmanager
    def running(self, turn: RunningTurn) -> Iterator[Cancellation]:
        """Register *turn* during the block."""
        with self._changed:
            self._turns[turn.trace_id] = turn
            self._changed.notify_all()
            cancelled_by = self._all_cancelled_by
        try:
            # Outside the lock, as everywhere here: cancelling calls back into whatever watches the
            # turn, which may take locks of its own.
            if cancelled_by is not None:
                turn.cancellation.cancel(cancelled_by)
            yield turn.cancellation
        finally:
            with self._changed:
                del self._turns[turn.trace_id]
                self._changed.notify_all()

    def all(self) -> tuple[RunningTurn, ...]:
        """Return the turns that run now."""
        with self._changed:
            return tuple(self._turns.values())

    def cancel_all(self, by: str) -> None:
        """Cancel the turns that run, and every turn that starts from now on."""
        # Set before the turns are listed: a turn is either in the list or sees this when it starts.
        with self._changed:
            self._all_cancelled_by = by
        for turn in self.all():
            turn.cancellation.cancel(by)

    def close(self) -> None:
        """Stop polling and wait for the thread to end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._poller.join()

    def _poll(self) -> None:
        while self._wait_for_turns():
            turns = self.all()
            try:
                requests = cancel_requests(self._database, [turn.trace_id for turn in turns])
            except PeeweeException as error:
                logger.warning("The database cannot be asked which turns to cancel: %s", error)
                continue
            for turn in turns:
                if turn.trace_id in requests:
                    turn.cancellation.cancel(requests[turn.trace_id])

    def _wait_for_turns(self) -> bool:
        """Sleep while no turn runs, then for one poll interval; return False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._turns))
            self._changed.wait_for(lambda: self._closed, POLL_S)
            return not self._closed
