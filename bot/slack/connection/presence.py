"""Tell the other processes of this bot that this one is there, and how it is doing."""

import logging
import math
import time
from collections.abc import Callable
from importlib.metadata import version

from peewee import PeeweeException

from bot.slack.connection.status import ConnectionStatus
from storage.coordination.heartbeats import (
    BEAT_S,
    Heartbeat,
    State,
    forget_old_processes,
    put_heartbeat,
)
from storage.database.base import Database

logger = logging.getLogger("tracebot.presence")


class Presence:
    """The heartbeats of this process, for the bot in the workspace `team`."""

    def __init__(
        self,
        database: Database,
        status: ConnectionStatus,
        *,
        team: str,
        process: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._status = status
        self._team = team
        self._process = process
        self._version = version("tracebot")
        self._clock = clock
        self._told: Heartbeat | None = None
        self._told_at = -math.inf

    def beat(self) -> None:
        """Store a heartbeat if one is due, or if the connection to Slack has changed."""
        problem = self._status.problem
        self._tell("connected" if problem is None else "not connected", problem or "")

    def stop(self) -> None:
        """Tell that this process stops."""
        self._tell("stopped", "")

    def _tell(self, state: State, problem: str) -> None:
        heartbeat = Heartbeat(
            process=self._process,
            team=self._team,
            version=self._version,
            mode=self._status.mode,
            state=state,
            problem=problem,
        )
        if heartbeat == self._told and self._clock() - self._told_at < BEAT_S:
            return
        try:
            if self._told is None:
                forget_old_processes(self._database)
            put_heartbeat(self._database, heartbeat)
        except PeeweeException as error:
            logger.debug("The database does not know that this process is there: %s", error)
        # Also if it failed: a database that is locked is not asked each second.
        self._told, self._told_at = heartbeat, self._clock()
