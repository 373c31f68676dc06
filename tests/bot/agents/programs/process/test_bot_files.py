"""No agent reaches the bot's own files, whatever the agents file and links lead to."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from bot.agents.config.roster import RosterError, load_roster
from bot.agents.errors import AgentError
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import Confinement, landlock_version
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Request
from tests.support.confined import as_root, python
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("working_directory = '.'", "tracebot.db"),
        ("working_directory = '..'", "tracebot.db"),
        ("working_directory = 'data'", "tracebot.db"),
        ("working_directory = 'link'", "tracebot.db"),
        ("read = ['data/tracebot.db']", "tracebot.db"),
        ("read = ['data/tracebot.db-wal']", "tracebot.db-wal"),
        ("read = ['data/tracebot.db.spool/x']", "tracebot.db.spool"),
        ("read = ['data/files/T1']", "files"),
        ("read = ['agents.toml']", "agents.toml"),
        ("read = ['bot.env']", "bot.env"),
        ("read = ['/']", "tracebot.db"),
        ("write = ['data']", "tracebot.db"),
        ("read = ['hard']", "hard/another-name"),
        (f"write = [{sys.prefix!r}]", "site-packages"),
        (f"write = [{sysconfig.get_path('purelib')!r}]", "site-packages"),
        (f"write = [{str(Path(sysconfig.get_path('purelib'), 'pip'))!r}]", "site-packages"),
        (f"write = [{sys.base_prefix!r}]", sysconfig.get_path("stdlib")),
        (f"working_directory = {str(ROOT / 'storage' / 'database')!r}", "storage"),
        (f"working_directory = {str(ROOT)!r}", "bot"),
    ],
)
def test_an_agents_file_that_leads_to_the_bots_files_is_refused(
    tmp_path: Path, setting: str, found: str
) -> None:
    for folder in ("data/files/T1", "data/tracebot.db.spool/x", "hard"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("data/tracebot.db", "data/tracebot.db-wal", "bot.env"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    if "hard" in setting:
        os.link(tmp_path / "bot.env", tmp_path / "hard" / "another-name")
    path = tmp_path / "agents.toml"
    path.write_text(f"[agents.a]\ncommand = ['cat']\n{setting}\n")
    files = BotFiles(database=tmp_path / "data" / "tracebot.db", others=(tmp_path / "bot.env",))
    with pytest.raises(RosterError) as caught:
        load_roster(path, files=files)
    assert "to the agent, and with it" in str(caught.value)
    assert f"{found}, which belongs to the bot" in str(caught.value)
    path.write_text(f"[agents.a]\ncommand = ['cat']\nisolation = 'off'\n{setting}\n")
    load_roster(path, files=files)


@as_root
def test_a_bind_mount_of_the_bots_files_is_refused(tmp_path: Path) -> None:
    for name in ("data/deep", "work/mounted"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "deep" / "tracebot.db").touch()
    mounted = tmp_path / "work" / "mounted"
    if subprocess.run(["mount", "--bind", tmp_path / "data", mounted], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = tmp_path / "agents.toml"
        path.write_text("[agents.a]\ncommand = ['cat']\nworking_directory = 'work'\n")
        files = BotFiles(database=tmp_path / "data" / "deep" / "tracebot.db")
        with pytest.raises(RosterError, match="work/mounted/deep/tracebot.db, which"):
            load_roster(path, files=files)
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_a_link_that_appears_after_the_start_is_refused_at_the_turn(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "data" / "tracebot.db").touch()
    path = tmp_path / "agents.toml"
    path.write_text("[agents.a]\ncommand = ['cat']\nworking_directory = 'work'\n")
    roster = load_roster(path, files=BotFiles(database=tmp_path / "data" / "tracebot.db"))
    (tmp_path / "work").rmdir()
    (tmp_path / "work").symlink_to(tmp_path / "data")
    with pytest.raises(AgentError, match="which belongs to the bot") as caught:
        roster.agents["a"].providers[0].answer(Request(prompt="x"))
    assert caught.value.error_type == "not_started"


def test_a_folder_of_the_system_is_opened_without_the_bots_files_in_it(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "show"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/bin/help {tmp_path}/bin/tracebot.db 2>&1\n")
    program.chmod(0o755)
    for name in ("help", "tracebot.db"):
        (tmp_path / "bin" / name).write_text(f"this is {name}\n")
    files = BotFiles(database=tmp_path / "bin" / "tracebot.db")
    agent = CommandProvider(
        agent="a", command=(str(program),), confinement=Confinement(private=files)
    )
    with pytest.raises(AgentError) as caught:
        agent.answer(Request(prompt="x"))
    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("this is help\n")
    assert "Permission denied" in caught.value.partial.text


@as_root
def test_settings_in_etc_that_not_everybody_may_read_are_closed() -> None:
    with tempfile.TemporaryDirectory(dir="/etc", prefix="tracebot-test-") as folder:
        closed, opened = Path(folder, "closed"), Path(folder, "opened")
        Path(folder).chmod(0o755)
        for path, mode in ((closed, 0o640), (opened, 0o644)):
            path.write_text("x")
            path.chmod(mode)
        code = f"""
for path in ({str(closed)!r}, {str(opened)!r}, "/etc/passwd"):
    try:
        print(len(open(path).read()) > 0)
    except PermissionError:
        print("closed")
"""
        assert python(code).answer(Request(prompt="x")).text.split() == ["closed", "True", "True"]


@as_root
def test_what_is_private_beside_a_database_in_a_system_folder_is_closed() -> None:
    with tempfile.TemporaryDirectory(dir="/opt", prefix="tracebot-test-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        private = ("data/tracebot.db", "data/before.db", "backups/b.db", "data/workspaces/b/notes")
        for name in (*private, "share/help"):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
            path.chmod(0o600 if name in private else 0o644)
        code = f"""
for name in {(*private, "share/help")!r}:
    try:
        print(open({folder!r} + "/" + name).read())
    except PermissionError:
        print("closed")
open("own", "w").write("x")
"""
        files = BotFiles(database=root / private[0])
        agent = python(code, confinement=Confinement(private=files), workspace=files.workspace("a"))
        told = agent.answer(Request(prompt="x")).text.split()
        assert told == [*["closed"] * len(private), "x"]
