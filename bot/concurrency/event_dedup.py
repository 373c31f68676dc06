"""Handle each event and command once.

Slack retries an event, sends it in two forms, or to two bots; and whoever recorded a signed request
can send it again for five minutes.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from cachetools import LRUCache
from peewee import PeeweeException
from slack_bolt import BoltRequest

from storage.coordination.leases import acquire_lease
from storage.coordination.process_identity import this_process
from storage.database.base import Database

REMEMBERED_EVENTS = 10_000
LEASE_NS = 24 * 3_600 * 1_000_000_000
"""Longer than Slack retries an event, so that a late retry finds the lease still held."""

logger = logging.getLogger("tracebot.dedup")


def message_key(team: str, channel: str, ts: str) -> str:
    """Return the key by which one process claims a message."""
    return f"message:{team}:{channel}:{ts}"


def event_key(body: Mapping[str, Any]) -> str:
    """Return the key of an event: Slack's retries have the same id."""
    return f"event:{body.get('event_id') or uuid.uuid4()}"


def interaction_key(body: Mapping[str, Any], request: BoltRequest) -> str:
    """Return the key of a command, a button or a shortcut.

    `trigger_id` is new for each of them and part of what Slack signs, so a replay has the same. A
    request without one is known by its signature. Socket Mode has neither replays nor signatures.
    """
    if trigger := body.get("trigger_id"):
        return f"trigger:{trigger}"
    (signature, *_) = request.headers.get("x-slack-signature") or [str(uuid.uuid4())]
    return f"signature:{signature}"


class EventDedup:
    """Deduplicate events in memory within this process and through leases across processes.

    The two steps are separate because the first must be quick (it runs before Slack's
    acknowledgement is due) and the second asks the database, which may be locked for a while.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = this_process()
        self._seen: LRUCache[str, None] = LRUCache(REMEMBERED_EVENTS)
        # Bolt calls its listeners from several threads: look-up and insertion are one step.
        self._lock = threading.Lock()

    def is_new(self, key: str) -> bool:
        """Return True the first time that this process sees *key*."""
        with self._lock:
            if key in self._seen:
                return False
            self._seen[key] = None
            return True

    def once(self, key: str, work: Callable[..., object], *args: object) -> None:
        """Call *work*, unless this process or another one has handled *key*.

        It asks the database: do not call it on a thread that Slack's acknowledgement waits for.
        """
        if self.is_new(key) and self.claim(key):
            work(*args)

    def claim(self, key: str) -> bool:
        """Return True if no other process handles *key*, and keep it from the others.

        If the database cannot be asked the event counts as ours: two answers are better than none.
        """
        try:
            return acquire_lease(
                self._database, key, owner=self._owner, now=time.time_ns(), lease_ns=LEASE_NS
            )
        except PeeweeException as error:
            # Without the key: the same warning is logged once a minute.
            logger.warning("The database cannot be asked who handles an event: %s", error)
            return True
