"""`.env` keeps what it has, and only its owner can read it."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.cli.init.env_file import may_be_committed, refuse_place, with_values, write_whole
from bot.errors import ConfigurationError

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


@pytest.mark.parametrize(
    "before",
    [
        "",
        "SLACK_BOT_TOKEN=\nSLACK_APP_TOKEN=\nPORT=1\n",
        "# mine\n\nexport SLACK_BOT_TOKEN='old'  # of May\nPORT=1",
        "SLACK_APP_TOKEN=a\nSLACK_APP_TOKEN=b\n",
        "broken line\n  SLACK_BOT_TOKEN = 'two\nlines'\nPORT=1\r\n",
    ],
)
def test_values_are_set_and_the_rest_stays(before: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(before, newline="")
    others = {name: value for name, value in dotenv_values(path).items() if name not in TOKENS}
    comments = [line for line in before.splitlines() if line.startswith("#")]
    write_whole(path, with_values(before, TOKENS))
    assert dotenv_values(path) == others | TOKENS
    assert set(comments) <= set(path.read_text().splitlines())
    assert with_values(path.read_text(), TOKENS) == path.read_text()


def test_a_value_stays_in_its_place() -> None:
    before = "# bot\nexport SLACK_BOT_TOKEN=old\n\n# app\nSLACK_APP_TOKEN=old\nPORT=1\n"
    assert with_values(before, TOKENS) == (
        "# bot\nexport SLACK_BOT_TOKEN=xoxb-1\n\n# app\nSLACK_APP_TOKEN=xapp-1\nPORT=1\n"
    )


def test_only_the_owner_can_read_it_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "elsewhere").chmod(0o644)
    link = tmp_path / ".env"
    link.symlink_to("elsewhere")
    write_whole(link, "new")
    assert link.is_symlink() and link.read_text() == "new"
    assert stat.S_IMODE(link.stat().st_mode) == 0o600


def test_a_link_that_leads_in_a_circle_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / ".env"
    link.symlink_to(".env")
    refuse_place(link)
    write_whole(link, "new")
    assert link.read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file_and_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match=r"cannot be written \(No space left on device\)"):
        write_whole(path, "new")
    assert [each.name for each in tmp_path.iterdir()] == [".env"]
    assert path.read_text() == "old"


def test_a_repository_that_would_commit_it_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(".env")
    assert not may_be_committed(path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert may_be_committed(path)
    (tmp_path / ".gitignore").write_text(".env\n")
    assert not may_be_committed(path)
