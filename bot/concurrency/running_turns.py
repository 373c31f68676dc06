"""The turns of this process: how many ask agents at once, and how each of them is cancelled.

Slack sends an event or a click to any one of an app's connections, and a shell has no connection
at all. A request to cancel another process's turn therefore goes through the database, which each
process asks while it runs turns.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from peewee import PeeweeException

from bot.agents.cancellation import TAKEN_OVER, Cancellation
from storage.coordination.cancel_requests import cancel_requests
from storage.database.base import Database

logger = logging.getLogger("tracebot.running")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTurn:
    """A turn that asks agents, or waits until it may. Its fields are those of a stored trace."""

    trace_id: str
    team: str
    channel: str
    thread_ts: str
    message_ts: str
    user: str
    audience: str
    cancellation: Cancellation = field(default_factory=Cancellation)


class RunningTurns:
    """The running turns by trace id, of which the first `limit` may ask agents.

    `heed_requests` asks `database` for requests of other processes to cancel one of them.
    """

    def __init__(self, database: Database, *, limit: int) -> None:
        self._database = database
        self._limit = limit
        # In the order of arrival: the first `limit` hold the slots, the others wait in line.
        self._turns: dict[str, RunningTurn] = {}
        # Guards everything below. It wakes turns that wait.
        self._changed = threading.Condition()
        self._all_cancelled_by: str | None = None

    @contextmanager
    def running(
        self, turn: RunningTurn, *, on_wait: Callable[[], object]
    ) -> Iterator[Cancellation]:
        """Register *turn*, and enter the block once it may ask agents.

        `on_wait` is called if it has to wait. A turn that is cancelled while it waits enters at
        once, and ends in the usual way: its agents are asked, and notice the cancellation.
        """
        with self._changed:
            self._turns[turn.trace_id] = turn
            must_wait = not self._has_slot(turn)
            cancelled_by = self._all_cancelled_by
            self._changed.notify_all()
        try:
            # Outside the lock, as everywhere here: cancelling calls back into whatever watches the
            # turn, which may take locks of its own.
            if cancelled_by is not None:
                turn.cancellation.cancel(cancelled_by)
            if must_wait:
                on_wait()
            self._wait_for_slot(turn)
            yield turn.cancellation
        finally:
            with self._changed:
                del self._turns[turn.trace_id]
                self._changed.notify_all()

    def _wait_for_slot(self, turn: RunningTurn) -> None:
        def may_enter() -> bool:
            return self._has_slot(turn) or turn.cancellation.by is not None

        with turn.cancellation.watch(self._wake), self._changed:
            self._changed.wait_for(may_enter)

    def _has_slot(self, turn: RunningTurn) -> bool:
        return turn.trace_id in islice(self._turns, self._limit)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def all(self) -> tuple[RunningTurn, ...]:
        """Return the turns that run or wait now."""
        with self._changed:
            return tuple(self._turns.values())

    def cancel_all(self, by: str) -> None:
        """Cancel all turns, and every turn that starts from now on."""
        # Set before the turns are listed: a turn is either in the list or sees this when it starts.
        with self._changed:
            self._all_cancelled_by = by
        for turn in self.all():
            turn.cancellation.cancel(by)

    def lose(self, trace_ids: Collection[str]) -> None:
        """Cancel turns that another process has taken over."""
        for turn in self.all():
            if turn.trace_id in trace_ids:
                turn.cancellation.cancel(TAKEN_OVER)

    def heed_requests(self) -> None:
        """Cancel the turns whose cancellation another process has asked for.

        Call it about each second, which is the longest that such a request then waits.
        """
        turns = self.all()
        if not turns:
            return
        try:
            requests = cancel_requests(self._database, [turn.trace_id for turn in turns])
        except PeeweeException as error:
            logger.warning("The database cannot be asked which turns to cancel: %s", error)
            return
        for turn in turns:
            if turn.trace_id in requests:
                turn.cancellation.cancel(requests[turn.trace_id])
