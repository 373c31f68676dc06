"""Opening, migrating and writing."""

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from peewee import Database, IntegrityError, OperationalError

from storage.database.connect import connect, database_path
from storage.database.filesystem import refuse_network_file_system
from storage.database.lock_files import locked
from storage.database.migrations import HERE, migrate
from storage.database.shared_file import SharedDatabase
from storage.database.transactions import transaction
from storage.errors import (
    BadDatabaseURL,
    DatabaseUnavailable,
    NetworkFileSystem,
    NewerDatabase,
    TemporarilyUnavailable,
)
from storage.health import log_size
from storage.recovery.opening import open_database, prepare
from storage.upkeep.checkpoint import checkpoint


def test_a_new_database_has_the_settings_that_many_processes_need(database: Database) -> None:
    def pragma(name: str) -> object:
        return database.execute_sql(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("busy_timeout") == 5_000
    assert pragma("synchronous") == 1
    assert pragma("auto_vacuum") == 2
    assert pragma("foreign_keys") == 1


def test_to_connect_and_read_writes_nothing(database: SharedDatabase) -> None:
    checkpoint(database, "truncate")
    writer, reader = connect(database.path), connect(database.path, busy_timeout_ms=1)
    writer.begin()
    assert reader.execute_sql("SELECT count(*) FROM spans").fetchall() == [(0,)]
    writer.rollback()
    assert log_size(database.path) == 0
    writer.close()
    reader.close()


def test_a_new_database_and_its_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "t.db"
    open_database(path).close()
    database = open_database(path)
    database.execute_sql("DELETE FROM claims")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    database.close()


def test_the_linked_sqlite_is_not_the_one_that_corrupts(database: Database) -> None:
    assert database.server_version >= (3, 51, 3)


@pytest.mark.parametrize("url", ["sqlite:////tmp/a/b.db", "/tmp/a/b.db", Path("/tmp/a/b.db")])
def test_a_url_or_a_path_names_the_file(url: str | Path) -> None:
    assert database_path(url) == Path("/tmp/a/b.db")


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(BadDatabaseURL):
        database_path(url)


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(DatabaseUnavailable, match="TRACEBOT_DATABASE_URL"):
        open_database(path)
    assert path.read_text().startswith("not a database")


def test_a_folder_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match="cannot be opened"):
        open_database(tmp_path / "file" / "t.db")


def test_a_network_file_system_is_recognised_and_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/home {tmp_path}/home nfs4 rw 0 0\n")
    (tmp_path / "home").mkdir()
    refuse_network_file_system(tmp_path / "t.db", mounts=mounts)
    with pytest.raises(NetworkFileSystem, match="nfs4"):
        refuse_network_file_system(tmp_path / "home" / "t.db", mounts=mounts)


def test_a_database_of_a_newer_version_is_refused(db_path: Path) -> None:
    database = open_database(db_path)
    database.execute_sql(
        "INSERT INTO schema_migration (name, applied) VALUES ('9999_future', '2030-01-01')"
    )
    database.close()
    with pytest.raises(NewerDatabase, match="9999_future"):
        open_database(db_path)


def test_processes_that_migrate_at_once_apply_each_migration_once(db_path: Path) -> None:
    opening = "from storage.recovery.opening import open_database"
    script = f"{opening}; open_database({str(db_path)!r}).close()"
    command = [sys.executable, "-W", "error", "-c", script]
    children = [subprocess.Popen(command) for _ in range(4)]
    assert [child.wait() for child in children] == [0, 0, 0, 0]
    database = open_database(db_path)
    rows = database.execute_sql("SELECT name FROM schema_migration").fetchall()
    assert [name for (name,) in rows] == sorted(path.stem for path in HERE.glob("[0-9]*.py"))
    database.close()


def test_a_migration_by_another_process_is_waited_for_only_so_long(db_path: Path) -> None:
    database = connect(db_path)
    with (
        locked(Path(f"{db_path}.migrating")),
        pytest.raises(TemporarilyUnavailable, match="changing the tables"),
    ):
        prepare(database, patience=0.1)
    prepare(database, patience=0.1)
    assert database.table_exists("spans")
    database.close()


def test_a_database_that_is_locked_is_unavailable_for_a_time(db_path: Path) -> None:
    holder = connect(db_path)
    holder.execute_sql("BEGIN EXCLUSIVE")
    with pytest.raises(TemporarilyUnavailable, match="locked"):
        open_database(db_path, busy_timeout_ms=10)
    holder.rollback()
    holder.close()


def test_a_migration_that_fails_leaves_nothing_behind(db_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_half.py").write_text(
        "def up(migrator, database):\n"
        "    database.execute_sql('CREATE TABLE half (id INTEGER)')\n"
        "    raise RuntimeError('no further')\n"
    )
    database = connect(db_path)
    with pytest.raises(RuntimeError):
        migrate(database, folder=folder)
    assert "half" not in database.get_tables()
    database.close()


def insert_claim(database: Database, key: str) -> None:
    database.execute_sql("INSERT INTO claims VALUES (?, 'me', 1, 2, NULL)", (key,))


def test_a_transaction_that_fails_is_undone_and_tells_its_first_cause(
    database: Database,
) -> None:
    with pytest.raises(IntegrityError, match="UNIQUE"), transaction(database):
        insert_claim(database, "a")
        insert_claim(database, "a")
    assert database.execute_sql("SELECT count(*) FROM claims").fetchone()[0] == 0


def test_the_first_cause_is_told_when_the_transaction_is_already_gone(
    database: Database,
) -> None:
    with pytest.raises(OperationalError, match="disk is full"), transaction(database):
        database.execute_sql("ROLLBACK")  # As SQLite does by itself on a full disk.
        raise OperationalError("database or disk is full")


def test_writers_that_read_first_never_see_a_busy_snapshot(database: Database) -> None:
    insert_claim(database, "counter")

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


def test_a_locked_database_is_waited_for(database: Database, db_path: Path) -> None:
    other = connect(db_path)
    connection = other.connection()
    connection.begin("immediate")
    released = threading.Timer(0.2, connection.rollback)
    released.start()
    with transaction(database):
        insert_claim(database, "patient")
    released.join()
    other.close()


def test_a_database_locked_for_too_long_says_so(db_path: Path) -> None:
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


def test_a_database_keeps_its_own_mode_when_umask_is_open(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_database(tmp_path / "t.db").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "t.db").stat().st_mode) == 0o600
