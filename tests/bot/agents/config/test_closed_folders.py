"""Paths that lead through a folder which the bot may not enter, such as the home of a person."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.agents.config.isolation import open_copies
from bot.agents.config.roster import load_roster
from bot.agents.config.status import agent_statuses, unusable_agents
from bot.agents.errors import AgentNotFound
from bot.agents.programs.catalog import CLAUDE
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Request
from storage.database.postgres_url import private_files
from tests.support.closed import closed


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    (home / "shop").mkdir(parents=True)
    with closed(home):
        yield home


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    return tmp_path / "agents.toml"


@pytest.mark.parametrize("name", [".", "shop"])
def test_a_working_directory_that_is_closed_is_named(
    home: Path, agents_file: Path, name: str
) -> None:
    folder = home / name
    agents_file.write_text(f'[agents.c]\ncommand = ["cat"]\nworking_directory = "{folder}"\n')
    roster = load_roster(agents_file)
    assert unusable_agents(roster) == {"c": True}
    ((status,),) = (each.providers for each in agent_statuses(roster, None))
    problem = f"{folder} is not a folder that the bot can enter: set working_directory"
    assert status.problem == problem
    with pytest.raises(AgentNotFound, match=f"cannot work in {folder}, which is not a folder"):
        roster.agent("c").providers[0].answer(Request(prompt="x"))


def test_a_program_in_a_closed_folder_is_named(home: Path, agents_file: Path) -> None:
    program = home / "claude"
    (agents_file.parent / "work").mkdir()
    agents_file.write_text(f'[agents.c]\ncommand = ["{program}"]\nworking_directory = "work"\n')
    with pytest.raises(AgentNotFound, match=f"needs the program {program}, which cannot be found"):
        load_roster(agents_file).agent("c").providers[0].answer(Request(prompt="x"))


def test_an_agent_whose_home_is_closed_is_asked(home: Path) -> None:
    said = json.dumps({"type": "result", "result": "fine", "is_error": False})
    agent = CommandProvider(
        agent="c",
        command=(sys.executable, "-S", "-c", f"print({said!r})"),
        program=CLAUDE,
        environment={"HOME": str(home / "ann")},
    )
    assert agent.answer(Request(prompt="x")).text == "fine"


def test_files_of_the_bot_in_a_closed_folder_keep_no_agent_from_its_work(
    home: Path, tmp_path: Path
) -> None:
    files = BotFiles(database=tmp_path / "data" / "tracebot.db", others=(home / "shop" / "backup",))
    agents_file = tmp_path / "agents" / "agents.toml"
    agents_file.parent.mkdir()
    agents_file.write_text(f'[agents.c]\ncommand = ["cat"]\nread = ["{home}"]\n')
    assert load_roster(agents_file, files=files).names == ("c",)


def test_the_names_of_a_folder_in_which_nothing_can_be_opened_are_no_copies(
    tmp_path: Path, agents_file: Path
) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    (folder / "copy.db").touch()
    agents_file.write_text(f'[agents.c]\ncommand = ["cat"]\nread = ["{folder}"]\n')
    with closed(folder):
        folder.chmod(0o444)
        assert list(open_copies(load_roster(agents_file), database=None)) == []


def test_a_key_for_postgresql_in_a_closed_home_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home / "ann"))
    key = home / "ann" / ".postgresql" / "postgresql.key"
    assert key not in private_files("postgresql://localhost/x", {})
