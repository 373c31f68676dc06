"""What a container or a shell may leave out: a home, a name of the user, a working directory."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from storage import Observability
from storage.database.connect import database_path
from storage.errors import BadDatabaseURL

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))
UNKNOWN_USER = (
    # May read all files, such as Python's own below root's home, and write none.
    *("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"),
)

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def as_unknown_user(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    with pytest.raises(KeyError):
        pwd.getpwuid(54321)
    return subprocess.run(
        [*UNKNOWN_USER, TRACEBOT, *words],
        env={"PATH": os.environ["PATH"], **environ},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@only_root
@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_a_command_says_what_to_set(home: dict[str, str]) -> None:
    done = as_unknown_user("ls", **home)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "tracebot: There is no database at /.local/share/tracebot/tracebot.db yet."
    )
    assert "TRACEBOT_DATABASE_URL" in done.stderr
    recorded = as_unknown_user("run", "--", "sh", "-c", "echo done; exit 3", **home)
    assert (recorded.returncode, recorded.stdout) == (3, "done\n")
    assert recorded.stderr.count("\n") == 1
    assert "set HOME to a folder that tracebot can write" in recorded.stderr


@only_root
def test_a_user_without_a_home_or_a_name_works_with_a_database(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    url, agents = str(folder / "tracebot.db"), folder / "agents.toml"
    agents.write_text('[agents.cat]\ncommand = ["cat"]\n')
    with Observability.open(url, platform="slack") as recorder:
        recorder.end_span(
            recorder.start_span("slack message", {"team": "T1", "channel": "C0123456789"})
        )
    for each in (folder, *folder.iterdir()):
        os.chown(each, 54321, 54321)
    for words in (
        ("agents",),
        ("query", "hello"),
        ("alerts", "add", "error_rate>20%", "in:C0123456789"),
        ("backup", str(folder / "copy.db")),
    ):
        done = as_unknown_user(*words, TRACEBOT_DATABASE_URL=url, TRACEBOT_AGENTS=str(agents))
        assert (done.returncode, done.stderr) == (0, "")


def test_the_home_of_a_path_must_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    for url in (None, "~/tracebot.db", "postgresql://ann@localhost/traces"):
        with pytest.raises(BadDatabaseURL, match="There is no home folder"):
            database_path(url)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ls --database t.db", "The folder you are in was removed, so t.db cannot be found"),
        ("agents", "The folder you are in was removed: change to another folder."),
        ("doctor", "The folder you are in was removed: change to another folder."),
        ("query hello", "The folder you are in was removed: change to another folder."),
        ("backup copy.db", "The folder you are in was removed: change to another folder."),
    ],
)
def test_a_folder_that_was_removed_is_named_as_the_reason(
    db_path: Path, tmp_path: Path, words: str, said: str
) -> None:
    with Observability.open(db_path, platform="cli"):
        pass
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"cd {gone} && rmdir {gone} && exec {TRACEBOT} {words}"],
        env={**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"tracebot: {said}" in done.stderr
    assert "Traceback" not in done.stderr
