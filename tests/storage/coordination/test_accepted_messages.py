"""One turn at a time in each thread, whatever process runs it; none is lost, all in their order."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storage.coordination.accepted_messages import (
    ASKED,
    AcceptedMessage,
    Standing,
    accept_message,
    begin_message,
    end_message,
    leave_message,
    messages_of,
    note_changed,
    resume_message,
)
from storage.coordination.heartbeats import Heartbeat, put_heartbeat
from storage.coordination.process_identity import NOBODY
from storage.coordination.take_over import other_owners, take_over
from storage.coordination.unfinished_replies import UnfinishedReply, put_reply
from storage.database.base import Database
from storage.database.connect import connect, locate
from storage.database.models import (
    AcceptedMessageRow,
    HeartbeatRow,
    LeaseRow,
    UnfinishedReplyRow,
)

NOW = 1_800_000_000_000_000_000
FIRST = AcceptedMessage(
    trace_id="1",
    team="T1",
    channel="C1",
    thread_ts="1.000001",
    message_ts="1.000001",
    user="U1",
    position="1.000001",
)
SECOND = replace(FIRST, trace_id="2", message_ts="1.000002", position="1.000002")
THIRD = replace(FIRST, trace_id="3", message_ts="1.000003", position="1.000003")

Connect = Callable[[], Database]


@pytest.fixture(scope="module")
def postgres(postgres_url: str) -> str:
    """Create our tables once, and return the URL."""
    with closing(locate(postgres_url)) as database:
        database.create()
    return postgres_url


@pytest.fixture(params=["sqlite", "postgresql"])
def connecting(request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
    """Return a function that connects to a database with our tables, of each kind."""
    if request.param == "sqlite":
        with closing(connect(tmp_path / "lanes.db")) as database:
            database.create()
        return lambda: connect(tmp_path / "lanes.db")
    url = request.getfixturevalue("postgres")
    with closing(locate(url)) as database:
        for table in (AcceptedMessageRow, HeartbeatRow, LeaseRow, UnfinishedReplyRow):
            table.delete().execute(database)
    return lambda: locate(url)


@pytest.fixture
def shared(connecting: Connect) -> Iterator[Database]:
    with closing(connecting()) as database:
        yield database


def accept(database: Database, message: AcceptedMessage, process: str, now: int = NOW) -> Standing:
    claim = f"message:{message.message_ts}"
    return accept_message(database, message, claim=claim, process=process, now=now)


def beat(database: Database, process: str) -> None:
    put_heartbeat(
        database,
        Heartbeat(
            process=process, team="T1", version="1", mode="http", state="connected", problem=""
        ),
    )


def test_a_message_waits_for_the_turn_of_another_process_in_its_thread(shared: Database) -> None:
    assert accept(shared, FIRST, "a:1:1") is Standing.RUNS
    assert accept(shared, SECOND, "b:1:1") is Standing.WAITS
    elsewhere = replace(SECOND, trace_id="4", message_ts="5", thread_ts="5")
    assert accept(shared, elsewhere, "b:1:1") is Standing.RUNS
    assert begin_message(shared, "2", process="b:1:1") is Standing.WAITS
    end_message(shared, "1", process="a:1:1")
    assert begin_message(shared, "2", process="b:1:1") is Standing.RUNS


def test_messages_that_wait_begin_in_their_order_and_not_as_they_came(shared: Database) -> None:
    accept(shared, FIRST, "a:1:1")
    accept(shared, THIRD, "b:1:1")
    accept(shared, SECOND, "c:1:1")
    end_message(shared, "1", process="a:1:1")
    assert begin_message(shared, "3", process="b:1:1") is Standing.WAITS
    assert begin_message(shared, "2", process="c:1:1") is Standing.RUNS
    assert begin_message(shared, "3", process="b:1:1") is Standing.WAITS
    end_message(shared, "2", process="c:1:1")
    assert begin_message(shared, "3", process="b:1:1") is Standing.RUNS


def test_a_message_that_comes_late_does_not_pass_those_that_wait(shared: Database) -> None:
    accept(shared, FIRST, "a:1:1")
    accept(shared, SECOND, "b:1:1")
    end_message(shared, "1", process="a:1:1")
    assert accept(shared, THIRD, "c:1:1") is Standing.WAITS


def test_an_event_that_two_processes_get_is_one_message(shared: Database) -> None:
    assert accept(shared, FIRST, "a:1:1") is Standing.RUNS
    assert accept(shared, replace(FIRST, trace_id="9"), "b:1:1") is Standing.ELSEWHERE
    end_message(shared, "1", process="a:1:1")
    assert accept(shared, replace(FIRST, trace_id="9"), "b:1:1") is Standing.ELSEWHERE
    assert not messages_of(shared, process="b:1:1")


def test_what_a_process_that_is_gone_has_left_is_taken_over_by_one_other(
    shared: Database,
) -> None:
    accept(shared, FIRST, "a:1:1")
    accept(shared, SECOND, "a:1:1")
    beat(shared, "a:1:1")
    (before,) = other_owners(shared, team="T1", process="b:1:1")
    beat(shared, "a:1:1")
    assert not take_over(shared, before, team="T1", process="b:1:1"), "it is there after all"
    (owner,) = other_owners(shared, team="T1", process="b:1:1")
    assert take_over(shared, owner, team="T1", process="b:1:1")
    assert not take_over(shared, owner, team="T1", process="c:1:1")
    assert begin_message(shared, "2", process="a:1:1") is Standing.ELSEWHERE
    assert [each.trace_id for each in messages_of(shared, process="b:1:1")] == ["1", "2"]
    assert resume_message(shared, "1", as_trace="11", process="b:1:1")
    assert not resume_message(shared, "1", as_trace="12", process="b:1:1")
    assert begin_message(shared, "11", process="b:1:1") is Standing.RUNS


def test_a_message_that_is_left_can_be_taken_at_once(shared: Database) -> None:
    accept(shared, FIRST, "a:1:1")
    assert leave_message(shared, "1", process="a:1:1")
    (owner,) = other_owners(shared, team="T1", process="b:1:1")
    assert (owner.process, owner.has_ended(shared)) == (NOBODY, True)
    assert take_over(shared, owner, team="T1", process="b:1:1")
    (left,) = messages_of(shared, process="b:1:1")
    assert (left.state, left.attempts) == ("waiting", 0)


def test_a_message_whose_agent_is_asked_is_asked_by_nobody_else(shared: Database) -> None:
    accept(shared, FIRST, "a:1:1")
    reply = UnfinishedReply(
        id="1:claude",
        trace_id="1",
        agent="claude",
        team="T1",
        channel="C1",
        thread_ts="1.000001",
        message_ts="1.000001",
        user="U1",
        begun_at=NOW,
    )
    put_reply(shared, reply, process="a:1:1")
    assert not leave_message(shared, "1", process="a:1:1")
    (asked,) = messages_of(shared, process="a:1:1")
    assert asked.state == ASKED


def test_a_message_that_is_edited_while_it_waits_says_so_when_it_begins(shared: Database) -> None:
    accept(shared, FIRST, "a:1:1")
    accept(shared, SECOND, "b:1:1")
    note_changed(shared, team="T1", channel="C1", message_ts=SECOND.message_ts)
    end_message(shared, "1", process="a:1:1")
    assert begin_message(shared, "2", process="b:1:1") is Standing.CHANGED


def test_the_clock_is_that_of_the_database(shared: Database) -> None:
    assert abs(shared.now() - time.time_ns()) < 60_000_000_000


class Processes:
    """Fake processes, of hosts that nobody can ask, that answer messages of a few threads.

    Each keeps to what `Lanes` and `SerialQueues` do: of the messages of a thread that it knows, it
    tries to begin the first.
    """

    def __init__(self, database: Database, chance: random.Random) -> None:
        self.database = database
        self.chance = chance
        self.names = [f"host{number}:1:1" for number in range(5)]
        self.silent: set[str] = set()
        self.running: dict[str, str] = {}
        """The trace that a process answers in a thread, by thread; of living processes only."""
        self.number = 0
        self.accepted: list[str] = []
        self.answered: list[str] = []

    def alive(self) -> str:
        return self.chance.choice([each for each in self.names if each not in self.silent])

    def accept(self) -> None:
        self.number += 1
        ts = f"2.{self.number:06}"
        message = replace(
            FIRST,
            trace_id=str(self.number),
            thread_ts=self.chance.choice("xy"),
            message_ts=ts,
            position=ts,
        )
        standing = accept(self.database, message, self.alive())
        self.accepted.append(ts)
        if standing is Standing.RUNS:
            self.begun(message)

    def begin(self) -> None:
        process = self.alive()
        waiting: dict[str, AcceptedMessage] = {}
        for each in messages_of(self.database, process=process):
            waiting.setdefault(each.thread_ts, each)
        for each in waiting.values():
            if each.state == "waiting":
                standing = begin_message(self.database, each.trace_id, process=process)
                if standing is Standing.RUNS:
                    self.begun(each)

    def begun(self, message: AcceptedMessage) -> None:
        assert message.thread_ts not in self.running
        self.running[message.thread_ts] = message.trace_id
        before = AcceptedMessageRow.select().where(
            AcceptedMessageRow.thread_ts == message.thread_ts,
            AcceptedMessageRow.position < message.position,
        )
        assert not before.count(self.database)

    def end(self) -> None:
        for thread, trace_id in list(self.running.items()):
            rows = AcceptedMessageRow.select().where(AcceptedMessageRow.trace_id == trace_id)
            (row,) = rows.execute(self.database)
            self.answered.append(row.message_ts)
            end_message(self.database, trace_id, process=row.process)
            del self.running[thread]

    def kill(self) -> None:
        process = self.alive()
        if len(self.silent) < len(self.names) - 1:
            self.silent.add(process)
            for each in messages_of(self.database, process=process):
                if self.running.get(each.thread_ts) == each.trace_id:
                    del self.running[each.thread_ts]

    def start(self) -> None:
        self.names.append(f"host{len(self.names)}:1:1")

    def keep(self) -> None:
        """Let one process try to take over from all others, but the living are seen meanwhile."""
        process = self.alive()
        owners = other_owners(self.database, team="T1", process=process)
        for each in self.names:
            if each not in self.silent:
                beat(self.database, each)
        taken = [
            owner.process
            for owner in owners
            if take_over(self.database, owner, team="T1", process=process)
        ]
        assert self.silent.issuperset(taken)
        for each in messages_of(self.database, process=process) if taken else ():
            if self.running.get(each.thread_ts) != each.trace_id:
                again = f"{each.trace_id}+"
                resume_message(self.database, each.trace_id, as_trace=again, process=process)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_processes_do_and_die_of_each_message_is_answered_once_in_its_order(
    seed: int, shared: Database
) -> None:
    processes = Processes(shared, random.Random(seed))
    steps = [processes.accept, processes.begin, processes.begin, processes.end, processes.keep]
    for _ in range(80):
        processes.chance.choice([*steps, processes.kill, processes.start])()
    for _ in range(300):
        for step in (processes.keep, processes.begin, processes.end):
            step()
        if len(processes.answered) == len(processes.accepted):
            break
    assert sorted(processes.answered) == processes.accepted


def test_processes_that_race_for_a_thread_never_run_two_turns_at_once(
    connecting: Connect,
) -> None:
    running: dict[str, int] = {"x": 0, "y": 0}
    answered: list[tuple[str, str]] = []

    def work(name: str, number: int) -> None:
        with closing(connecting()) as database:
            for turn in range(6):
                ts, thread = f"{turn}.{number:06}", "xy"[turn % 2]
                message = replace(
                    FIRST, trace_id=name + ts, thread_ts=thread, message_ts=ts, position=ts
                )
                standing = accept(database, message, name)
                while standing is Standing.WAITS:
                    time.sleep(0.001)
                    standing = begin_message(database, message.trace_id, process=name)
                assert standing is Standing.RUNS
                running[thread] += 1
                answered.append((ts, "alone" if running[thread] == 1 else "together"))
                time.sleep(0.001)
                running[thread] -= 1
                end_message(database, message.trace_id, process=name)

    threads = [threading.Thread(target=work, args=(f"host{n}:1:1", n)) for n in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({ts for ts, _ in answered}) == 36
    assert {how for _, how in answered} == {"alone"}
