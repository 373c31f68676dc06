"""The undocumented interfaces of Peewee and cysqlite still do what tracebot needs.

If one of these fails after an upgrade, read storage/database/driver.py first.
"""

import threading
from pathlib import Path

import peewee
import pytest

from storage.database.driver import Connection, DriverDatabase, translate_errors


@pytest.fixture
def driver(tmp_path: Path) -> DriverDatabase:
    return DriverDatabase(tmp_path / "t.db", pragmas={"journal_mode": "wal"})


def test_errors_of_the_driver_become_errors_of_peewee() -> None:
    connection = Connection(":memory:")
    with pytest.raises(peewee.OperationalError, match="no such table"), translate_errors:
        connection.execute("SELECT * FROM missing")
    connection.close()


def test_a_hook_runs_before_the_pragmas_of_each_connection(
    driver: DriverDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []
    monkeypatch.setattr(
        driver,
        "before_pragmas",
        lambda connection: modes.append(connection.pragma("journal_mode")),
    )
    for _ in range(2):
        driver.connect()
        driver.close()
    assert modes == ["delete", "wal"]


def test_connections_are_opened_and_closed_under_the_lock_that_a_fork_replaces(
    driver: DriverDatabase,
) -> None:
    assert driver._lock.acquire(timeout=1)
    other = threading.Thread(target=driver.connect, daemon=True)
    other.start()
    other.join(0.2)
    assert other.is_alive(), "Peewee no longer connects under Database._lock"
    driver.forget_connection()
    driver.connect()
    driver.close()


def test_a_forgotten_connection_stays_open(driver: DriverDatabase) -> None:
    driver.connect()
    connection = driver.connection()
    driver.forget_connection()
    assert driver.is_closed()
    assert not connection.is_closed()
    connection.close()
