"""Cancel running turns of this process or another one: by id, by thread, or by message."""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress

from peewee import InterfaceError, OperationalError, PeeweeException

from bot.access import Access, Sight
from bot.agents.cancellation import DELETION, SHELL
from bot.concurrency.running_turns import RunningTurn, RunningTurns
from bot.retry import RetryPolicy, TryAgain
from reports.errors import UsageError
from reports.views.messages import MessageView, ambiguous, not_found
from storage.coordination.accepted_messages import waiting_traces
from storage.coordination.cancel_requests import request_cancel
from storage.database.base import Database
from storage.model.trace_context import began_at
from storage.queries.lookups import running_traces, traces_by_id
from storage.queries.traces import TraceSummary

PREFIX = re.compile(r"[0-9a-fA-F]{4,32}")
PATIENCE_S = 10.0
"""How long a shell waits for the process that runs the turn."""

ASKING = RetryPolicy(attempts=None, first_wait_s=0.1, longest_wait_s=1.0)
ASKING_S = 30.0
"""How long a locked database is asked to tell another process to stop a turn, in seconds."""

MOST_TRACES = 1_000
"""How many running traces are searched."""

logger = logging.getLogger("tracebot.cancel")


class TurnCanceller:
    """Cancel turns for people: those who may see a trace may cancel it, and whoever asked.

    Guests see no traces, but may be allowed to ask.
    """

    def __init__(self, *, running: RunningTurns, access: Access, database: Database) -> None:
        self._running = running
        self._access = access
        self._database = database

    def by_id(self, wanted: str, sight: Sight, *, team: str, user: str) -> MessageView:
        """Cancel the turn whose trace id begins with *wanted*, if *user* may.

        Raises `UsageError` if *wanted* cannot be an id.
        """
        prefix = _prefix(wanted)
        matching = [turn for turn in self._turns() if turn.trace_id.startswith(prefix)]
        meant = [turn for turn in matching if _may_cancel(turn, sight, team=team, user=user)]
        if not meant:
            found = traces_by_id(self._database, prefix, audiences=sight.audiences)
            return _not_running(wanted, list(filter(sight.may_see, found)))
        if len(meant) > 1:
            return _ambiguous(wanted, meant)
        self._cancel(meant[0], by=user)
        return MessageView(text="It is being stopped. Its thread will say so.", found=True)

    def in_thread(self, channel: str, thread_ts: str, *, team: str, user: str) -> None:
        """Cancel the turn that runs in a thread; those that wait for it go on."""
        place = (channel, thread_ts)
        turns = [
            turn
            for turn in self._turns()
            if turn.team == team and (turn.channel, turn.thread_ts) == place
        ]
        ours = [turn for turn in turns if isinstance(turn, RunningTurn)]
        stored = [turn for turn in turns if isinstance(turn, TraceSummary)]
        # The traces of messages that still wait are stored as running, too, and the one that runs
        # need not be the oldest: it has a new trace if another process has taken it over.
        waiting: Collection[str] = ()
        if not ours:
            with suppress(PeeweeException):
                waiting = waiting_traces(self._database)
        theirs = [turn for turn in stored if turn.trace_id not in waiting]
        for turn in ours or sorted(theirs, key=lambda trace: trace.started_at)[:1]:
            if _may_cancel(turn, self._access.sight(team, user), team=team, user=user):
                self._cancel_patiently(turn, by=user)

    def message_deleted(self, channel: str, message_ts: str) -> None:
        """Cancel the turn of a deleted message: nobody waits for its answer."""
        for turn in self._turns():
            if (turn.channel, turn.message_ts) == (channel, message_ts):
                self._cancel_patiently(turn, by=DELETION)

    def _turns(self) -> Iterator[RunningTurn | TraceSummary]:
        """Return the running turns: first ours, which are cancelled even without the database."""
        here = self._running.all()
        yield from here
        known = {turn.trace_id for turn in here}
        try:
            everywhere = running_traces(self._database, limit=MOST_TRACES)
        except PeeweeException:
            return
        yield from (t for t in everywhere if _is_turn(t) and t.trace_id not in known)

    def _cancel_patiently(self, turn: RunningTurn | TraceSummary, *, by: str) -> None:
        """Cancel a turn for somebody who would not be told that the database is locked."""

        def attempt() -> None:
            try:
                self._cancel(turn, by=by)
            except (OperationalError, InterfaceError) as error:
                raise TryAgain(error) from error

        try:
            ASKING.call(attempt, patience_s=ASKING_S)
        except PeeweeException as error:
            logger.warning("The process of turn %s was not asked to stop: %s", turn.trace_id, error)

    def _cancel(self, turn: RunningTurn | TraceSummary, *, by: str) -> None:
        if isinstance(turn, RunningTurn):
            turn.cancellation.cancel(by)
            return
        request_cancel(self._database, turn.trace_id, by=by, now=time.time_ns())


def cancel_from_shell(
    database: Database, wanted: str, *, patience_s: float = PATIENCE_S
) -> MessageView:
    """Ask the process that runs a turn to cancel it, and wait *patience_s* seconds for that.

    Raises `UsageError` if *wanted* cannot be an id.
    """
    prefix = _prefix(wanted)
    everywhere = running_traces(database, limit=MOST_TRACES)
    matching = [t for t in everywhere if _is_turn(t) and t.trace_id.startswith(prefix)]
    if not matching:
        return _not_running(wanted, traces_by_id(database, prefix))
    if len(matching) > 1:
        return _ambiguous(wanted, matching)
    trace_id = matching[0].trace_id
    request_cancel(database, trace_id, by=SHELL, now=time.time_ns())
    if _within(patience_s, lambda: _has_ended(database, trace_id)):
        return MessageView(text=f"{trace_id} is stopped.", found=True)
    return MessageView(
        text=f"{trace_id} is still running: its process did not react within {patience_s:g} s. "
        "It stops when that process reads the request. `tracebot ps` shows what is running."
    )


def _prefix(wanted: str) -> str:
    if not PREFIX.fullmatch(wanted):
        raise UsageError(
            f"{wanted!r} is not a trace id. Give at least 4 of its digits; `ps` lists them."
        )
    return wanted.lower()


def _ambiguous(wanted: str, turns: Sequence[RunningTurn | TraceSummary]) -> MessageView:
    begun = {turn.trace_id: began_at(turn.trace_id) for turn in turns}
    return ambiguous(wanted, begun, now=time.time_ns())


def _may_cancel(turn: RunningTurn | TraceSummary, sight: Sight, *, team: str, user: str) -> bool:
    return (turn.team, turn.user) == (team, user) or sight.may_see(turn)


def _is_turn(trace: TraceSummary) -> bool:
    return trace.platform == "slack" and trace.message_ts is not None


def _not_running(wanted: str, found: Sequence[TraceSummary]) -> MessageView:
    if not found:
        return not_found(wanted)
    if any(trace.status == "running" for trace in found):
        return MessageView(text=f"{wanted} is not a turn of the bot. Stop it where it was started.")
    return MessageView(text=f"{wanted} has already ended, so there is nothing to stop.")


def _has_ended(database: Database, trace_id: str) -> bool:
    return all(trace.status != "running" for trace in traces_by_id(database, trace_id))


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
