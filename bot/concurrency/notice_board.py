"""Exchange notices with the other processes of this bot: what one of them changed, all forget.

Slack sends an event to any one of an app's connections. A copy that an event makes wrong is
therefore wrong in every process, while only one of them hears of it.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from peewee import PeeweeException

from storage.coordination.notices import Notice, notices_since, post_notice
from storage.database.base import Database

POLL_S = 1.0
"""The longest that a notice waits for a process in which nobody asks."""

PATIENCE_S = 2.0
"""How long a turn waits for another thread that reads the notices: a server may stand still."""

CLOSE_S = 5.0
"""How long a stop waits for the thread that reads in the background."""

AGENTS = "agents"
"""The agents file was read again."""
DELETION = "deletion"
"""The bot deletes a message of its own."""
THREAD = "thread"
"""A message of a thread was edited or deleted."""

logger = logging.getLogger("tracebot.notices")


class NoticeBoard:
    """The notices of the bot in the workspace `team`. Any thread may use it.

    A subscriber is called with the key of a notice of another process. It must be quick, and must
    not use the board. No method raises an error of the database.
    """

    def __init__(
        self,
        database: Database,
        *,
        team: str,
        process: str,
    ) -> None:
        self._database = database
        self._team = team
        self._process = process
        self._each_second: tuple[Callable[[], object], ...] = (self.catch_up,)
        self._subscribers: dict[str, list[Callable[[str], object]]] = defaultdict(list)
        self._last = 0
        self._failed = False
        # Held while subscribers are called: who returns from `catch_up` knows that what another
        # thread has read is heeded, too.
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="tracebot-notices", daemon=True)

    def subscribe(self, topic: str, hear: Callable[[str], object]) -> None:
        with self._lock:
            self._subscribers[topic].append(hear)

    def each_second(self, work: Callable[[], object]) -> None:
        """Call *work* about each second, and on a server as soon as a process announces something.

        It must be quick.
        """
        with self._lock:
            self._each_second = (*self._each_second, work)

    def start(self) -> None:
        """Read what was posted lately, and go on to read in the background."""
        self.catch_up()
        self._thread.start()

    def post(self, topic: str, key: str = "") -> None:
        """Post a notice for the other processes. It is not posted if the database fails."""
        try:
            post_notice(
                self._database,
                Notice(topic, key),
                team=self._team,
                process=self._process,
                now=time.time_ns(),
            )
        except PeeweeException as error:
            logger.warning("The other processes are not told of a change: %s", error)

    def catch_up(self) -> bool:
        """Heed the notices that were posted until now; return False if they cannot be read.

        Call it before an old copy could do harm. It costs one look at a small table.
        """
        if not self._lock.acquire(timeout=PATIENCE_S):
            return False
        try:
            self._last, notices = notices_since(
                self._database, self._last, team=self._team, process=self._process
            )
            self._failed = False
            for notice in notices:
                for hear in self._subscribers[notice.topic]:
                    hear(notice.key)
        except PeeweeException as error:
            self._tell_failure(error)
            return False
        finally:
            self._lock.release()
        return True

    def close(self) -> None:
        self._closing.set()
        with suppress(PeeweeException):
            self._database.announce()  # Which wakes our own thread, too.
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _poll(self) -> None:
        while not self._closing.is_set():
            for work in self._each_second:
                try:
                    work()
                except Exception:  # Else this process would seem to be gone.
                    logger.exception("What is done each second failed")
            self._database.wait_for_announcement(self._closing, seconds=POLL_S)
        self._database.close()

    def _tell_failure(self, error: Exception) -> None:
        if not self._failed:  # Once, not each second.
            logger.warning("Other processes' notices cannot be read: %s", error)
        self._failed = True
