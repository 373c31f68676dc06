"""Back up and restore while other processes write."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from storage import Observability
from storage.database.connect import connect, locate
from storage.database.shared_file import SharedDatabase
from storage.errors import BackupError
from storage.model.batch import Batch
from storage.model.span import Span
from storage.queries.traces import recent_traces
from storage.recovery.backup import backup, restore
from storage.recovery.known_backups import backup_list, known_backups
from storage.recovery.opening import open_database
from storage.store.spool_files import spool_folder
from storage.upkeep.retention import old_copies
from storage.writer.spool import Spool
from tests.support.recorded_names import until

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))

pytestmark = pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.


def record(path: Path, *names: str) -> None:
    with Observability.open(path, platform="cli") as observability:
        for name in names:
            with observability.span(name):
                pass
        assert observability.flush(30.0)
        observability.database.close()


def names_in(path: Path) -> set[str]:
    database = connect(path)
    found = {name for (name,) in database.execute_sql("SELECT name FROM spans").fetchall()}
    database.close()
    return found


def test_a_backup_is_one_private_whole_file(database: SharedDatabase, tmp_path: Path) -> None:
    record(database.path, "one", "two")
    target = tmp_path / "copy.db"
    copied = backup(database, target)
    assert (copied.traces, copied.spans, copied.size) == (2, 2, target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir() if "copy" in path.name} == {"copy.db"}
    assert names_in(target) == {"one", "two"}


def test_a_link_where_the_copy_is_written_leads_nowhere(
    database: SharedDatabase, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    target = tmp_path / "copy.db"
    target.with_name(f".copy.db.{os.getpid()}.partial").symlink_to(victim)
    backup(database, target)
    assert victim.read_text() == "precious"
    assert not target.is_symlink()


def test_each_backup_is_listed_as_long_as_it_exists(
    database: SharedDatabase, tmp_path: Path
) -> None:
    for name in ("a.db", "b.db"):
        backup(database, tmp_path / name)
    backup(database, tmp_path / "b.db", force=True)
    (tmp_path / "a.db").unlink()
    assert known_backups(database.path) == (tmp_path / "b.db",)
    listed = backup_list(database.path)
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    assert len(listed.read_text().splitlines()) == 2


KILLED_WHILE_CHECKING = """
import os, signal, sys
import storage.recovery.backup as module
module._verified = lambda *a, **k: (os.kill(os.getpid(), signal.{signal}), signal.pause())
from bot.cli.main import main
main(sys.argv[1:])
"""


def interrupted(name: str, *words: str, database: Path) -> int:
    """Run a command to which a signal comes while it checks a copy. Return its exit code."""
    script = KILLED_WHILE_CHECKING.format(signal=name)
    environ = {**os.environ, "TRACEBOT_DATABASE_URL": str(database)}
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, env=environ, cwd=database.parent, timeout=60, check=False)
    return done.returncode


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_backup_or_restore_that_is_told_to_stop_leaves_no_copy(
    database: SharedDatabase, tmp_path: Path, command: str, name: str, code: int
) -> None:
    target = tmp_path / "copy.db"
    if command == "restore":
        backup(database, target)
    assert interrupted(name, command, str(target), database=database.path) == code
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_what_a_killed_backup_has_left_is_listed_until_the_next_removes_it(
    database: SharedDatabase, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    assert interrupted("SIGKILL", "backup", str(target), database=database.path) == -9
    (left,) = tmp_path.glob(".copy.db.*.partial")
    assert known_backups(database.path) == (left,)
    beside = tmp_path / f".copy.db.{os.getppid()}.partial"  # Of a process that runs.
    beside.touch()
    backup(database, target)
    assert known_backups(database.path) == (target, beside)


def test_what_a_killed_restore_has_left_is_listed_with_the_files_set_aside(
    database: SharedDatabase, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    backup(database, target)
    interrupted("SIGKILL", "restore", str(target), database=database.path)
    assert [path.suffix for path in old_copies(database.path)] == [".partial"]


def test_an_existing_file_is_replaced_only_with_force(
    database: SharedDatabase, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(BackupError, match="--force"):
        backup(database, target)
    assert target.read_text() == "precious"
    backup(database, target, force=True)
    assert names_in(target) == set()
    with pytest.raises(BackupError, match="the database itself"):
        backup(database, database.path, force=True)


KILLED = """
import os, sys
from storage import Observability
observability = Observability.open(sys.argv[1], platform="cli")
with observability.span("tried out"):
    pass
