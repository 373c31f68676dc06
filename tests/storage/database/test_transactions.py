"""Transactions that wait for others, fail, and are rolled back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from peewee import Database, IntegrityError, OperationalError

from storage.database import shared_file
from storage.database.connect import connect
from storage.database.transactions import transaction
from storage.recovery.opening import open_database


def insert_lease(database: Database, key: str) -> None:
    database.execute_sql("INSERT INTO claims VALUES (?, 'me', 1, 2, NULL)", (key,))


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_a_transaction_that_fails_is_rolled_back_and_raises_its_first_error(
    database: Database,
) -> None:
    with pytest.raises(IntegrityError, match="UNIQUE"), transaction(database):
        insert_lease(database, "a")
        insert_lease(database, "a")
    assert database.execute_sql("SELECT count(*) FROM claims").fetchone()[0] == 0


def test_the_first_error_is_raised_if_sqlite_has_already_rolled_back(
    database: Database,
) -> None:
    with pytest.raises(OperationalError, match="disk is full"), transaction(database):
        database.execute_sql("ROLLBACK")  # As SQLite does by itself on a full disk.
        raise OperationalError("database or disk is full")


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_writers_that_read_first_never_see_a_busy_snapshot(database: Database) -> None:
    insert_lease(database, "counter")

    def count_up() -> None:
        for _ in range(25):
            with transaction(database):
                (value,) = database.execute_sql("SELECT expires_at FROM claims").fetchone()
                database.execute_sql("UPDATE claims SET expires_at = ?", (value + 1,))
        database.close()

    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(count_up) for _ in range(4)]:
            job.result()
    assert database.execute_sql("SELECT expires_at FROM claims").fetchone()[0] == 102


def test_a_locked_database_is_not_waited_for_beyond_the_deadline(db_path: Path) -> None:
    open_database(db_path).close()
    with closing(connect(db_path)) as other, closing(connect(db_path)) as database:
        database.timeout = 30
        other.begin()
        begun = time.monotonic()
        with pytest.raises(OperationalError, match="locked"), transaction(database, deadline=0.05):
            pass
        assert time.monotonic() < begun + 15  # SQLite itself would wait for 30 seconds.
        other.rollback()
        assert database.execute_sql("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_a_locked_database_is_waited_for(database: Database, db_path: Path) -> None:
    other = connect(db_path)
    connection = other.connection()
    connection.begin("immediate")
    released = threading.Timer(0.2, connection.rollback)
    released.start()
    with transaction(database):
        insert_lease(database, "patient")
    released.join()
    other.close()


def test_a_database_that_stays_locked_is_an_error_after_the_deadline(db_path: Path) -> None:
    holder = open_database(db_path)
    impatient = connect(db_path, busy_timeout_ms=10)
    holder.begin()
    with (
        pytest.raises(OperationalError, match="locked"),
        transaction(impatient, deadline=0.1),
    ):
        pass
    holder.rollback()
    holder.close()
    impatient.close()


def test_a_locked_database_is_waited_for_as_long_as_its_settings_say(
    db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = open_database(db_path)
    impatient = connect(db_path, busy_timeout_ms=10)
    impatient.connect()
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += max(seconds, 0.001)

    clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep)
    monkeypatch.setattr(shared_file, "time", clock)
    holder.begin()
    with pytest.raises(OperationalError, match="locked"), transaction(impatient):
        pass
    holder.rollback()
    holder.close()
    impatient.close()
    assert now < 0.1  # And not the five seconds of a database with the usual settings.


def test_a_transaction_that_nobody_could_end_does_not_keep_a_database_open(
    database: Database, db_path: Path
) -> None:
    """As when Ctrl-C comes after BEGIN, and before the block that would roll it back."""
    database.execute_sql("CREATE TABLE own (number INTEGER)")
    with closing(connect(db_path)) as other:
        other.begin()
        other.execute_sql("INSERT INTO own VALUES (1)")
    assert database.execute_sql("SELECT COUNT(*) FROM own").fetchone() == (0,)
