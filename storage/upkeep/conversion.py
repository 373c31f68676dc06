"""Give the past of a channel that became private to its members.

A trace is stored with the audience that it had at the time. When its channel becomes private,
everything that is stored of it moves to the channel's audience: spans, summaries, removed traces,
and its part of the statistics. What retention has removed can no longer be told apart from other
channels: it moves in the statistics by channel, and stays in the team's other totals.
"""

import math
import threading
import time
from collections.abc import Mapping, Sequence

from peewee import SQL, fn

from storage.database.base import Database
from storage.database.models import (
    FactRow,
    PrivateChannelRow,
    RemovedTraceRow,
    RollupRow,
    SpanRow,
    TraceRow,
)
from storage.database.transactions import transaction
from storage.model.retention import OTHERS
from storage.model.span import own_audience
from storage.store.recount import move_channel, move_figures

SPANS_A_TRANSACTION = 500
"""A transaction of about 50 ms, so that the writers of other processes need not wait for long."""


def make_private(database: Database, *, team: str, channel: str, until: float = math.inf) -> bool:
    """Move all that is stored of a channel of `team` to its own audience.

    Return False if the monotonic time `until` came first, or the process may die on the way:
    calling it again does the rest. What names the channel moves at once.
    """
    with transaction(database):
        # First, so that spans which are stored from now on get the right audience at once.
        PrivateChannelRow.insert(team=team, channel=channel).on_conflict_ignore().execute(database)
        RemovedTraceRow.update(audience=own_audience(team, channel)).where(
            RemovedTraceRow.audience == team, RemovedTraceRow.channel == channel
        ).execute(database)
        move_channel(database, team=team, channel=channel)
    while ids := _some_traces(database, team=team, channel=channel):
        began = time.monotonic()
        with transaction(database):
            _move_traces(database, ids, team=team, audience=own_audience(team, channel))
        # A process that begins its next transaction at once leaves the others no moment for theirs.
        time.sleep(min(time.monotonic() - began, 0.05))
        # After some have moved: whoever calls again and again comes to an end.
        if time.monotonic() > until:
            return False
    return True


def make_public(database: Database, *, team: str, channel: str) -> None:
    """Let what comes from now on be public. What was private stays private."""
    with transaction(database):
        PrivateChannelRow.delete().where(
            PrivateChannelRow.team == team, PrivateChannelRow.channel == channel
        ).execute(database)


def _has_public_traces(database: Database, *, team: str, channel: str) -> bool:
    # COALESCE keeps SQLite from using the index on audience, which has most traces of the team. The
    # index on channel holds the audience, too, and SELECT 1 needs nothing else.
    query = TraceRow.select(SQL("1")).where(
        TraceRow.channel == channel, fn.COALESCE(TraceRow.audience, "") == team
    )
    return query.limit(1).scalar(database) is not None


def _has_private_traces(database: Database, *, team: str, channel: str) -> bool:
    query = TraceRow.select(SQL("1")).where(TraceRow.audience == own_audience(team, channel))
    return query.limit(1).scalar(database) is not None


def _in_statistics(database: Database, *, team: str) -> frozenset[str]:
    """Return the channels that the team's statistics name, also if their traces were removed."""
    added_up = RollupRow.select(RollupRow.key).where(
        RollupRow.level.in_(("day", "month")),
        RollupRow.dimension == "channel",
        RollupRow.audience == team,
        # What an old month does not name: Slack would say that there is no such channel.
        RollupRow.key != OTHERS,
    )
    waiting = FactRow.select(FactRow.key).where(
        FactRow.dimension == "channel", FactRow.audience == team
    )
    rows = (added_up | waiting).tuples().execute(database)
    return frozenset(channel for (channel,) in rows)


def _some_traces(database: Database, *, team: str, channel: str) -> list[str]:
    query = TraceRow.select(TraceRow.trace_id, TraceRow.span_count).where(
        TraceRow.channel == channel, fn.COALESCE(TraceRow.audience, "") == team
    )
    ids: list[str] = []
    spans = 0
    for trace_id, count in query.limit(200).tuples().execute(database):
        if ids and spans + count > SPANS_A_TRANSACTION:
            break
        ids.append(trace_id)
        spans += count
    return ids


def _move_traces(database: Database, ids: Sequence[str], *, team: str, audience: str) -> None:
    move_figures(database, ids, team=team, audience=audience)
    for table in (SpanRow, TraceRow):
        table.update(audience=audience).where(
            table.trace_id.in_(list(ids)), table.audience == team
        ).execute(database)


class ChannelConversions:
    """Compare the channels of `team` with what is stored, and follow those that were converted."""

    def __init__(self, database: Database, *, team: str) -> None:
        self._database = database
        self._team = team
        self._lock = threading.Lock()
        self._private: set[str] = set()
        """Private channels whose traces were looked through, which takes long if they are many."""
        self.once_private: frozenset[str] = frozenset()
        """Public channels that have private traces, because they were private before."""

    def counted(self) -> frozenset[str]:
        """Return the channels that the team's statistics name. Raises PeeweeException."""
        return _in_statistics(self._database, team=self._team)

    def follow(self, public: Mapping[str, bool], *, patience_s: float = math.inf) -> bool:
        """Move what is stored to where it belongs; `public` tells it of each channel.

        Return False if that takes longer than `patience_s` seconds. Raises PeeweeException.
        """
        until = time.monotonic() + patience_s
        # One thread at a time; those that come meanwhile do not go on before the traces have moved.
        if not self._lock.acquire(timeout=min(patience_s, threading.TIMEOUT_MAX)):
            return False
        try:
            return self._follow(public, until)
        finally:
            self._lock.release()

    def _follow(self, public: Mapping[str, bool], until: float) -> bool:
        named = self.counted()
        converted = self._converted()
        for channel, is_public in public.items():
            if is_public:
                self._private.discard(channel)
                if channel in converted:
                    make_public(self._database, team=self._team, channel=channel)
            elif not self._close(channel, named=channel in named, until=until):
                return False
        self.once_private = frozenset(
            channel
            for channel, is_public in public.items()
            if is_public and _has_private_traces(self._database, team=self._team, channel=channel)
        )
        return True

    def _close(self, channel: str, *, named: bool, until: float) -> bool:
        if not named and (
            channel in self._private
            or not _has_public_traces(self._database, team=self._team, channel=channel)
        ):
            self._private.add(channel)
            return True
        self._private.discard(channel)
        return make_private(self._database, team=self._team, channel=channel, until=until)

    def _converted(self) -> frozenset[str]:
        query = PrivateChannelRow.select(PrivateChannelRow.channel).where(
            PrivateChannelRow.team == self._team
        )
        return frozenset(channel for (channel,) in query.tuples().execute(self._database))
