"""Each event is handled once, though Slack sends it again, twice in two guises, or to two bots."""

import logging
import threading
import time
from collections import OrderedDict

from peewee import Database, PeeweeException

from storage.coordination.leases import claim
from storage.coordination.process_identity import this_process

REMEMBERED = 10_000
LEASE_NS = 24 * 3_600 * 1_000_000_000

logger = logging.getLogger("tracebot.once")


class Once:
    """What this process saw it knows by heart; what others took, the database tells."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = this_process()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def unseen(self, *keys: str) -> bool:
        """Whether this process meets all of these for the first time."""
        with self._lock:
            known = [key for key in keys if key in self._seen]
            self._seen.update(dict.fromkeys(keys))
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return not known

    def claim(self, key: str) -> bool:
        """Whether no other process has taken it. A database that is gone stops no answer."""
        try:
            return claim(
                self._database, key, owner=self._owner, now=time.time_ns(), lease_ns=LEASE_NS
            )
        except PeeweeException as error:
            logger.warning("The database does not say whether %s is taken: %s", key, error)
            return True
