"""Migrations that are raced, killed or failing, and recording that starts meanwhile."""

import operator
import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from peewee import IntegrityError, OperationalError

from storage import Observability
from storage.database import server_locks
from storage.database.connect import connect, locate
from storage.database.error_causes import LOCKED, cause_of
from storage.database.file_check import APPLICATION_ID
from storage.database.migrations import HERE, HISTORY, migrate
from storage.database.shared_file import SharedDatabase
from storage.recovery.opening import open_database

BOTH = """
def up(migrator, database):
    database.execute_sql("CREATE TABLE first (id INTEGER)")
    {between}
    database.execute_sql("CREATE TABLE second (id INTEGER)")
"""

MIGRATE = """
import sys
from pathlib import Path
from storage.database.connect import connect
from storage.database.migrations import migrate
database = connect(Path(sys.argv[1]))
print(len(migrate(database, folder=Path(sys.argv[2]))))
database.close()
"""

RECORD = """
import sys
from storage import Observability
with Observability.open(sys.argv[1], platform="cli") as observability:
    with observability.span(sys.argv[2]):
        pass
    assert observability.flush(30)
"""


def write(folder: Path, name: str, between: str = "pass") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(BOTH.format(between=between))
    return folder


def start(script: str, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-c", script, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def applied(database: SharedDatabase) -> list[str]:
    rows = database.execute_sql(f'SELECT name FROM "{HISTORY}" ORDER BY name').fetchall()
    return [name for (name,) in rows]


def test_of_six_processes_one_applies_a_migration(db_path: Path, tmp_path: Path) -> None:
    marked = connect(db_path)
    marked.execute_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    marked.close()
    folder = write(tmp_path / "migrations", "0001_slow", "__import__('time').sleep(0.3)")
    children = [start(MIGRATE, db_path, folder) for _ in range(6)]
    results = [(child.communicate()[0].strip(), child.returncode) for child in children]
    assert sorted(results) == [("0", 0)] * 5 + [("1", 0)]
    database = connect(db_path)
    assert applied(database) == ["0001_slow"]
    database.close()


def test_recording_that_starts_during_the_race_loses_nothing(db_path: Path) -> None:
    children = [start(RECORD, db_path, f"span {number}") for number in range(6)]
    assert [child.communicate() and child.returncode for child in children] == [0] * 6
    database = open_database(db_path)
    names = {name for (name,) in database.execute_sql("SELECT name FROM spans").fetchall()}
    assert names == {f"span {number}" for number in range(6)}
    assert applied(database) == sorted(path.stem for path in HERE.glob("[0-9]*.py"))
    database.close()


def test_recording_waits_for_a_migration_and_is_stored_after_it(
    db_path: Path, tmp_path: Path
) -> None:
    open_database(db_path).close()
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in HERE.glob("[0-9]*.py"):
        (folder / path.name).write_text(path.read_text())
    write(folder, "9000_slow", "__import__('time').sleep(1.0)")
    child = start(MIGRATE, db_path, folder)
    with Observability.open(db_path, platform="cli") as observability:
        for number in range(20):
            with observability.span(f"span {number}"):
                pass
            time.sleep(0.05)
        assert child.wait(60) == 0
        assert child.stdout
        child.stdout.close()
        assert observability.flush(30.0)
        rows = observability.database.execute_sql("SELECT count(*) FROM spans").fetchall()
        assert rows == [(20,)]
        observability.database.close()


def test_a_process_killed_within_a_migration_leaves_nothing_of_it(
    db_path: Path, tmp_path: Path
) -> None:
    killed = "__import__('os').kill(__import__('os').getpid(), 9)"
    folder = write(tmp_path / "migrations", "0001_killed", killed)
    child = start(MIGRATE, db_path, folder)
    child.communicate()
    assert child.returncode == -9
    database = connect(db_path)
    assert set(database.get_tables()) <= {HISTORY}
    write(folder, "0001_killed")
    assert migrate(database, folder=folder) == ["0001_killed"]
    assert set(database.get_tables()) == {HISTORY, "first", "second"}
    database.close()


def test_a_migration_that_fails_half_way_is_undone_and_those_before_it_stay(
    db_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_fine.py").write_text(
        "def up(migrator, database):\n    database.execute_sql('CREATE TABLE fine (id INTEGER)')\n"
    )
    write(folder, "0002_half", "database.execute_sql('CREATE TABLE first (id INTEGER)')")
    database = connect(db_path)
    with pytest.raises(Exception, match="already exists"):
        migrate(database, folder=folder)
    assert applied(database) == ["0001_fine"]
    assert set(database.get_tables()) == {HISTORY, "fine"}
    database.close()


def test_a_migration_and_its_record_are_one_transaction(db_path: Path, tmp_path: Path) -> None:
    database = open_database(db_path)
    before = set(database.get_tables())
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in HERE.glob("[0-9]*.py"):
        (folder / path.name).write_text(path.read_text())
    write(folder, "9000_unrecorded")
    database.execute_sql(
        f'CREATE TRIGGER refuse BEFORE INSERT ON "{HISTORY}" '
        "BEGIN SELECT RAISE(ABORT, 'not recorded'); END"
    )
    with pytest.raises(IntegrityError, match="not recorded"):
        migrate(database, folder=folder)
    assert set(database.get_tables()) == before
    database.close()


def test_rollups_are_kept_when_their_table_loses_its_row_ids(db_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in HERE.glob("00*.py"):
        if path.stem < "0011":
            (folder / path.name).write_text(path.read_text())
    database = connect(db_path)
    migrate(database, folder=folder)
    rows = {
        (level, hour, dimension, key, "T1", "T1", hour, 1, 2, 3, 4, 5, 6, bytes((2, 0, 0, 0, hour)))
        for level in ("hour", "day")
        for hour in range(50)
        for dimension, key in (("user", "U2"), ("user", "U1"), ("all", ""))
    }
    for row in rows:
        database.execute_sql(f"INSERT INTO rollups VALUES ({', '.join('?' * 14)})", row)
    assert "0011_rollups_by_key" in migrate(database)
    # Later migrations add columns at the end.
    found = [row[:14] for row in database.execute_sql("SELECT * FROM rollups").fetchall()]
    assert set(found) == rows
    key = operator.itemgetter(0, 2, 1, 4, 3)
    assert found == sorted(found, key=key)
    assert "rollups_by_id" not in database.get_tables()
    with pytest.raises(OperationalError, match="rowid"):
        database.execute_sql("SELECT rowid FROM rollups")
    database.close()


def test_private_audiences_get_the_name_of_their_team(db_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in HERE.glob("000[123]*.py"):
        (folder / path.name).write_text(path.read_text())
    database = connect(db_path)
    migrate(database, folder=folder)
    places = [("T1", "T1"), ("T1", "C1"), ("T1", "U1"), ("T2", "T2"), (None, None)]
    for number, (team, audience) in enumerate(places):
        key = f"{number:032x}"
        database.execute_sql(
            "INSERT INTO spans (trace_id, span_id, name, kind, status, started_at, team, audience) "
            "VALUES (?, ?, 'x', 'internal', 'ok', 1, ?, ?)",
            (key, key[:16], team, audience),
        )
        database.execute_sql(
            "INSERT INTO traces (trace_id, rooted, status, started_at, span_count, error_count, "
            "team, audience) VALUES (?, 1, 'ok', 1, 1, 0, ?, ?)",
            (key, team, audience),
        )
        database.execute_sql(
            "INSERT INTO tombstones (trace_id, removed_at, team, audience) VALUES (?, 1, ?, ?)",
            (key, team, audience),
        )
    for number, (team, audience) in enumerate([*places, ("", "*")]):
        database.execute_sql(
            "INSERT INTO rollups VALUES ('day', ?, 'all', '', ?, ?, 1, 0, 0, 0, 0, 0, 0, NULL)",
            (number, audience or "", team or ""),
        )
    assert "0004_audiences" in migrate(database)
    keyed = ["T1", "T1/C1", "T1/U1", "T2", None]
    for table in ("spans", "traces", "tombstones"):
        rows = database.execute_sql(f"SELECT audience FROM {table} ORDER BY trace_id").fetchall()
        assert [audience for (audience,) in rows] == keyed, table
    rows = database.execute_sql("SELECT audience FROM rollups ORDER BY starts_at").fetchall()
    assert [audience for (audience,) in rows] == [*keyed[:-1], "", "*"]
    database.close()


LARGE = "spans|traces|logs|metrics|scores|rollups|facts|tombstones|search_index|search_queue"

SLOW = re.compile(
    r"(?:CREATE (?:UNIQUE )?INDEX[^;]*? ON|UPDATE|DELETE FROM|INSERT INTO|ALTER COLUMN \S+ TYPE)"
    rf'\s+"?(?:{LARGE})\b'
)


def test_a_migration_holds_no_large_server_up() -> None:
    """The first 24 took up to 97 s with 10,000,000 spans, but meet only empty tables there."""
    later = [path for path in HERE.glob("[0-9]*.py") if path.stem > "0024_z"]
    slow = {path.stem: SLOW.findall(path.read_text()) for path in later}
    assert not {name for name, found in slow.items() if found}, "see CONTRIBUTING: deferred work"


def test_a_migration_that_waits_for_a_reader_lets_others_pass(
    new_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_locks, "DDL_WAIT_S", 0.05)
    for path in HERE.glob("[0-9]*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    alter = "database.execute_sql('ALTER TABLE spans ADD COLUMN x INT')"
    (tmp_path / "9999_column.py").write_text(f"def up(migrator, database):\n    {alter}")
    with closing(locate(new_postgres_url)) as database, closing(locate(new_postgres_url)) as reader:
        with reader.time_limit(60):
            assert reader.fetch("SELECT count(*) FROM spans", ()) == [(0,)]
            with pytest.raises(OperationalError) as caught:
                migrate(database, folder=tmp_path)
        assert cause_of(caught.value) == LOCKED
        assert "is locked by another process: try again later" in str(
            database.explain(caught.value)
        )
        assert migrate(database, folder=tmp_path) == ["9999_column"]