assert observability.flush(30)
os._exit(1)
"""


def test_a_backup_that_a_killed_process_has_opened_is_replaced_with_its_log(
    database: SharedDatabase, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    log = target.with_name("copy.db-wal")
    record(database.path, "one")
    backup(database, target)
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert log.stat().st_size
    record(database.path, "two")
    backup(database, target, force=True)
    assert not log.exists()
    assert names_in(target) == {"one", "two"}


@pytest.mark.parametrize("suffix", ["wal", "journal"])
def test_a_log_without_its_database_is_replaced_only_with_force(
    database: SharedDatabase, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / "copy.db"
    log = target.with_name(f"copy.db-{suffix}")
    log.write_bytes(b"precious")
    with pytest.raises(BackupError, match=f"copy.db-{suffix} exists already"):
        backup(database, target)
    assert log.read_bytes() == b"precious"
    record(database.path, "one")
    backup(database, target, force=True)
    assert not log.exists()
    assert names_in(target) == {"one"}


def test_a_backup_into_which_a_process_records_is_not_replaced(
    database: SharedDatabase, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    backup(database, target)
    with Observability.open(target, platform="cli") as observability:
        with observability.span("tried out"):
            pass
        assert observability.flush(30.0)
        with pytest.raises(BackupError, match="has .*copy.db open: stop it first"):
            backup(database, target, force=True)
        with observability.span("later"):
            pass
        assert observability.flush(30.0)
        observability.database.close()
    assert names_in(target) == {"tried out", "later"}
    assert not list(tmp_path.glob(".copy.db.*"))


def test_a_target_that_is_not_a_regular_file_is_refused(
    database: SharedDatabase, tmp_path: Path
) -> None:
    """As root, a backup to /dev/null would put a file in its place, for everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        with pytest.raises(BackupError, match="not a regular file"):
            backup(database, target, force=True)
    assert pipe.is_fifo()


def test_a_missing_folder_is_refused_with_one_sentence(
    database: SharedDatabase, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="cannot be written"):
        backup(database, tmp_path / "none" / "copy.db")


WRITER = """
import sys
from storage import Observability
with Observability.open({path!r}, platform="cli") as observability:
    number = 0
    print("ready", flush=True)
    while sys.stdin.readline():
        for _ in range(50):
            number += 1
            with observability.span(f"{{sys.argv[1]}} {{number}}", note="x" * 1_000):
                pass
        print(number if observability.flush(30) else "lost", flush=True)
"""


