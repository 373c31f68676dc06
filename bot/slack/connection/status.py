"""Say truthfully whether Slack is connected, on the log and in the journal that `health` shows."""

import logging
import math
import threading
import time
from collections.abc import Callable

from slack_sdk import WebClient

from bot.settings import SettingsError
from bot.slack.connection.credentials import identify
from bot.slack.errors import SlackUnavailable
from reports.formatting import duration
from storage.coordination.heartbeats import dead_processes, seen_lately
from storage.coordination.process_identity import this_process
from storage.database.base import Database
from storage.model.redaction import redact
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
        self._absence: str | None = "it was not connected yet"
        self._refusal: str | None = None
        self.mode = ""
        """How Slack reaches the bot, `socket` or `http`; empty before it is asked to."""
        self.others = 0
        """Connections of the app that are not of this process, until it is known whose they are."""
        self._connected: Callable[[], object] | None = connected
        self._now = now
        self._since = now()
        self._told_at = -math.inf
        self._lock = threading.RLock()

    @property
    def problem(self) -> str | None:
        """The reason for which the bot hears nothing or may do nothing, None while all is well."""
        return self._absence or self._refusal

    def stands(self) -> None:
        """Note that Slack is connected."""
        with self._lock:
            if self._absence is None:
                return
            if self._connected is None:
                logger.info("Slack is connected again after %s: %s.", self._away(), self._absence)
            else:
                self._connected()
            self._absence, self._connected, self._told_at = None, None, -math.inf

    def ended(self, why: str) -> None:
        """Note that the connection ended. `stands` or `failed` log it, whichever is next."""
        with self._lock:
            self._absence, self._since = redact(why), self._now()

    def failed(self, why: str) -> None:
        """Note that Slack cannot be connected. `why` is a clause without a full stop."""
        why = redact(why)  # It may quote an address, and is stored beside the spans.
        with self._lock:
            if self._absence is None:
                self._since = self._now()
            self._absence = why
            if self._now() - self._told_at < TELL_EVERY_S:
                return
            if self._told_at == -math.inf:
                logger.warning("Slack is not connected: %s. I try again until it is.", why)
            else:
                logger.warning("Slack is still not connected after %s: %s.", self._away(), why)
            self._told_at = self._now()

    def refused(self, why: str | None) -> None:
        """Note why Slack refuses the bot's calls, None if it takes them."""
        with self._lock:
            if why is not None:
                logger.error("Slack takes nothing from the bot: %s", why)
            elif self._refusal is not None:
                logger.info("Slack takes the bot's calls again.")
            self._refusal = why

    def _away(self) -> str:
        return duration((self._now() - self._since) * 1e9)


def check_token(client: WebClient, status: ConnectionStatus) -> None:
    """Note if Slack refuses the bot's token, as after its app was uninstalled.

    Slack does not say so by itself: it only sends no events any more.
    """
    try:
        identify(client)
    except SettingsError as error:
        status.refused(str(error))
    except SlackUnavailable as error:
        logger.info("The bot's token is not checked: %s.", error)
    else:
        status.refused(None)


def _tell_of_strangers(database: Database, status: ConnectionStatus, *, team: str) -> None:
    """Warn once if a program is connected for the same app that does not share the database.

    Neither would notice: Slack sends each event to one of them only, which takes it.
    """
    others, status.others = status.others, 0
    if others <= 0:
        return
    known = max(seen_lately(database, team=team) - 1, 0)
    # For a moment a process has two connections, one of which it replaces.
    if others > 2 * known:
        logger.warning(
            "Slack has %d connections of this app that are not of this bot: another program uses "
            "the same app, and each message reaches one of them only. Stop it, or give it an app "
            "of its own.",
            others - known,
        )


def note_connection(
    database: Database, status: ConnectionStatus, *, team: str, now: int, stopped: bool = False
) -> None:
    """Write into the journal whether the bot of a workspace is connected, for `health`.

    Only if that changed, if the process that wrote it last has ended, or once an hour: a write each
    minute would keep an idle machine busy.
    `now` is in nanoseconds since the epoch.
    """
    _tell_of_strangers(database, status, team=team)
    name, problem = f"{CONNECTION}{team}", status.problem
    state = "stopped" if stopped else "connected" if problem is None else "not connected"
    before = last_entry(database, name)
    told = {} if before is None else before.details
    # While that is the last word, `health` says that the bot has ended.
    gone = before is not None and dead_processes(database, [str(told["by"])])
    if stopped and not gone and told.get("by") != this_process():
        return  # Another process of this bot goes on.
    changed = gone or told.get("state") != state
    if before is None or changed or before.at < now - NOTE_EVERY_NS:
        # A bot that was stopped while Slack was away is stopped, and no more than that.
        problem = "" if stopped or problem is None else problem
        details = {"state": state, "problem": problem, "by": this_process()}
        add_entry(database, JournalEntry(name=name, at=now, ok=not problem, details=details))
