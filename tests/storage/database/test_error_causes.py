"""Classify the errors that the libraries really raise."""

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cysqlite
import peewee
import psycopg
import pytest

from storage.database import lock_files
from storage.database.connect import connect
from storage.database.error_causes import (
    DAMAGED,
    DISK_FULL,
    IO_ERROR,
    LOCKED,
    READ_ONLY,
    UNREACHABLE,
    cause_of,
)
from storage.database.shared_file import SharedDatabase
from storage.errors import NotOurDatabase, QueryTimeout, TemporarilyUnavailable
from storage.recovery.opening import open_database

pytestmark = pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.

DATABASE_ERRORS = (peewee.PeeweeException, cysqlite.DatabaseError)


def error_of(database: SharedDatabase, sql: str) -> Exception:
    with pytest.raises(DATABASE_ERRORS) as caught:
        database.execute_sql(sql).fetchall()
    return caught.value


def test_a_database_that_another_connection_writes_to_is_locked(database: SharedDatabase) -> None:
    impatient = connect(database.path, busy_timeout_ms=1)
    database.begin()
    assert cause_of(error_of(impatient, "BEGIN IMMEDIATE")) == LOCKED
    database.rollback()
    impatient.close()


def test_a_database_that_may_not_grow_is_a_full_disk(database: SharedDatabase) -> None:
    database.execute_sql("PRAGMA max_page_count = 1")
    full = error_of(database, "CREATE TABLE big AS SELECT randomblob(1000000) AS bytes")
    assert cause_of(full) == DISK_FULL


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
from storage.database.connect import locate
from storage.recovery.opening import prepare
prepare(locate(sys.argv[1]))
"""


def test_what_stops_the_first_migration_is_told_and_not_its_rollback(db_path: Path) -> None:
    # SQLite rolls back by itself if it cannot write, as on a full disk.
    command = [sys.executable, "-c", FULL, str(db_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert "TemporarilyUnavailable" in ended.stderr.splitlines()[-1]
    open_database(db_path).close()


def test_a_connection_that_only_reads_is_told_so(database: SharedDatabase) -> None:
    database.execute_sql("PRAGMA query_only = ON")
    assert cause_of(error_of(database, "DELETE FROM spans")) == READ_ONLY


def test_a_file_with_broken_pages_is_damaged(db_path: Path) -> None:
    open_database(db_path).close()
    size = db_path.stat().st_size
    with db_path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (size - 100))
    database = connect(db_path)
    assert cause_of(error_of(database, "SELECT count(*) FROM spans")) == DAMAGED
    database.close()


def test_a_database_whose_header_was_overwritten_is_damaged(db_path: Path) -> None:
    open_database(db_path).close()
    db_path.write_text("not a database " * 100)
    assert cause_of(error_of(connect(db_path), "SELECT 1")) == DAMAGED


def test_a_mistake_in_sql_is_named_after_its_exception(database: SharedDatabase) -> None:
    assert cause_of(error_of(database, "SELECT nothing")) == "OperationalError"


def test_a_statement_that_contains_a_result_code_does_not_pass_for_its_error(
    database: SharedDatabase,
) -> None:
    mistake = error_of(database, "SELECT nothing AS 'locked (code=5, ext=5)'")
    assert cause_of(mistake) == "OperationalError"


def test_only_an_interrupted_query_is_a_timeout(database: SharedDatabase) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(QueryTimeout), database.time_limit(0.05):
        database.execute_sql(endless).fetchall()
    with pytest.raises(peewee.OperationalError), database.time_limit(0.0):
        database.execute_sql("SELECT interrupted")


@pytest.mark.parametrize(
    "number, cause",
    [(errno.ENOSPC, DISK_FULL), (errno.EAGAIN, LOCKED), (errno.ENOENT, "FileNotFoundError")],
)
def test_an_error_of_the_file_system_is_known_by_its_number(number: int, cause: str) -> None:
    assert cause_of(OSError(number, "said the system")) == cause


def test_an_error_of_ours_has_the_cause_that_it_was_raised_from() -> None:
    unavailable = TemporarilyUnavailable("The database cannot be opened now", "try again later")
    assert cause_of(unavailable) == LOCKED
    unavailable.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert cause_of(unavailable) == DISK_FULL


@pytest.mark.parametrize(
    ("number", "cause"),
    [(errno.EROFS, "OSError"), (errno.ENOSPC, DISK_FULL), (errno.EIO, IO_ERROR)],
)
def test_a_query_that_cannot_open_the_file_fails_with_an_error_of_peewee(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch, number: int, cause: str
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise OSError(number, "said the system", str(path))

    monkeypatch.setattr(lock_files, "open_private", refuse)
    database.close()
    with pytest.raises(peewee.OperationalError, match="said the system") as query:
        database.execute_sql("SELECT 1")
    with pytest.raises(peewee.OperationalError, match="said the system") as transaction:
        database.begin_writing(patience=0.0)
    assert {cause_of(query.value), cause_of(transaction.value)} == {cause}


def test_a_query_on_a_file_of_others_fails_with_an_error_of_peewee(
    database: SharedDatabase, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs")) as theirs:
        theirs.execute("CREATE TABLE notes (text)")
    os.replace(tmp_path / "theirs", database.path)
    error = error_of(database, "SELECT 1")
    assert isinstance(error, peewee.OperationalError)
    assert "is a SQLite database of another program" in str(error)
    assert cause_of(error) == "NotOurDatabase"
    with pytest.raises(NotOurDatabase):
        database.create()


def test_a_server_that_does_not_answer_in_time_is_unreachable() -> None:
    assert cause_of(psycopg.errors.ConnectionTimeout("connection timeout expired")) == UNREACHABLE
