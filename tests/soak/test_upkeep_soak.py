"""Upkeep under load: repeated damage, and retention by size while others write."""

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

from storage import Observability
from storage.database.connect import connect
from storage.database.transactions import transaction
from storage.model.retention import Retention
from storage.recovery.backup import backup
from storage.recovery.integrity import check
from storage.recovery.opening import open_database
from storage.recovery.replacement import finish_recoveries, recoveries
from storage.upkeep.checkpoint import checkpoint
from storage.upkeep.retention import apply_retention

PAGE = 4_096
ROUNDS = 15

WRITER = """
import sys
from storage import Observability
with Observability.open({path!r}, platform="cli") as observability:
    number = 0
    while sys.stdin.readline():
        for _ in range(100):
            number += 1
            with observability.span(f"{{sys.argv[1]}} {{number}}", note="x" * 500):
                pass
        print(number if observability.flush(60) else "lost", flush=True)
"""


def test_repeated_damage_loses_only_rows_on_broken_pages(
    db_path: Path,
) -> None:
    open_database(db_path).close()
    command = [sys.executable, "-c", WRITER.format(path=str(db_path))]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "abc"
    ]

    def turn() -> int:
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        counts = {writer.stdout.readline() for writer in writers if writer.stdout}
        assert len(counts) == 1
        return int(counts.pop())

    generator = random.Random(1)
    # In its own process, because closing the file in this one would drop SQLite's locks.
    breaking = (
        "import os, sys\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    for page in sys.argv[2:]:\n"
        f"        file.seek(int(page) * {PAGE})\n"
        f"        file.write(os.urandom({PAGE}))\n"
    )
    for _ in range(ROUNDS):
        turn()
        pages = db_path.stat().st_size // PAGE
        if pages > 60:
            broken = [str(generator.randrange(40, pages)) for _ in range(3)]
            subprocess.run([sys.executable, "-c", breaking, str(db_path), *broken], check=True)
        own = connect(db_path)
        check(own)
        finish_recoveries(own, wait=True)
        own.close()
    before_last = turn()
    reached = turn()
    for writer in writers:
        assert writer.stdin and writer.stdout
        writer.stdin.close()
        assert writer.wait(60) == 0
        writer.stdout.close()
    database = open_database(db_path)
    finish_recoveries(database, wait=True)
    rows = database.execute_sql("SELECT name FROM spans").fetchall()
    names = {name for (name,) in rows}
    last = {f"{name} {number}" for name in "abc" for number in range(before_last + 1, reached + 1)}
    assert last <= names
    lost = sum(recovery.lost.get("spans") or 0 for recovery in recoveries(database))
    assert 3 * reached - len(names) <= lost + 3 * 100 * len(recoveries(database))
    assert len(names) > 3 * reached * 0.8
    assert database.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_retention_and_backup_of_a_big_database_block_no_writer(
    db_path: Path, tmp_path: Path
) -> None:
    with Observability.open(db_path, platform="cli") as observability:
        for number in range(60_000):
            with observability.span(f"work {number}", note="x" * 500):
                pass
            if number % 5_000 == 0:
                assert observability.flush(120.0)
        assert observability.flush(120.0)
        observability.database.close()
    database = open_database(db_path)
    done, waits = threading.Event(), []

    def write() -> None:
        own = connect(db_path)
        while not done.is_set():
            began = time.monotonic()
            with transaction(own):
                own.execute_sql("INSERT OR REPLACE INTO claims VALUES ('a', 'me', 1, 2, NULL)")
            waits.append(time.monotonic() - began)
            time.sleep(0.001)
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    copied = backup(database, tmp_path / "copy.db")
    limit = database.used_bytes() // 3
    removed = apply_retention(database, Retention(max_bytes=limit), now=time.time_ns())
    done.set()
    writer.join()
    print(f"longest wait {max(waits) * 1_000:.0f} ms of {len(waits)}")  # noqa: T201
    assert (copied.traces, removed.traces > 30_000) == (60_000, True)
    assert checkpoint(database, "truncate").complete  # Like the next scheduled one.
    assert os.stat(db_path).st_size < limit * 1.2
    assert max(waits) < 2.0
    database.close()
