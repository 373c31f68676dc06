"""Say truthfully whether Slack is connected, on the log and in the journal that `health` shows."""

import logging
import math
import threading
import time
from collections.abc import Callable

from reports.formatting import duration
from storage.coordination.process_identity import this_process
from storage.database.base import Database
from storage.upkeep.journal import CONNECTION, JournalEntry, add_entry, last_entry

TELL_EVERY_S = 60.0
"""How often it is logged that Slack is still not connected."""

NOTE_EVERY_NS = 3_600 * 1_000_000_000

logger = logging.getLogger("tracebot.slack")


class ConnectionStatus:
    """The connection to Slack, or what is wrong with it.

    It is logged when that changes, and each minute while there is none. Any thread may call it.
    """

    def __init__(
        self,
        connected: Callable[[], object] = lambda: None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `connected`, which is called when the first connection stands."""
        self.problem: str | None = "it was not connected yet"
        """The reason for which Slack is not connected, None while it is."""
        self.mode = ""
        """How Slack reaches the bot, `socket` or `http`; empty before it is asked to."""
        self._connected: Callable[[], object] | None = connected
        self._now = now
        self._since = now()
        self._told_at = -math.inf
        self._lock = threading.RLock()

    def stands(self) -> None:
        """Note that Slack is connected."""
        with self._lock:
            if self.problem is None:
                return
            if self._connected is None:
                logger.info("Slack is connected again after %s: %s.", self._away(), self.problem)
            else:
                self._connected()
            self.problem, self._connected, self._told_at = None, None, -math.inf

    def ended(self, why: str) -> None:
        """Note that the connection ended. `stands` or `failed` log it, whichever is next."""
        with self._lock:
            self.problem, self._since = why, self._now()

    def failed(self, why: str) -> None:
        """Note that Slack cannot be connected. `why` is a clause without a full stop."""
        with self._lock:
            if self.problem is None:
                self._since = self._now()
            self.problem = why
            if self._now() - self._told_at < TELL_EVERY_S:
                return
            if self._told_at == -math.inf:
                logger.warning("Slack is not connected: %s. I try again until it is.", why)
            else:
                logger.warning("Slack is still not connected after %s: %s.", self._away(), why)
            self._told_at = self._now()

    def _away(self) -> str:
        return duration((self._now() - self._since) * 1e9)


def note_connection(
    database: Database, status: ConnectionStatus, *, team: str, now: int, stopped: bool = False
) -> None:
    """Write into the journal whether the bot of a workspace is connected, for `health`.

    Only if that changed, or once an hour: a write each minute would keep an idle machine busy.
    `now` is in nanoseconds since the epoch.
    """
    name, problem = f"{CONNECTION}{team}", status.problem
    state = "stopped" if stopped else "connected" if problem is None else "not connected"
    before = last_entry(database, name)
    told = {} if before is None else before.details
    if stopped and told.get("by") != this_process():
        return  # Another process of this bot goes on.
    if before is None or told.get("state") != state or before.at < now - NOTE_EVERY_NS:
        # A bot that was stopped while Slack was away is stopped, and no more than that.
        problem = "" if stopped or problem is None else problem
        details = {"state": state, "problem": problem, "by": this_process()}
        add_entry(database, JournalEntry(name=name, at=now, ok=not problem, details=details))
