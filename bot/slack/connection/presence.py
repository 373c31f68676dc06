"""Tell the other processes of this bot that this one is there, and how it is doing."""

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from peewee import PeeweeException

from bot.slack.connection.status import ConnectionStatus
from storage.coordination import heartbeats
from storage.coordination.heartbeats import Heartbeat, State, forget_old_processes, put_heartbeat
from storage.database.base import Database

RETRY_S = 2.0
"""How long a database that did not take a heartbeat is not asked again."""

logger = logging.getLogger("tracebot.presence")

wakeful_clock = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""A clock that goes on while the machine is suspended, in seconds."""


class Presence:
    """The heartbeats of this process, for the bot in the workspace `team`.

    Any thread may call it.
    """

    def __init__(
        self,
        database: Database,
        status: ConnectionStatus,
        *,
        team: str,
        process: str,
        clock: Callable[[], float] = wakeful_clock,
    ) -> None:
        self._database = database
        self._status = status
        self._team = team
        self._process = process
        self._version = version("tracebot")
        self._clock = clock
        self._told: Heartbeat | None = None
        self._seen_at = self._tried_at = -math.inf
        """The time of the last heartbeat, and of the last attempt at one."""
        self._on_return: list[Callable[[], object]] = []
        # Held during a heartbeat: who asks meanwhile waits until it is known what was lost.
        self._lock = threading.RLock()

    def on_return(self, work: Callable[[], object]) -> None:
        """Call *work* at the first heartbeat, and at each one that comes after an absence.

        It may raise `PeeweeException`: then it is called again with the next one.
        """
        self._on_return.append(work)

    def beat(self) -> None:
        """Store a heartbeat if one is due, or if the connection to Slack has changed."""
        problem = self._status.problem
        state: State = "connected" if problem is None else "not connected"
        with self._lock:
            now, heartbeat = self._clock(), self._heartbeat(state, problem or "")
            due = now - self._seen_at >= heartbeats.BEAT_S
            failed = self._tried_at > self._seen_at
            if (due or failed or heartbeat != self._told) and now - self._tried_at >= (
                RETRY_S if failed else 0
            ):
                self._tell(heartbeat)

    def confirm(self) -> bool:
        """Return True if no other process can have taken this one for gone.

        If it had no heartbeat for a while it tries to have one now.
        """
        if self._clock() - self._seen_at < heartbeats.ABSENT_S:
            return True
        self.beat()
        return self._clock() - self._seen_at < heartbeats.ABSENT_S

    def stop(self) -> None:
        """Tell the other processes that this one stops."""
        with self._lock:
            self._tell(self._heartbeat("stopped", ""))

    def _heartbeat(self, state: State, problem: str) -> Heartbeat:
        return Heartbeat(
            process=self._process,
            team=self._team,
            version=self._version,
            mode=self._status.mode,
            state=state,
            problem=problem,
        )

    def _tell(self, heartbeat: Heartbeat) -> None:
        # The time before: others see the heartbeat later, and wait longer than this process does.
        before, self._tried_at = self._seen_at, self._clock()
        try:
            if self._told is None:
                forget_old_processes(self._database)
            put_heartbeat(self._database, heartbeat)
            if self._tried_at - before >= heartbeats.ABSENT_S:
                for work in self._on_return:
                    work()
        except PeeweeException as error:
            logger.debug("The database does not know that this process is there: %s", error)
        else:
            self._told, self._seen_at = heartbeat, self._tried_at
