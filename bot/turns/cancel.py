"""Cancel running turns: by id, by thread, or because the message was deleted."""

import re
import time
from collections.abc import Callable, Iterator, Sequence

from peewee import Database, PeeweeException

from bot.access import Access
from bot.agents.cancellation import DELETION, SHELL
from bot.concurrency.running_turns import RunningTurn, RunningTurns
from reports.errors import UsageError
from reports.views.messages import MessageView, ambiguous, not_found
from storage.coordination.cancel_requests import request_cancel
from storage.queries.traces import TraceSummary, running_traces, traces_by_id

PREFIX = re.compile(r"[0-9a-fA-F]{4,32}")
PATIENCE_S = 10.0
"""How long a shell waits for the process whose turn it is."""

MOST = 1_000
"""As many running traces are looked through."""


class TurnCanceller:
    """Whoever may see a trace may stop it."""

    def __init__(self, *, running: RunningTurns, access: Access, database: Database) -> None:
        self._running = running
        self._access = access
        self._database = database

    def by_id(self, wanted: str, *, team: str, user: str) -> MessageView:
        """Stop the turn whose trace id `wanted` begins. Raises `UsageError`."""

        def may_see(trace: RunningTurn | TraceSummary) -> bool:
            return self._access.may_see(trace, team, user)

        prefix = _prefix(wanted)
        begun = [turn for turn in self._turns() if turn.trace_id.startswith(prefix)]
        seen = list(filter(may_see, begun))
        if not seen:
            found = traces_by_id(self._database, prefix)
            return _not_running(wanted, list(filter(may_see, found)))
        if len(seen) > 1:
            return ambiguous(wanted, [turn.trace_id for turn in seen])
        self._stop(seen[0], by=user)
        return MessageView(text="It is being stopped: its thread will say so.", found=True)

    def in_thread(self, channel: str, thread_ts: str, *, team: str, user: str) -> None:
        """Stop the thread's turn that runs; those that wait for it go on."""
        for turn in self._turns():
            here = (turn.channel, turn.thread_ts) == (channel, thread_ts)
            if here and self._access.may_see(turn, team, user):
                self._stop(turn, by=user)

    def message_deleted(self, channel: str, message_ts: str) -> None:
        """Nobody waits for the answer to a message that was taken back."""
        for turn in self._turns():
            if (turn.channel, turn.message_ts) == (channel, message_ts):
                self._stop(turn, by=DELETION)

    def _turns(self) -> Iterator[RunningTurn | TraceSummary]:
        """Those of this process, which need no database to be stopped, and those of others."""
        here = self._running.all()
        yield from here
        known = {turn.trace_id for turn in here}
        try:
            everywhere = running_traces(self._database, limit=MOST)
        except PeeweeException:
            return
        yield from (t for t in everywhere if _is_turn(t) and t.trace_id not in known)

    def _stop(self, turn: RunningTurn | TraceSummary, *, by: str) -> None:
        if isinstance(turn, RunningTurn):
            turn.cancellation.cancel(by)
            return
        request_cancel(self._database, turn.trace_id, by=by, now=time.time_ns())


def stop_from_shell(
    database: Database, wanted: str, *, patience_s: float = PATIENCE_S
) -> MessageView:
    """Ask whoever runs the turn to stop it, and wait until it has. Raises `UsageError`."""
    prefix = _prefix(wanted)
    everywhere = running_traces(database, limit=MOST)
    begun = [t for t in everywhere if _is_turn(t) and t.trace_id.startswith(prefix)]
    if not begun:
        return _not_running(wanted, traces_by_id(database, prefix))
    if len(begun) > 1:
        return ambiguous(wanted, [trace.trace_id for trace in begun])
    trace_id = begun[0].trace_id
    request_cancel(database, trace_id, by=SHELL, now=time.time_ns())
    if _within(patience_s, lambda: _has_ended(database, trace_id)):
        return MessageView(text=f"{trace_id} is stopped.", found=True)
    return MessageView(
        text=f"{trace_id} still runs: its process did not answer within {patience_s:g} s. "
        "It stops as soon as that one hears of it; tracebot ps shows what runs."
    )


def _prefix(wanted: str) -> str:
    if not PREFIX.fullmatch(wanted):
        raise UsageError(f"{wanted} is no trace's id: give at least 4 of its digits (see ps).")
    return wanted.lower()


def _is_turn(trace: TraceSummary) -> bool:
    return trace.platform == "slack" and trace.message_ts is not None


def _not_running(wanted: str, found: Sequence[TraceSummary]) -> MessageView:
    if not found:
        return not_found(wanted)
    if any(trace.status == "running" for trace in found):
        return MessageView(text=f"{wanted} is no turn of mine: stop it where it was begun.")
    return MessageView(text=f"{wanted} has ended already: there is nothing to stop.")


def _has_ended(database: Database, trace_id: str) -> bool:
    return all(trace.status != "running" for trace in traces_by_id(database, trace_id))


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
