"""docs/reference/agents-file.md describes how each program is really started."""

import re
import tomllib
from pathlib import Path

import pytest

from bot.agents.config.provider_kinds import PROVIDER_KINDS
from bot.agents.config.roster import AGENT_KEYS, load_roster
from bot.agents.programs.catalog import NETWORK, PROGRAMS, Program
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "reference" / "agents-file.md").read_text()


@pytest.mark.parametrize("program", PROGRAMS, ids=[each.name for each in PROGRAMS])
def test_its_arguments_and_its_environment_are_those_of_the_table(program: Program) -> None:
    always = " ".join([*program.command, *program.arguments, *program.final_arguments])
    query, execute = (" ".join(program.mode_arguments[mode]) for mode in ("query", "execute"))
    assert f"| `{program.name}` | `{always}` | `{query}` | `{execute}` |" in TEXT
    if program.name != "crewx":
        own = " ".join(f"`{name}`" for name in program.pass_environment if name not in NETWORK)
        assert f"- **{program.name}**: {own};" in TEXT


def test_each_key_and_each_provider_is_explained() -> None:
    keys = {*AGENT_KEYS, *(key for kind in PROVIDER_KINDS.values() for key in kind.keys)}
    for word in {*keys, *PROVIDER_KINDS}:
        assert f"`{word}`" in TEXT, word


def test_each_example_is_an_agents_file(tmp_path: Path) -> None:
    texts = TEXT + (ROOT / "docs" / "how-to" / "write-an-agent.md").read_text()
    for number, example in enumerate(re.findall(r"```toml\n(.*?)```", texts, re.DOTALL)):
        path = tmp_path / f"{number}.toml"
        path.write_text(example)
        assert set(load_roster(path, environ={}).names) == set(tomllib.loads(example)["agents"])
