"""Real faults of any length: killed processes, many processes on one database, racing starts.

Each runs in a process of its own (`run`), which forks the others before it opens anything.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from peewee import OperationalError

from storage import Observability
from storage.database.connect import connect
from storage.database.models import FactRow, RollupRow, SpanRow
from storage.queries.traces import recent_traces
from storage.recovery.opening import open_database
from storage.store.spool_files import spool_folder, waiting
from storage.upkeep.checkpoint import checkpoint
from tests.support.paths import ROOT

SOUND = {"lost": 0, "doubled": 0, "miscounted": 0, "integrity": "ok", "spooled": 0}


def run(scenario: str, path: Path, *arguments: float, timeout: float) -> dict[str, Any]:
    """Run *scenario*, a function of this module, in a process and return its result."""
    command = [
        sys.executable,
        "-m",
        "tests.support.process_faults",
        scenario,
        str(path),
        *map(str, arguments),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=timeout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def kills(path: Path, number: float) -> dict[str, Any]:
    """Kill processes that record, while another one locks the database now and then.

    A process says which spans are acknowledged: recorded before a `flush` that was True.
    """
    open_database(path).close()
    locker = fork(lambda: lock_now_and_then(path))
    acknowledged: list[str] = []
    for turn in range(int(number)):
        reading, writing = os.pipe()
        child = fork(lambda turn=turn, writing=writing: record_until_killed(path, turn, writing))
        os.close(writing)
        if turn % 2 == 0:  # The others may be killed even while they open the database.
            select.select([reading], [], [], 60.0)
        acknowledged += read_for(reading, seconds=random.uniform(0.05, 0.4))
        os.kill(child, signal.SIGKILL)
        acknowledged += read_for(reading, seconds=10.0)
        os.close(reading)
        os.waitpid(child, 0)
    os.kill(locker, signal.SIGKILL)
    os.waitpid(locker, 0)
    stored = settled(path)
    return {
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(stored)),
        **state(path, stored),
    }


def record_until_killed(path: Path, turn: int, pipe: int) -> None:
    observability = Observability.open(path, platform="cli", busy_timeout_ms=50)
    recorded: list[str] = []
    for number in range(1_000_000):
        name = f"{turn}.{number}"
        with observability.span(name):
            pass
        recorded.append(name)
        if random.random() < 0.1 and observability.flush(0.5):
            os.write(pipe, "".join(f"{each}\n" for each in recorded).encode())
            recorded = []
        time.sleep(0.0005)


def lock_now_and_then(path: Path) -> None:
    database = connect(path)
    while True:
        time.sleep(random.uniform(0.2, 0.6))
        database.begin()
        time.sleep(random.uniform(0.1, 0.5))
        database.rollback()


def read_for(pipe: int, *, seconds: float) -> list[str]:
    """Return the lines that a pipe holds until its end, or within some seconds."""
    until, text = time.monotonic() + seconds, b""
    while select.select([pipe], [], [], max(until - time.monotonic(), 0))[0]:
        chunk = os.read(pipe, 65_536)
        if not chunk:
            break
        text += chunk
    return text.decode().splitlines()


def crowd(path: Path, seconds: float) -> dict[str, Any]:
    """Let 8 processes record and sometimes checkpoint, while another one reads."""
    open_database(path).close()
    reader = fork(lambda: read_on(path))
    writers = [fork(lambda name=name: write_for(path, name, seconds)) for name in range(8)]
    ended = [os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) for writer in writers]
    os.kill(reader, signal.SIGTERM)
    os.waitpid(reader, 0)
    stored = settled(path)
    last = [max(number(name) for name in stored if writer(name) == each) for each in range(8)]
    return {
        "exit codes": ended,
        "lost": sum(last) + 8 - len(set(stored)),
        **state(path, stored),
    }


def writer(name: str) -> int:
    return int(name.partition(".")[0])


def number(name: str) -> int:
    return int(name.partition(".")[2])


def write_for(path: Path, name: int, seconds: float) -> None:
    database = connect(path)
    with Observability.open(path, platform="cli") as observability:
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            with observability.span(f"{name}.{number}"):
                pass
            number += 1
            time.sleep(0.002)
            if number % 100 == 0:
                with suppress(OperationalError):  # It waits for nobody, and may find it locked.
                    checkpoint(database, random.choice(("passive", "truncate")))
        stored = observability.flush(60)
    database.close()
    os._exit(0 if stored else 1)


def read_on(path: Path) -> None:
    database = connect(path)
    while True:
        recent_traces(database, limit=50)
        time.sleep(0.01)


def race(path: Path, processes: float) -> dict[str, Any]:
    """Let processes start at the same time to record into a database that does not exist yet."""
    began = time.monotonic() + 0.2

    def begin(name: int) -> None:
        time.sleep(max(began - time.monotonic(), 0))
        with Observability.open(path, platform="cli") as observability:
            for number in range(20):
                with observability.span(f"{name}.{number}"):
                    pass
            os._exit(0 if observability.flush(60) else 1)

    children = [fork(lambda name=name: begin(name)) for name in range(int(processes))]
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    stored = settled(path)
    return {
        "exit codes": ended,
        "lost": int(processes) * 20 - len(set(stored)),
        **state(path, stored),
    }


def fork(work: Callable[[], object]) -> int:
    """Fork a child that does *work* and ends without its parent's exit handlers."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        os._exit(2)
    os._exit(0)


def settled(path: Path) -> list[str]:
    """Return the names of all spans after storing what is left in the spools."""
    with Observability.open(path, platform="cli"):
        deadline = time.monotonic() + 60
        while waiting(spool_folder(path))[0] and time.monotonic() < deadline:
            time.sleep(0.01)
    database = connect(path)
    stored = [name for (name,) in SpanRow.select(SpanRow.name).tuples().execute(database)]
    database.close()
    return stored


def state(path: Path, stored: Sequence[str]) -> dict[str, Any]:
    """Return whether the file is intact, each span is stored once, and the statistics agree."""
    database = connect(path)
    ended = SpanRow.select().where(SpanRow.status != "running").count(database)
    hours = RollupRow.select(RollupRow.traces).where(
        RollupRow.level == "hour", RollupRow.dimension == "all"
    )
    waiting_facts = FactRow.select(FactRow.traces).where(FactRow.dimension == "all")
    counted = sum(
        traces for rows in (hours, waiting_facts) for (traces,) in rows.tuples().execute(database)
    )
    found = {
        "doubled": len(stored) - len(set(stored)),
        "miscounted": counted - ended,
        "integrity": database.execute_sql("PRAGMA integrity_check").fetchall()[0][0],
        "spooled": waiting(spool_folder(path))[0],
    }
    database.close()
    return found


if __name__ == "__main__":
    scenario, path, *arguments = sys.argv[1:]
    answer = globals()[scenario](Path(path), *map(float, arguments))
    sys.stdout.write(json.dumps(answer))
