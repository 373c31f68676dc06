"""Commands that are given a file which is not a database of tracebot, or one that is read-only.

Commands that succeed are processes of their own. Root's tests run some as another user, whom
permissions stop.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage import Observability
from storage.database.connect import connect
from storage.database.file_check import APPLICATION_ID
from storage.recovery.opening import open_database
from tests.support.command_line import run_here

READING = (
    *(
        "ls",
        "show 0a1b",
        "stats",
        "errors",
        "slow",
        "cost",
        "ps",
        "logs",
        "metrics",
        "health",
        "digest now",
        "search x",
    ),
    "thread C1 1.0",
)
WRITING = ("checkpoint", "clean --older-than 1d", "backup copy.db", "cancel 0a1b")
OTHER_USER = (
    # May read all files, such as Python's own below root's home, and write none.
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"),
)
TRACEBOT = str(Path(sys.executable).with_name("tracebot"))

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def tracebot(
    path: Path, command: str, *, as_other_user: bool = False
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(OTHER_USER if as_other_user else ()),
            TRACEBOT,
            *command.split(),
            "--database",
            str(path),
        ],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"},
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def text_file(path: Path) -> None:
    path.write_text("root:x:0:0:root:/root:/bin/bash\n" * 200)


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA journal_mode = wal")
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()


def other_database_in_its_log(path: Path) -> None:
    """Copy another program's database before the first checkpoint: its tables are in the log."""
    original = path.with_name("original.sqlite")
    with sqlite3.connect(original) as other:
        other.execute("PRAGMA journal_mode = wal")
        other.execute("CREATE TABLE bookmarks (url TEXT)")
        other.commit()
        for end in ("", "-wal"):
            path.with_name(path.name + end).write_bytes(Path(f"{original}{end}").read_bytes())
    other.close()


def other_application(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA application_id = 252006673")  # A GeoPackage.
        for name in ("schema_migration", "traces", "spans"):
            other.execute(f"CREATE TABLE {name} (name TEXT)")
    other.close()


def bound_socket(path: Path) -> None:
    # The path of a socket may have 108 bytes at most, so it is bound by a relative one.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def file_as_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file")


OTHERS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a text file": text_file,
    "another program's database": other_database,
    "another program's database, all in its log": other_database_in_its_log,
    "another application's database": other_application,
    "a named pipe": lambda path: os.mkfifo(path),
    "a socket": bound_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "links in a circle": lambda path: path.symlink_to(path),
}
MISSING: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.touch(),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing.db")),
    "a missing folder": lambda path: path.parent.rmdir(),
}


