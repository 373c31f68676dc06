"""What the agents of an agents file get of the database's server: nothing."""

from pathlib import Path

import pytest

from bot.agents.config.isolation import open_doors
from bot.agents.config.roster import RosterError
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Request
from bot.cli.agents_file import load_agents
from bot.settings import Settings
from storage.database.connect import database_path, locate


def settings(folder: Path, agent: str, url: str) -> Settings:
    path = folder / "agents.toml"
    path.write_text(f"[agents.a]\ncommand = ['env']\n{agent}\n")
    return Settings(_env_file=None, agents=path, database_url=url)


@pytest.mark.parametrize(
    ("option", "variable"),
    [("?passfile={}", ""), ("?sslkey={}", ""), ("", "PGPASSFILE"), ("?service=x", "PGSERVICEFILE")],
)
def test_an_agent_cannot_be_given_the_file_of_the_password(
    option: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    file = work / "private"
    file.write_text("db.example:5432:traces:bot:hush\n")
    if variable:
        monkeypatch.setenv(variable, str(file))
    url = f"postgresql://bot@db.example/traces{option.format(file)}"
    with pytest.raises(RosterError, match=rf"opens {work} .* with it {file}"):
        load_agents(settings(tmp_path, f"working_directory = '{work}'", url))


def test_an_agent_cannot_be_given_what_this_machine_keeps_of_a_server_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    url = "postgresql://bot:x@db.example/traces"
    folder = database_path(url).parent
    folder.mkdir(parents=True)
    with pytest.raises(RosterError, match=rf"with it {folder}"):
        load_agents(settings(tmp_path, f"read = ['{tmp_path / 'state'}']", url))


@pytest.mark.parametrize(
    ("url", "given"),
    [("postgresql://bot@db.example/traces", False), ("postgresql://bot:x@h/d", True), ("", True)],
)
def test_an_agent_is_not_given_the_password_from_the_environment(
    url: str, given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hush")
    roster = load_agents(settings(tmp_path, "pass_environment = ['PG*']", url))
    (provider,) = roster.agent("a").providers
    assert isinstance(provider, CommandProvider)
    environment, _ = provider.environment_for(Request(prompt=""))
    assert ("PGPASSWORD" in environment) is given


@pytest.mark.parametrize(
    ("setting", "told"), [("", False), ("unix_sockets = true", True), ("isolation = 'off'", True)]
)
def test_an_agent_that_the_server_asks_for_no_password_is_named(
    setting: str, told: bool, tmp_path: Path, new_postgres_url: str
) -> None:
    roster = load_agents(settings(tmp_path, setting, new_postgres_url))
    gaps = list(open_doors(roster, locate(new_postgres_url)))
    assert [gap.agents for gap in gaps][:1] == ([("a",)] if told else [])
    assert all("its server asks for no password" in gap.found for gap in gaps)
