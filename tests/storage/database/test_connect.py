"""Open and create a database."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from peewee import Database

from storage.database.connect import connect, database_path
from storage.database.filesystem import refuse_network_file_system
from storage.database.lock_files import locked
from storage.database.migrations import HERE, migrate
from storage.database.new_file import set_aside
from storage.database.shared_file import SharedDatabase
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

pytestmark = pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.


def test_a_new_database_has_the_settings_that_many_processes_need(database: Database) -> None:
    def pragma(name: str) -> object:
        return database.execute_sql(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("busy_timeout") == 5_000
    assert pragma("synchronous") == 1
    assert pragma("auto_vacuum") == 2
    assert pragma("foreign_keys") == 1


def test_connecting_and_reading_write_nothing(database: SharedDatabase) -> None:
    checkpoint(database, "truncate")
    writer, reader = connect(database.path), connect(database.path, busy_timeout_ms=1)
    writer.begin()
    assert reader.execute_sql("SELECT count(*) FROM spans").fetchall() == [(0,)]
    writer.rollback()
    assert log_size(database.path) == 0
    writer.close()
    reader.close()


ONE = "SELECT count(*) FROM processes WHERE process {}"

WAYS: Mapping[str, Callable[[SharedDatabase], list[Any]]] = {
    "query": lambda database: database.execute_sql(ONE.format("> ''")).fetchall(),
    "statement": lambda database: database.fetch(ONE.format("> ''"), []),
    "look-up": lambda database: database.look_up(
        ONE.format("{is_one}"), [["new"]], types=("text",), at_a_time=2
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_read_notices_that_the_file_was_replaced(tmp_path: Path, way: str) -> None:
    path, other = tmp_path / "t.db", tmp_path / "other.db"
    database, replacement = open_database(path), open_database(other)
    assert isinstance(database, SharedDatabase)
    replacement.execute_sql("INSERT INTO processes VALUES ('new', 1, 1)")
    replacement.close()
    assert WAYS[way](database) == [(0,)]
    set_aside(path, word="old")
    other.rename(path)
    assert WAYS[way](database) == [(1,)]
    database.close()


def test_a_new_database_and_its_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "t.db"
    open_database(path).close()
    database = open_database(path)
    database.execute_sql("DELETE FROM claims")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    database.close()


def test_the_linked_sqlite_does_not_have_the_wal_reset_bug(database: Database) -> None:
    assert database.server_version >= (3, 51, 3)


@pytest.mark.parametrize("url", ["sqlite:////tmp/a/b.db", "/tmp/a/b.db", Path("/tmp/a/b.db")])
def test_a_url_or_a_path_names_the_file(url: str | Path) -> None:
    assert database_path(url) == Path("/tmp/a/b.db")


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(BadDatabaseURL):
        database_path(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:bot:hush@db.example/traces",
        "postgresql:/bot:hush@db.example/traces",
        "postgresql//bot:hush@db.example/traces",
        "Postgres://bot:hush@db.example/traces",
        " postgresql://bot:hush@db.example/traces",
        "'postgresql://bot:hush@db.example/traces'",
        '"/data/hush.db"',
        "postgresql+psycopg://bot:hush@db.example/traces",
        "host=db.example dbname=traces user=bot password=hush",
        "dbname=traces password = hush",
        "bot:hush@db.example/traces",
        "//bot:hu/sh@db.example/traces",
        "postgresql://bot:hu@sh@db.example/traces",
    ],
)
def test_a_url_of_a_server_that_is_misspelt_is_not_a_file_and_not_shown(url: str) -> None:
    with pytest.raises(BadDatabaseURL) as caught:
        database_path(url)
    assert "sh@" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("path", ["a@b.db", "sqlite:////srv/a:b@c.db", "postgres.db", "/a:b@c.db"])
def test_other_names_of_files_are_left_alone(path: str) -> None:
    assert database_path(path).name == path.rpartition("/")[2]


def test_a_file_that_is_not_a_database_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(DatabaseUnavailable, match="TRACEBOT_DATABASE_URL"):
        open_database(path)
    assert path.read_text().startswith("not a database")


def test_a_folder_that_cannot_be_created_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match="cannot be opened"):
        open_database(tmp_path / "file" / "t.db")


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("nfs4", "is on a network file system"),
        ("virtiofs", "is in a folder that a virtual machine"),  # OrbStack, Podman, Docker sandboxes
        ("fakeowner", "such as Docker Desktop's"),
    ],
)
def test_a_file_system_of_another_machine_is_recognised_and_refused(
    tmp_path: Path, kind: str, where: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/home {tmp_path}/home {kind} rw 0 0\n")
    (tmp_path / "home").mkdir()
    refuse_network_file_system(tmp_path / "t.db", mounts=mounts)
    with pytest.raises(NetworkFileSystem, match=rf"{where}.*\({kind} at "):
        refuse_network_file_system(tmp_path / "home" / "t.db", mounts=mounts)


def test_the_root_of_a_container_is_its_own(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("kataShared / virtiofs rw 0 0\n")
    refuse_network_file_system(tmp_path / "t.db", mounts=mounts)
    mounts.write_text("server:/ / nfs4 rw 0 0\n")
    with pytest.raises(NetworkFileSystem):
        refuse_network_file_system(tmp_path / "t.db", mounts=mounts)


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


def test_a_database_is_private_even_with_an_open_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_database(tmp_path / "t.db").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "t.db").stat().st_mode) == 0o600


READERS = """
import sys, threading
from pathlib import Path
from storage.database import connect
connect.MOST_CACHED = 8_000_000
from storage.recovery.opening import open_database

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

database = open_database(Path(sys.argv[1]))
database.execute_sql("CREATE TABLE big (t TEXT)")
with database.atomic():
    for _ in range(5_000):
        database.execute_sql("INSERT INTO big VALUES (?)", ("x" * 3_000,))
before = resident()
read, end = threading.Barrier(11), threading.Event()

def reader():
    database.execute_sql("SELECT sum(length(t)) FROM big").fetchall()
    read.wait()
    end.wait()

threads = [threading.Thread(target=reader) for _ in range(10)]
for each in threads:
    each.start()
read.wait(30)
print(resident() - before)
end.set()
"""


def test_the_caches_of_many_threads_share_one_limit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", READERS, str(tmp_path / "tracebot.db")]
    grown = int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert grown < 60_000_000, "ten caches would hold 150 MB"
