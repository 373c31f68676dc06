"""Temporary folders of turns: gone with the turn, or with the next start of a bot."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import Confinement
from bot.agents.programs.process.temporary import (
    PREFIX,
    remove_left_folders,
    temporary_folder,
)
from bot.agents.types import Request
from tests.support.confined import python

KILLED = """
import os, signal, tempfile
tempfile.tempdir = {folder!r}
from bot.agents.programs.process.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "of an agent").mkdir(mode=0o500)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folders_of_a_killed_bot_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    subprocess.run([sys.executable, "-c", KILLED.format(folder=str(tmp_path))], check=False)
    (left,) = [each for each in tmp_path.glob(f"{PREFIX}*") if (each / "of an agent").exists()]
    with temporary_folder() as running:
        remove_left_folders()
        assert left.exists()  # It may have been made by another bot a moment ago.
        remove_left_folders(youngest_s=0)
        assert not left.exists()
        assert running.is_dir()
    assert not running.exists()
    assert (elsewhere / "file").exists()
    assert {each.name for each in tmp_path.iterdir()} == {
        *("elsewhere", f"{PREFIX}link", f"{PREFIX}file")
    }


def test_a_bot_starts_without_a_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    remove_left_folders()


DEEP = """
import os
os.chdir(os.environ["TMPDIR"])
for _ in range(1200):
    open("file", "w").close()
    os.mkdir("deep")
    os.chdir("deep")
print("made")
"""
"""More levels than Python calls a function in itself, and than a path of the kernel holds."""


def test_a_folder_of_very_many_levels_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert python(DEEP).answer(Request(prompt="x")).text == "made"
    assert [*tmp_path.iterdir()] == []


def test_a_working_directory_of_very_many_levels_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "private").touch()
    (tmp_path / "same").hardlink_to(tmp_path / "private")
    with temporary_folder() as work:
        code = DEEP.replace('os.environ["TMPDIR"]', repr(str(work)))
        confinement = Confinement(private=BotFiles(others=(tmp_path / "private",)))
        agent = python(code, working_directory=work, confinement=confinement)
        assert agent.answer(Request(prompt="x")).text == "made"
        agent.check("query")
