"""An agent exchanges a folder for a link while the bot prepares a turn or clears up after it."""

import os
import pwd
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.agents.config.roster import load_roster
from bot.agents.errors import AgentError
from bot.agents.programs import workplace
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import landlock_version
from bot.agents.programs.process.temporary import temporary_folder
from bot.agents.types import Request

TURNS = 8
READ = "import os,sys; print(open(sys.argv[1]).read(), os.listdir('.'))"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")


@contextmanager
def exchanging(folder: Path, target: Path) -> Iterator[None]:
    """Let `folder` be a link to `target` every other moment."""
    aside, link, over = folder.with_name("aside"), folder.with_name("link"), threading.Event()
    link.symlink_to(target)

    def exchange() -> None:
        while not over.is_set():
            folder.rename(aside)
            link.rename(folder)
            folder.rename(link)
            aside.rename(folder)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")
@pytest.mark.parametrize("setting", ["working_directory", "read", "write"])
def test_a_folder_that_becomes_a_link_never_opens_the_database(
    tmp_path: Path, setting: str
) -> None:
    data, work = tmp_path / "data", tmp_path / "shared" / "work"
    data.mkdir()
    work.mkdir(parents=True)
    (data / "tracebot.db").write_text("private")
    named = f"[{str(work)!r}]" if setting != "working_directory" else repr(str(work))
    command = [sys.executable, "-I", "-S", "-c", READ, str(data / "tracebot.db")]
    agents = tmp_path / "agents.toml"
    agents.write_text(f"[agents.a]\ncommand = {command}\n{setting} = {named}\n")
    roster = load_roster(agents, files=BotFiles(database=data / "tracebot.db"))
    (provider,) = roster.agents["a"].providers
    with exchanging(work, data):
        for _ in range(TURNS):
            with pytest.raises(AgentError) as caught:
                provider.answer(Request(prompt="x"))
            said = caught.value
            assert "private" not in f"{said} {said.partial and said.partial.text} {said.stderr}"


def test_what_a_link_in_the_temporary_folder_leads_to_is_kept(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (victim / "file").write_text("precious")
    with temporary_folder() as folder:
        (folder / "link").symlink_to(victim)
        (folder / "closed").mkdir()
        (folder / "closed" / "link").symlink_to(victim)
        (folder / "closed").chmod(0)
    assert not folder.exists()
    assert (victim / "file").read_text() == "precious"
    assert victim.stat().st_mode & 0o777 == 0o755


@as_root
def test_a_folder_of_configuration_that_becomes_a_link_gives_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, victim = tmp_path / "home", tmp_path / "victim"
    for folder in (home, victim):
        folder.mkdir()
    (victim / "file").write_text("precious")
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    made = os.mkdir

    def mkdir(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Exchange the folder as soon as it is made, as its owner can."""
        made(path, mode, dir_fd=dir_fd)
        folder = home / ".agent"
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
            if Path(path).name == ".agent":
                os.link(victim / "file", folder)

    monkeypatch.setattr(os, "mkdir", mkdir)
    owner = (nobody.pw_uid, nobody.pw_gid)
    workplace._create(home / ".agent", {"HOME": str(home)}, owner)
    assert (victim / "file").stat().st_uid == 0


@as_root
def test_a_parent_that_becomes_a_link_moves_no_folder_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, victim = tmp_path / "home", tmp_path / "victim"
    for folder in (home / ".config", victim):
        folder.mkdir(parents=True)
    nobody = pwd.getpwnam("nobody")
    inside = workplace.inside

    def checked(path: Path, folder: Path) -> bool:
        """Exchange the parent as soon as it was checked."""
        found = inside(path, folder)
        if (home / ".config").is_dir() and not (home / ".config").is_symlink():
            (home / ".config").rename(home / "aside")
            (home / ".config").symlink_to(victim)
        return found

    monkeypatch.setattr(workplace, "inside", checked)
    owner = (nobody.pw_uid, nobody.pw_gid)
    workplace._create(home / ".config" / "agent", {"HOME": str(home)}, owner)
    assert list(victim.iterdir()) == []
