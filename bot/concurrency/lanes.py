"""Run one turn at a time in each thread, whatever process it runs in.

`SerialQueues` keeps the order within this process; rows of the database keep it between processes.
If the database cannot be asked, the first alone decides: people are answered all the same.
"""

import logging
import threading
from dataclasses import dataclass, field, replace

from peewee import PeeweeException

from storage.coordination.accepted_messages import (
    AcceptedMessage,
    Standing,
    accept_message,
    begin_message,
    end_message,
    hand_over_messages,
    leave_message,
    messages_of,
    note_changed,
    resume_message,
)
from storage.database.base import Database

PATIENT_TRIES = 3
"""How often a stored message tries to begin beside a database that fails, before it just does."""

logger = logging.getLogger("tracebot.lanes")


@dataclass(slots=True)
class _Held:
    """A message of this process. `standing` is None as long as its row is not stored."""

    message: AcceptedMessage
    claim: str
    standing: Standing | None = None
    failures: int = 0
    begun: bool = False
    """Its turn runs although the database could not be asked, so no row is stored any more."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the database is asked for the message."""


class Lanes:
    """The rows of this process's messages. Use it from any thread; no error is raised to turns."""

    def __init__(self, database: Database, *, team: str, process: str) -> None:
        self._database = database
        self._team = team
        self._process = process
        self._held: dict[str, _Held] = {}
        self._ended: set[str] = set()
        """The traces whose turns have ended, and whose rows are perhaps still there."""
        self._lock = threading.Lock()

    def accept(self, message: AcceptedMessage, *, claim: str) -> Standing | None:
        """Store a message, before it is acknowledged; return None if that fails."""
        # Known before it is stored, so that `left` does not find it without its owner.
        self._hold(message.trace_id, _Held(message, claim))
        return self._standing(message.trace_id)

    def begin(self, trace_id: str) -> Standing | None:
        """Return if the turn of a message may run; None if only this process's queue knows."""
        standing = self._standing(trace_id, begins=True)
        if standing is Standing.WAITS and self._ended:
            # Perhaps for a turn of this process that could not free its lane: asked again, it may.
            self._try_to_free_ended()
        return standing

    def is_stored(self, trace_id: str) -> bool:
        """Return True for a message of this process that has a row."""
        held = self._held.get(trace_id)
        return held is not None and held.standing is not None

    def _standing(self, trace_id: str, *, begins: bool = False) -> Standing | None:
        held = self._held.get(trace_id)
        if held is None:
            return Standing.ELSEWHERE
        with held.lock:
            return self._standing_of(held, begins=begins)

    def _standing_of(self, held: _Held, *, begins: bool) -> Standing | None:
        if held.standing not in (None, Standing.WAITS):
            return held.standing
        try:
            held.standing = self._ask(held)
        except PeeweeException as error:
            held.failures += 1
            logger.warning("The database does not keep the order of a thread: %s", error)
            # A row that is stored keeps the other processes waiting, so this one tries again.
            # Without a row nobody knows of the message, and waiting would help nobody.
            patient = held.standing is not None and held.failures < PATIENT_TRIES
            held.begun = begins and not patient
            return Standing.WAITS if patient else None
        if held.standing is Standing.ELSEWHERE:
            self._hold(held.message.trace_id, None)
        return held.standing

    def _ask(self, held: _Held) -> Standing:
        if held.standing is not None:
            return begin_message(self._database, held.message.trace_id, process=self._process)
        return self._store(held, may_run=True)

    def _store(self, held: _Held, *, may_run: bool) -> Standing:
        return accept_message(
            self._database,
            held.message,
            claim=held.claim,
            process=self._process,
            now=self._database.now(),
            may_run=may_run,
        )

    def store_late(self) -> None:
        """Store the messages that wait here and that the database did not take at first.

        A process that is killed leaves them to another one then. Raises `PeeweeException`.
        """
        with self._lock:
            unstored = [held for held in self._held.values() if held.standing is None]
        for held in unstored:
            with held.lock:
                is_left = held.message.trace_id not in self._held
                if held.standing is not None or held.begun or is_left:
                    continue
                # It takes no lane: the queue of this process knows which one is first.
                held.standing = self._store(held, may_run=False)
                if held.standing is Standing.ELSEWHERE:
                    self._hold(held.message.trace_id, None)

    def end(self, trace_id: str) -> None:
        """Free the lane of a turn that has ended, or do so later if the database fails now."""
        with self._lock:
            if trace_id not in self._held:
                return  # It was left.
            self._ended.add(trace_id)
        self._try_to_free_ended()

    def _try_to_free_ended(self) -> None:
        try:
            self.free_ended()
        except PeeweeException as error:
            logger.warning("A thread is not free for its next message yet: %s", error)

    def leave(self, trace_id: str) -> bool:
        """Leave a message to the next process; return False if nobody else can answer it."""
        try:
            if not leave_message(self._database, trace_id, process=self._process):
                return False
        except PeeweeException as error:
            logger.warning("A message is not left to the next process: %s", error)
            return False
        self._hold(trace_id, None)
        return True

    def changed(self, channel: str, message_ts: str) -> None:
        """Note that a message was edited or deleted, in case that it waits somewhere."""
        try:
            note_changed(self._database, team=self._team, channel=channel, message_ts=message_ts)
        except PeeweeException as error:
            logger.warning("A message that waits is answered as it was: %s", error)

    def free_ended(self) -> None:
        """Free the lanes of turns that have ended, also of those that could not be freed before.

        Raises `PeeweeException`.
        """
        with self._lock:
            ended = list(self._ended)
        for trace_id in ended:
            end_message(self._database, trace_id, process=self._process)
            with self._lock:
                self._ended.discard(trace_id)
                self._held.pop(trace_id, None)

    def find_lost(self) -> frozenset[str]:
        """Return the traces whose messages other processes have taken over, and hold them no more.

        Raises `PeeweeException`.
        """
        with self._lock:
            stored = {id for id, held in self._held.items() if held.standing is not None}
        if not stored:
            return frozenset()
        stored -= {each.trace_id for each in messages_of(self._database, process=self._process)}
        with self._lock:
            # Those whose turns have ended meanwhile have no rows either.
            lost = stored & self._held.keys() - self._ended
            for trace_id in lost:
                del self._held[trace_id]
        return frozenset(lost)

    def left(self) -> list[AcceptedMessage]:
        """Return the messages that are this process's now, and on which nobody works."""
        found = messages_of(self._database, process=self._process)
        return [each for each in found if each.trace_id not in self._held]

    def resume(self, left: AcceptedMessage, *, as_trace: str) -> bool:
        """Let a message that was left wait again, in a new trace; return False if it is gone."""
        held = _Held(replace(left, trace_id=as_trace), "")
        self._hold(as_trace, held)
        waits = False
        try:
            waits = resume_message(
                self._database, left.trace_id, as_trace=as_trace, process=self._process
            )
        except PeeweeException as error:
            logger.warning("A message that was left is answered later: %s", error)
        if waits:
            held.standing = Standing.WAITS
        else:
            self._hold(as_trace, None)
        return waits

    def drop(self, left: AcceptedMessage) -> None:
        """Answer a message no more that was left."""
        end_message(self._database, left.trace_id, process=self._process)

    def close(self) -> None:
        """Leave what has not ended to the other processes."""
        try:
            self.free_ended()
            hand_over_messages(self._database, process=self._process)
        except PeeweeException as error:
            logger.warning("Messages are left to the next process a while later: %s", error)

    def _hold(self, trace_id: str, held: _Held | None) -> None:
        with self._lock:
            self._held.pop(trace_id, None)
            if held is not None:
                self._held[trace_id] = held