def state(folder: Path) -> dict[str, object]:
    """Return what a user can see of the files in a folder, without opening what would block."""
    seen: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        facts = (found.st_mode, found.st_ino, found.st_mtime_ns, found.st_size, content)
        seen[str(path.relative_to(folder))] = facts
    return seen


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("tracebot: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.count(". ") >= 1 or ": " in done.stderr.removeprefix("tracebot: ")


ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from bot.cli.main import tracebot

for line in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = tracebot(line.split())
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
"""A program that runs several commands: most of a command's time is its start."""


@dataclass
class Tried:
    """A file that is not ours, and what commands said of it."""

    folder: Path
    before: dict[str, object]
    answers: list[subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    """Try all kinds of files in one process, which is ended if one of them blocks it."""
    found, lines = {}, []
    for number, (kind, make) in enumerate(OTHERS.items()):
        folder = tmp_path_factory.mktemp(f"kind-{number}")
        path = folder / "folder" / "t.db"
        path.parent.mkdir()
        backup = path.with_name("b")
        open_database(backup).close()
        make(path)
        found[kind] = Tried(folder, state(folder), [])
        commands = ("ls", "health", "checkpoint", "collect --port 0", f"restore {backup}")
        lines += [(kind, f"{command} --database {path}") for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, *(line for _, line in lines)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for (kind, line), answer in zip(lines, done.stdout.splitlines(), strict=True):
        found[kind].answers.append(subprocess.CompletedProcess(line, *json.loads(answer)))
    return found


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_that_is_not_ours_is_refused_in_a_sentence_and_not_touched(
    tried: dict[str, Tried], kind: str
) -> None:
    assert len(tried[kind].answers) == 5
    for answer in tried[kind].answers:
        assert_refused(answer)
    assert state(tried[kind].folder) == tried[kind].before


def test_no_command_that_needs_a_database_touches_one_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    other_database(path)
    before = state(tmp_path)
    for command in (*READING, *WRITING):
        assert_refused(run_here(path, *command.split(), cwd=tmp_path))
        assert state(tmp_path) == before, command


@pytest.mark.parametrize("kind", MISSING)
def test_a_database_that_is_not_there_is_not_created_by_reading_it(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "folder" / "t.db"
    path.parent.mkdir()
    MISSING[kind](path)
    before = state(tmp_path)
    for command in ("ls", "health", "clean --older-than 1d"):
        done = run_here(path, *command.split())
        assert_refused(done)
        assert "There is no database at" in done.stderr
        assert state(tmp_path) == before, command


def test_doctor_and_agents_create_no_database(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    assert "is not there yet" in tracebot(path, "doctor").stdout
    assert tracebot(path, "agents").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_is_wrong_with_a_file_that_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    text_file(path)
    done = tracebot(path, "doctor")
    assert (done.returncode, "is not a database" in done.stdout) == (1, True)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a database with one trace, in a folder that every user can enter."""
    path = tmp_path / "folder" / "t.db"
    with (
        Observability.open(path, platform="cli") as observability,
        observability.span("run make", agent="claude"),
    ):
        pass
    for folder in (path.parent, *path.parents[:4]):
        folder.chmod(0o755)
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("command", ["ls --json", "stats", "health", "health --quick", "ps"])
def test_reading_leaves_a_database_and_its_folder_as_they_are(recorded: Path, command: str) -> None:
    before = state(recorded.parent)
    for _ in range(2):
        assert tracebot(recorded, command).returncode == 0
        if command != "health":  # It notes that the database was checked.
            assert state(recorded.parent) == before
    assert state(recorded.parent).keys() == before.keys()


def test_reading_leaves_the_log_of_a_process_that_was_killed(recorded: Path) -> None:
    killed = "import os, sys; from storage.recovery.opening import open_database as o;"
    killed += "o(sys.argv[1]).execute_sql(\"UPDATE traces SET name = 'later'\"); os._exit(9)"
    subprocess.run([sys.executable, "-c", killed, str(recorded)], check=False)
    log = recorded.with_name("t.db-wal")
    before, content = log.read_bytes(), recorded.read_bytes()
    assert '"later"' in tracebot(recorded, "ls --json").stdout
    assert (log.read_bytes(), recorded.read_bytes()) == (before, content)


@only_root
@pytest.mark.parametrize("command", ["ls --json", "ps", "stats --json", "health --json"])
def test_another_user_can_read_a_database_that_only_its_owner_can_write(
    recorded: Path, command: str
) -> None:
    before = state(recorded.parent)
    done = tracebot(recorded, command, as_other_user=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert state(recorded.parent) == before


@only_root
@pytest.mark.parametrize("command", ["checkpoint", "collect --port 0", "clean --older-than 1d"])
def test_a_database_that_cannot_be_written_is_refused_by_what_writes(
    recorded: Path, command: str
) -> None:
    before = state(recorded.parent)
    done = tracebot(recorded, command, as_other_user=True)
    assert_refused(done)
    assert "cannot be written" in done.stderr
    assert state(recorded.parent) == before


@only_root
def test_a_file_of_another_user_beside_the_database_is_named(recorded: Path) -> None:
    for file in (recorded.parent, *recorded.parent.iterdir()):
        os.chown(file, 65534, 65534)
    recorded.with_name("t.db.backups").touch(mode=0o600)
    done = tracebot(recorded, "backup copy.db", as_other_user=True)
    assert_refused(done)
    assert "t.db.backups cannot be used by this user (Permission denied)" in done.stderr


@only_root
def test_a_damaged_database_is_not_replaced_by_another_user_who_looks_at_it(
    recorded: Path,
) -> None:
    for file in (recorded.parent, *recorded.parent.iterdir()):
        os.chown(file, 65533, 65533)
    recorded.parent.chmod(0o777)
    recorded.write_bytes(b"damaged " * 2_000)
    recorded.chmod(0o666)
    before = state(recorded.parent)
    for as_other_user in (False, True):  # Root is another user, too.
        assert tracebot(recorded, "health", as_other_user=as_other_user).returncode == 1
        assert state(recorded.parent) == before


def test_a_database_of_an_earlier_version_is_ours_and_is_marked_when_it_is_written(
    recorded: Path,
) -> None:
    def number(path: Path) -> int:
        return int.from_bytes(path.read_bytes()[68:72], "big")

    assert number(recorded) == APPLICATION_ID
    with sqlite3.connect(recorded) as earlier:
        earlier.execute("PRAGMA application_id = 0")
    earlier.close()
    assert tracebot(recorded, "ls").returncode == 0
    assert number(recorded) == 0
    assert tracebot(recorded, "checkpoint").returncode == 0
    assert number(recorded) == APPLICATION_ID


def test_a_database_that_lacks_tables_says_how_it_gets_them(recorded: Path) -> None:
    with sqlite3.connect(recorded) as older:
        older.execute("DROP TABLE traces")
        older.execute("DELETE FROM schema_migration WHERE name > '0002'")
    older.close()
    done = tracebot(recorded, "ls")
    assert_refused(done)
    assert "older tracebot" in done.stderr


def test_looking_at_a_file_drops_no_lock_that_this_process_holds_on_it(recorded: Path) -> None:
    writer, other = connect(recorded), connect(recorded)
    writer.begin()
    other.connect()  # Looks at the file first, while `writer` holds SQLite's write lock.
    other.close()
    begin = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    )
    child = subprocess.run([sys.executable, "-c", begin, str(recorded)], capture_output=True)
    assert b"database is locked" in child.stderr
    writer.rollback()
    writer.close()


@pytest.mark.parametrize("name", ["link.db", "via/t.db", "sqlite:///{}/link.db", "../folder/t.db"])
def test_a_database_is_the_same_by_each_of_its_names(
    recorded: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recorded.parent
    (folder / "link.db").symlink_to(recorded)
    (folder / "via").symlink_to(folder)
    monkeypatch.chdir(folder)
    before = set(folder.iterdir())
    with Observability.open(name.format(folder), platform="cli") as observability:
        assert observability.database.path == recorded
        with observability.span("by another name"):
            observability.flush()
    assert set(folder.iterdir()) == before
    assert "by another name" in tracebot(recorded, "ls").stdout


def test_a_database_with_two_hard_links_is_refused(recorded: Path) -> None:
    os.link(recorded, recorded.with_name("second.db"))
    for command in ("ls", "checkpoint"):
        done = tracebot(recorded, command)
        assert_refused(done)
        assert "2 names" in done.stderr


@pytest.mark.parametrize("name", [b"we?ird#na%20me&mode=ro.db", b"not utf-8 \xff.db", b"-.db"])
def test_a_database_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    with Observability.open(path, platform="cli") as opened, opened.span("run make"):
        pass
    created = set(tmp_path.iterdir())
    assert {path.name} < {each.name for each in created}
    assert "run make" in tracebot(path, "ls").stdout
    assert tracebot(path, "backup copy.db").returncode == 0
    made = {tmp_path / "copy.db", path.with_name(f"{path.name}.backups")}
    assert set(tmp_path.iterdir()) - created == made


@pytest.mark.parametrize("length", [240, 250, 255, 300])
def test_a_name_that_is_too_long_is_refused_in_a_sentence(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("x" * length)
    if length <= 255:
        text_file(path)
    before = state(tmp_path)
    for command in ("ls", "collect --port 0"):
        assert_refused(run_here(path, *command.split(), cwd=tmp_path))
        assert state(tmp_path) == before, command


def test_a_recorded_command_runs_although_its_database_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    other_database(path)
    before = state(tmp_path)
    done = subprocess.run(
        [TRACEBOT, "run", "--database", str(path), "--", "echo", "done"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "another program" in done.stderr
    assert state(tmp_path) == before


def test_a_backup_in_the_working_directory_of_an_agent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data" / "tracebot.db"
    open_database(path).close()
    (path.parent / "work" / "deep").mkdir(parents=True)
    agents = path.parent / "agents.toml"
    agents.write_text("[agents.a]\ncommand = ['cat']\nworking_directory = 'work'\n")
    (path.parent / ".env").write_text(f"TRACEBOT_AGENTS={agents}\n")
    refused = tracebot(path, "backup work/deep/copy.db")
    assert refused.returncode == 1
    assert "is open to the agent a, which could read a backup there" in refused.stderr
    assert not (path.parent / "work" / "deep" / "copy.db").exists()
    assert tracebot(path, "backup copy.db").returncode == 0
