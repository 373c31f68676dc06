"""Folders as agents may leave them: deep, full, and changed while they are looked at."""

import os
from pathlib import Path

import pytest

from bot.agents.programs.process import confinement
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import Confinement
from bot.agents.programs.process.paths import closed_to_others, without
from bot.agents.programs.process.temporary import temporary_folder


def make_deep(folder: Path, levels: int) -> None:
    within = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", 0o755, dir_fd=within)
        below = os.open("d", os.O_RDONLY, dir_fd=within)
        os.close(within)
        within = below
    os.close(os.open("private", os.O_CREAT, 0o600, dir_fd=within))
    os.close(within)


@pytest.mark.parametrize("levels", [1_200, 2_500], ids=["for Python", "for a path"])
def test_a_folder_too_deep_beside_the_bots_files_stops_no_agent(
    levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary_folder() as folder:
        database = folder / "tracebot" / "tracebot.db"
        (folder / "tracebot" / "work").mkdir(parents=True, mode=0o755)
        database.touch(mode=0o600)
        make_deep(folder / "tracebot" / "work", levels)
        monkeypatch.setattr(confinement, "SYSTEM", (str(folder),))
        rules = Confinement(private=BotFiles(database=database)).restrictions(()).rules
        allowed = {path for path, _ in rules if path.startswith(str(folder))}
        assert allowed == set()


def test_all_but_what_is_avoided_is_allowed(tmp_path: Path) -> None:
    for name in ("a/b/c/secret", "a/b/c/open", "a/b/d/open", "a/open", "e/open"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "b" / "c")
    secret = tmp_path / "a" / "b" / "c" / "secret"
    found = {str(path.relative_to(tmp_path)) for path in without(tmp_path, {secret})}
    assert found == {"a/b/c/open", "a/b/d", "a/open", "e"}
    assert set(without(tmp_path / "e", {secret})) == {tmp_path / "e"}
    assert set(without(secret, {secret})) == set()
    assert set(without(secret, {tmp_path / "a"})) == set()


def test_a_file_that_is_deleted_meanwhile_hides_no_private_one(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).touch(mode=0o600)
    first, second, third = (Path(entry.path) for entry in os.scandir(tmp_path))
    found = closed_to_others(tmp_path, opened=())
    assert next(found) == first
    second.unlink()
    assert list(found) == [third]