def test_backup_and_restore_while_three_processes_write(db_path: Path, tmp_path: Path) -> None:
    record(db_path, *(f"before {number}" for number in range(300)))
    command = [sys.executable, "-c", WRITER.format(path=str(db_path))]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "abc"
    ]
    acknowledged: set[str] = set()
    stop = threading.Event()

    def work(writer: "subprocess.Popen[str]", name: str) -> None:
        assert writer.stdin and writer.stdout
        assert writer.stdout.readline() == "ready\n"
        done = 0
        while not stop.is_set():
            writer.stdin.write("go\n")
            writer.stdin.flush()
            reached = int(writer.stdout.readline())
            acknowledged.update(f"{name} {number}" for number in range(done + 1, reached + 1))
            done = reached

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(writers, "abc", strict=True)
    ]
    for thread in threads:
        thread.start()
    assert until(lambda: {name[0] for name in set(acknowledged)} == set("abc"))
    database = open_database(db_path)
    copies = []
    for number in range(3):
        before = set(acknowledged)
        copies.append(tmp_path / f"copy-{number}.db")
        copied = backup(database, copies[-1])
        held = names_in(copies[-1])
        assert before <= held
        assert len(held) == copied.spans
    refused = subprocess.run(
        [TRACEBOT, "restore", str(copies[0])],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "--force" in refused.stderr
    assert str(writers[0].pid) in refused.stderr
    stop.set()
    for thread, writer in zip(threads, writers, strict=True):
        thread.join()
        assert writer.stdin and writer.stdout
        writer.stdin.close()
        assert writer.wait(30) == 0
        writer.stdout.close()
    restored = restore(database, copies[0])
    assert names_in(db_path) == names_in(copies[0])
    assert restored.aside is not None
    assert acknowledged <= names_in(restored.aside)
    assert len(recent_traces(database, limit=10).traces) == 10
    database.close()


def test_processes_that_have_the_database_open_continue_with_a_forced_restore(
    db_path: Path, tmp_path: Path
) -> None:
    record(db_path, "kept")
    database = open_database(db_path)
    backup(database, tmp_path / "copy.db")
    with Observability.open(db_path, platform="cli") as observability:
        with observability.span("undone"):
            pass
        assert observability.flush()
        with pytest.raises(BackupError, match="has .* open"):
            restore(database, tmp_path / "copy.db")
        restore(database, tmp_path / "copy.db", force=True)
        with observability.span("after"):
            pass
        assert observability.flush()
        names = {trace.name for trace in recent_traces(observability.database).traces}
        assert names == {"kept", "after"}
        observability.database.close()
    database.close()


@pytest.mark.parametrize("content", [b"", b"no database " * 1_000])
def test_a_file_that_is_not_a_backup_is_refused_and_nothing_is_touched(
    database: SharedDatabase, tmp_path: Path, content: bytes
) -> None:
    record(database.path, "one")
    (tmp_path / "copy.db").write_bytes(content)
    with pytest.raises(BackupError, match="not a database"):
        restore(database, tmp_path / "copy.db")
    assert names_in(database.path) == {"one"}
    with pytest.raises(BackupError, match="does not exist"):
        restore(database, tmp_path / "none.db")


def test_a_damaged_backup_is_refused(database: SharedDatabase, tmp_path: Path) -> None:
    record(database.path, *(f"work {number}" for number in range(300)))
    target = tmp_path / "copy.db"
    size = backup(database, target).size
    with target.open("r+b") as file:
        file.seek(size // 2 // 4_096 * 4_096)
        file.write(os.urandom(4_096))
    with pytest.raises(BackupError, match="damaged|not a database"):
        restore(database, target)
    assert len(names_in(database.path)) == 300


def test_restore_creates_a_database_if_there_is_none(tmp_path: Path) -> None:
    record(tmp_path / "one.db", "work")
    backup(open_database(tmp_path / "one.db"), tmp_path / "copy.db")
    other = locate(tmp_path / "elsewhere" / "two.db")
    assert restore(other, tmp_path / "copy.db").aside is None
    assert names_in(other.path) == {"work"}
    other.close()


def test_the_commands_report_what_they_did(db_path: Path, tmp_path: Path) -> None:
    record(db_path, "one")

    def tracebot(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [TRACEBOT, *words, "--database", str(db_path)],
            capture_output=True,
            text=True,
            check=False,
        )

    made = tracebot("backup", str(tmp_path / "copy.db"))
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith(f"{tmp_path}/copy.db is written and checked: 1 trace, 1 span, ")
    again = tracebot("backup", str(tmp_path / "copy.db"))
    assert (again.returncode, again.stdout) == (1, "")
    spool = Spool(spool_folder(db_path), "gone:1:2:1")
    spool.append(Batch("gone:1:2:1", 1, spans=[Span("1" * 32, "2" * 16, "left", 1, ended_at=2)]))
    spool.close()
    lacking = tracebot("backup", "--force", str(tmp_path / "copy.db"))
    assert (lacking.returncode, "1 file of the spool" in lacking.stderr) == (0, True)
    back = tracebot("restore", str(tmp_path / "copy.db"))
    assert back.returncode == 0
    assert "The old database is kept as " in back.stdout
