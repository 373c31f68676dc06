"""The agents file that `tracebot init` writes can be read, also with its next settings."""

import re
from pathlib import Path

import pytest

from bot.agents.config.roster import load_roster
from bot.agents.programs.catalog import CREWX, PROGRAMS
from bot.cli.init.agents import ECHO, INSTALL, agents_file


@pytest.mark.parametrize("names", [(ECHO,), ("claude",), tuple(INSTALL), ("codex", ECHO)])
@pytest.mark.parametrize("with_more", [False, True])
def test_it_can_be_read(names: tuple[str, ...], with_more: bool, tmp_path: Path) -> None:
    text = agents_file(names)
    if with_more:  # Take the comment signs off whatever is a table or a value.
        text = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    path = tmp_path / "agents.toml"
    path.write_text(text)
    roster = load_roster(path)
    assert roster.default == names[0]
    assert roster.names == ((*names, "local") if with_more else names)
    assert {agent.mode for agent in roster.agents.values()} == {"query"}


def test_each_program_is_looked_for() -> None:
    # crewx starts the others: `tracebot import crewx` converts its agents.
    assert tuple(INSTALL) == tuple(each.name for each in PROGRAMS if each is not CREWX)
