"""Heartbeats: know which processes of a bot there are, on any host, and if they still run.

Times are those of the database's server, so that hosts whose clocks differ agree.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Literal

from storage.coordination.process_identity import (
    is_alive,
    is_local,
    is_of_earlier_boot,
    os_process,
)
from storage.database.base import Database
from storage.database.models import HeartbeatRow
from storage.database.transactions import transaction

BEAT_S = 10.0
"""How often a process says that it is there."""

ABSENT_S = 20.0
"""After so long without a heartbeat a process may be taken for gone. So it first has another one,
and then finds out what it has lost."""

GONE_S = 30.0
"""How long a process has no new heartbeat, as another one sees it, before that takes over."""

UNSEEN_NS = 35 * 1_000_000_000
"""A process of another host that missed three heartbeats is shown as gone."""

LOST_NS = 300 * 1_000_000_000
"""After this time, what such a process records is not waited for any more."""

KEPT_NS = 7 * 24 * 3_600 * 1_000_000_000
"""How long processes that have ended are remembered."""

PATIENCE_S = 1.0
"""How long a heartbeat waits for a locked database. The next one comes soon."""

State = Literal["connected", "not connected", "stopped", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A process of the bot in the workspace `team`: its name, its tracebot, and how it is doing.

    `mode` says how Slack reaches it: `socket`, `http`, or nothing yet. `problem` says why it is not
    connected. A process that ended without stopping is `gone`. Times are in nanoseconds since the
    epoch, and known of one that is read.
    """

    process: str
    team: str
    version: str
    mode: str
    state: State
    problem: str
    started_at: int = 0
    seen_at: int = 0

    @property
    def is_there(self) -> bool:
        return self.state in ("connected", "not connected")

    @property
    def host(self) -> str:
        return self.process.split(":")[0]

    @property
    def pid(self) -> int:
        return int(self.process.split(":")[1])


def put_heartbeat(database: Database, heartbeat: Heartbeat) -> None:
    """Store that a process was there just now."""
    now = database.now()
    row = asdict(replace(heartbeat, started_at=now, seen_at=now))
    again = {name: value for name, value in row.items() if name != "started_at"}
    insert = HeartbeatRow.insert(**row)
    with transaction(database, deadline=PATIENCE_S, of=[heartbeat.process]):
        insert.on_conflict(conflict_target=[HeartbeatRow.process], update=again).execute(database)


def forget_old_processes(database: Database) -> None:
    """Remove the processes that nobody asks about any more."""
    long_ago = database.now() - KEPT_NS
    with transaction(database, deadline=PATIENCE_S, of=()):
        HeartbeatRow.delete().where(HeartbeatRow.seen_at < long_ago).execute(database)


def heartbeats(database: Database, *, team: str | None = None, now: int) -> list[Heartbeat]:
    """Return the processes that are there, the oldest first, and then those that have ended.

    Those of all workspaces, or of one. `now` is the time of the database's server.
    """
    rows = HeartbeatRow.select().order_by(HeartbeatRow.started_at, HeartbeatRow.process)
    if team is not None:
        rows = rows.where(HeartbeatRow.team == team)
    found = [_judged(Heartbeat(**row), now) for row in rows.dicts().execute(database)]
    return sorted(found, key=lambda each: not each.is_there)


def _judged(heartbeat: Heartbeat, now: int) -> Heartbeat:
    process, seen_at = heartbeat.process, heartbeat.seen_at
    if heartbeat.state == "stopped":
        return heartbeat
    # One that can be asked and runs is there, however long it stands still.
    unseen = not is_local(process) and seen_at < now - UNSEEN_NS
    if unseen or not is_alive(process):
        return replace(heartbeat, state="gone")
    return heartbeat


def seen_lately(database: Database, *, team: str) -> int:
    """Return how many processes of a bot there were in the last minutes, with those that ended."""
    since = database.now() - LOST_NS
    rows = HeartbeatRow.select().where(HeartbeatRow.team == team, HeartbeatRow.seen_at > since)
    return int(rows.count(database))


def dead_processes(database: Database, processes: Collection[str]) -> set[str]:
    """Return those of *processes* that have ended.

    One that cannot be asked, as on another host, has if its bot said so, or was not seen for
    `LOST_NS`. If it has no heartbeat, such as a program that only records, it counts as alive.
    """
    dead = {each for each in processes if has_ended(database, each)}
    if all(each in dead or is_local(each) for each in processes):
        return dead
    lost = database.now() - LOST_NS
    rows = HeartbeatRow.select(HeartbeatRow.process, HeartbeatRow.state, HeartbeatRow.seen_at)
    ended: dict[str, bool] = {}
    for process, state, seen_at in rows.tuples().execute(database):
        # A program may run several bots: it has ended if the heartbeats of all of them say so.
        known = os_process(process)
        ended[known] = ended.get(known, True) and (state == "stopped" or seen_at < lost)
    return dead | {each for each in processes if ended.get(os_process(each)) and not is_local(each)}


def has_ended(database: Database, process: str) -> bool:
    """Return True for a process that certainly runs no more, as far as this host can tell."""
    # Those who share a file are on one machine, also if they are in several containers.
    return not is_alive(process) or (not database.on_server and is_of_earlier_boot(process))
