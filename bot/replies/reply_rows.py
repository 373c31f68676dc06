"""Tell the database which replies are not final, as memory knows it."""

import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from peewee import InterfaceError, OperationalError, PeeweeException

from bot.concurrency.fence import Fence
from bot.retry import RetryPolicy, TryAgain
from storage.coordination.unfinished_replies import (
    UnfinishedReply,
    hand_over_replies,
    put_reply,
    remove_reply,
)
from storage.database.base import Database
from storage.model.redaction import redact

STORING = RetryPolicy(attempts=None, first_wait_s=0.1, longest_wait_s=0.2)
"""Until the database takes it, and soon after that: a row that is missing when the process is
killed leaves "at work" standing, and loses an answer that was not posted yet."""

STORED_S = 1.0
"""How long a turn waits for its row, before anything of it and before its answer is shown. The row
of a killed process is all that the next one knows."""

logger = logging.getLogger("tracebot.unfinished")


class ReplyRows:
    """The rows of this process's replies. Any thread may call it.

    Rows are written on a thread of their own, as often as it takes: no answer waits for a locked
    database. Many changes of one reply become one row: what is stored is what memory knows then.
    """

    def __init__(
        self,
        database: Database,
        *,
        process: str,
        keep_text: bool,
        fence: Fence,
        current: Callable[[str], UnfinishedReply | None],
    ) -> None:
        """Take `current`, which returns the reply of an id, None if it is final.

        Without *keep_text* the text of an answer is never stored.
        """
        self.ids: set[str] = set()
        """The ids of which there is a row."""
        self._database = database
        self._process = process
        self._keep_text = keep_text
        self._fence = fence
        self._current = current
        self._unstored: dict[str, None] = {}
        """The ids whose rows are not as memory is, the oldest first."""
        self._being_stored: str | None = None
        self._is_storing = False
        self._lock = threading.Lock()
        self._stored = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._storing = ThreadPoolExecutor(1, thread_name_prefix="tracebot-unfinished")

    def store_later(self, id: str) -> None:
        """Make the row of a reply as memory is, soon and as often as it takes."""
        with self._lock:
            self._unstored[id] = None
            idle = not self._is_storing
            self._is_storing = True
        if idle:
            self._later(self._store_all)

    def wait_until_stored(self, id: str) -> None:
        """Wait a moment until the database knows of a reply, before Slack shows anything of it."""

        def is_stored() -> bool:
            return id not in self._unstored and id != self._being_stored

        with self._stored:
            self._stored.wait_for(is_stored, STORED_S)

    def close(self) -> None:
        """Hand what is left over to the other processes."""
        self._closing.set()
        # Behind the row that is being stored, as this is the only thread that does so.
        self._later(self._hand_over)
        self._storing.shutdown(wait=True)

    def _later(self, work: Callable[..., None], *args: str) -> None:
        # A turn that outlives its cancellation may come here after `close`.
        with suppress(RuntimeError):
            self._storing.submit(work, *args)

    def _store_all(self) -> None:
        """Make each row as memory is, until all are or we stop."""
        warned = False

        def attempt() -> None:
            nonlocal warned
            while (row := self._next_unstored()) is not None:
                try:
                    self._store(*row)
                    self._note_stored()
                except (OperationalError, InterfaceError) as error:
                    self._put_back(row[0])
                    if not warned:  # Once, not with each attempt.
                        logger.warning("Which replies are not final is stored later: %s", error)
                    warned = True
                    raise TryAgain(error) from error
                except Exception:  # That one cannot be stored. The others can.
                    self._note_stored()
                    logger.exception("The database does not know that a reply is not final")

        with suppress(OperationalError, InterfaceError):  # Raised by the last attempt, as we stop.
            STORING.call(attempt, patience_s=math.inf, sleep=self._closing.wait)

    def _next_unstored(self) -> tuple[str, UnfinishedReply | None] | None:
        """Return an id, and its reply unless that is final; None if every row is as memory is."""
        with self._lock:
            if not self._unstored:
                self._is_storing = False
                return None
            id = next(iter(self._unstored))
            del self._unstored[id]
            self._being_stored = id
        # Only now: what changes after it was taken from `_unstored` has to be stored again.
        return id, self._current(id)

    def _note_stored(self) -> None:
        with self._stored:
            self._being_stored = None
            self._stored.notify_all()

    def _put_back(self, id: str) -> None:
        with self._lock:
            self._being_stored = None
            self._unstored[id] = None

    def _store(self, id: str, reply: UnfinishedReply | None) -> None:
        if not self._fence.holds(id.partition(":")[0]):
            # Its row is that of another process now, unless it was stored at that very moment.
            remove_reply(self._database, id, process=self._process)
            return
        if reply is None:
            remove_reply(self._database, id)
            self.ids.discard(id)
            return
        kept = self._storable(reply)
        put_reply(self._database, kept, process=self._process, again=id in self.ids)
        self.ids.add(id)

    def _storable(self, reply: UnfinishedReply) -> UnfinishedReply:
        if reply.ending and not self._keep_text:
            return replace(reply, ending=None)
        if reply.ending is None:
            return reply
        return replace(reply, ending=tuple(map(_redacted, reply.ending)))

    def _hand_over(self) -> None:
        try:
            hand_over_replies(self._database, process=self._process)
        except PeeweeException as error:
            logger.warning("Replies that are not final are left to the next start: %s", error)
        finally:
            self._database.close()


def _redacted(value: Any) -> Any:
    """Return JSON-like data with the secrets in its texts replaced, as whatever is stored."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    return value
