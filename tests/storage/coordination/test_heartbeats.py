"""Which processes of a bot are there, and which have ended."""

import socket

from storage.coordination.heartbeats import (
    KEPT_NS,
    LOST_NS,
    UNSEEN_NS,
    Heartbeat,
    State,
    dead_processes,
    forget_old_processes,
    heartbeats,
    put_heartbeat,
)
from storage.coordination.process_identity import new_writer, this_process
from storage.database.base import Database
from storage.database.models import HeartbeatRow

ELSEWHERE = "another-host:1:5:1"
HERE = Heartbeat(
    process=new_writer(), team="T1", version="1.0", mode="socket", state="connected", problem=""
)
DEAD = f"{socket.gethostname()}:4194304:1:1"


def put(database: Database, process: str, *, state: State = "connected", ago: int = 0) -> None:
    """Store a heartbeat of some time ago, by the clock of the database."""
    put_heartbeat(
        database,
        Heartbeat(process=process, team="T1", version="1.0", mode="http", state=state, problem=""),
    )
    earlier = HeartbeatRow.update(seen_at=HeartbeatRow.seen_at - ago)
    earlier.where(HeartbeatRow.process == process).execute(database)


def seen(database: Database) -> list[Heartbeat]:
    return heartbeats(database, now=database.now())


def test_a_process_is_seen_and_when_it_started(any_database: Database) -> None:
    put_heartbeat(any_database, HERE)
    (first,) = seen(any_database)
    assert first.started_at == first.seen_at > 0
    put_heartbeat(any_database, HERE)
    (again,) = seen(any_database)
    assert again.started_at == first.started_at < again.seen_at
    assert f"{again.host}:{again.pid}" == ":".join(this_process().split(":")[:2])


def test_a_process_that_ended_unexpectedly_is_gone(any_database: Database) -> None:
    put(any_database, HERE.process, ago=UNSEEN_NS * 9)
    put(any_database, DEAD)
    put(any_database, ELSEWHERE, ago=UNSEEN_NS // 2)
    put(any_database, "unseen:1:1:1", ago=UNSEEN_NS * 2)
    put(any_database, "stopped:1:1:1", ago=UNSEEN_NS * 2, state="stopped")
    states = {each.process: each.state for each in seen(any_database)}
    assert states == {
        HERE.process: "connected",
        DEAD: "gone",
        ELSEWHERE: "connected",
        "unseen:1:1:1": "gone",
        "stopped:1:1:1": "stopped",
    }
    # Those that are there come first.
    assert set(list(states)[:2]) == {HERE.process, ELSEWHERE}


def test_what_a_process_of_another_host_left_is_given_up_after_a_while(
    any_database: Database,
) -> None:
    """The writers of a process have other names than its bot; the process is the same."""
    writer, unknown = "another-host:1:5:7", "a-third-host:1:1:1"
    names = [writer, unknown, DEAD, this_process()]
    assert dead_processes(any_database, names) == {DEAD}
    put(any_database, ELSEWHERE, ago=LOST_NS // 2)
    assert dead_processes(any_database, names) == {DEAD}
    put(any_database, ELSEWHERE, ago=LOST_NS * 2)
    assert dead_processes(any_database, names) == {DEAD, writer}
    put(any_database, "another-host:1:5:2")  # A second bot in the same process.
    assert dead_processes(any_database, names) == {DEAD}
    put(any_database, "another-host:1:5:2", state="stopped")
    assert dead_processes(any_database, names) == {DEAD, writer}


def test_processes_of_long_ago_are_forgotten(any_database: Database) -> None:
    put(any_database, ELSEWHERE, ago=KEPT_NS * 2)
    put(any_database, DEAD)
    forget_old_processes(any_database)
    assert [each.process for each in seen(any_database)] == [DEAD]
