"""Kill and crowd processes and fill disks, in short: `scripts/soak` does it for minutes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import OperationalError

from storage import Observability
from storage.database.models import SpanRow
from storage.database.transactions import transaction
from storage.recovery.opening import open_database
from storage.store.spool_files import spool_folder, waiting
from tests.support.process_faults import SOUND, run


def test_no_acknowledged_span_is_lost_however_often_the_process_is_killed(db_path: Path) -> None:
    found = run("kills", db_path, 10, timeout=120)
    assert found.pop("acknowledged") > 0
    assert found == SOUND


def test_eight_processes_write_checkpoint_and_read_on_one_database(db_path: Path) -> None:
    found = run("crowd", db_path, 2, timeout=120)
    assert found.pop("exit codes") == [0] * 8
    assert found == SOUND


def test_processes_that_begin_to_record_at_once_make_one_database(db_path: Path) -> None:
    found = run("race", db_path, 6, timeout=120)
    assert found.pop("exit codes") == [0] * 6
    assert found == SOUND


def test_the_first_cause_of_a_failure_is_told_not_that_of_the_rollback(db_path: Path) -> None:
    database = open_database(db_path)
    pages = database.execute_sql("PRAGMA page_count").fetchone()[0]
    database.execute_sql(f"PRAGMA max_page_count = {pages}").fetchall()
    with pytest.raises(OperationalError, match="full"), transaction(database):
        for number in range(1_000):
            key = f"{number:0500d}"
            database.execute_sql("INSERT INTO claims VALUES (?, 'me', 1, 2, NULL)", (key,))
    database.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def record(observability: Observability, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        with observability.span(f"span {number}", text="x" * 2_000):
            pass


def test_a_disk_that_is_full_loses_nothing_once_it_is_enlarged(small_disk: Path) -> None:
    path = small_disk / "t.db"
    with Observability.open(path, platform="cli") as observability:
        record(observability, 100)
        assert observability.flush(20)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            while True:
                file.write(b"x" * 4_096)
        record(observability, 1_500, first=100)  # More than the disk ever had room for.
        assert not observability.flush(1.0)
        with observability.span("still taken"):  # Nor is its caller told anything.
            pass
        enlarge = ["mount", "-o", "remount,size=64m", str(small_disk)]
        subprocess.run(enlarge, check=True)
        assert observability.flush(30)
        query = SpanRow.select(SpanRow.name).order_by(SpanRow.started_at).tuples()
        stored = [name for (name,) in query.execute(observability.database)]
        check = observability.database.execute_sql("PRAGMA integrity_check").fetchall()
    assert stored == [*(f"span {number}" for number in range(1_600)), "still taken"]
    assert check == [("ok",)]
    assert waiting(spool_folder(path)) == (0, 0)


FILE_LIMIT_SCRIPT = """
import resource, sys
from storage import Observability
from storage.database.models import SpanRow
observability = Observability.open(sys.argv[1], platform="cli")
with observability.span("before"): pass
assert observability.flush(20)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
for number in range(500):
    with observability.span(f"span {number}", text="x" * 2000): pass
assert not observability.flush(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert observability.flush(30)
assert SpanRow.select().count(observability.database) == 501
assert observability.close(30)
"""


def test_a_disk_that_refuses_every_write_loses_nothing_once_it_takes_them(db_path: Path) -> None:
    command = [sys.executable, "-c", FILE_LIMIT_SCRIPT, str(db_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "wait in memory" in done.stderr


def test_a_process_may_end_while_its_disk_is_full(small_disk: Path) -> None:
    path = small_disk / "t.db"
    observability = Observability.open(path, platform="cli")
    assert observability.flush(20)
    descriptor = os.open(small_disk / "filler", os.O_CREAT | os.O_WRONLY, 0o600)
    with pytest.raises(OSError, match="space"):
        while True:
            os.write(descriptor, b"x" * 4_096)
    os.close(descriptor)
    record(observability, 50)
    began = time.monotonic()
    assert not observability.close(5)
    assert time.monotonic() - began < 10
