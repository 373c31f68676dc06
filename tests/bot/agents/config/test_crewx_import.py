"""Convert a crewx.yaml to an agents file, with notes on what could not be converted."""

from pathlib import Path

import pytest

from bot.agents.config.crewx_import import import_crewx
from bot.agents.config.roster import Roster, RosterError, load_roster
from bot.agents.programs.provider import CommandProvider

CREWX = r"""
version: "1.0"
agents:
  - id: "frontend"
    name: "React"
    provider: "cli/claude"
    working_directory: "./src"
    skills: {include: [testing]}
    options:
      query: ["--add-dir=.", "--verbose"]
      execute: ["--add-dir=.", "--allowedTools=Edit,Bash"]
    inline:
      type: agent
      model: sonnet
      system_prompt: |
        You are a "senior" developer.
        Use C:\path and '''quotes''' and "${"{{name}}"}".
  - id: back.end
    provider: ["cli/gemini", "cli/claude", "plugin/mine"]
    options:
      execute:
        cli/gemini: ["--yolo"]
        cli/claude: ["--permission-mode=plan"]
    inline: {prompt: "One line"}
  - id: plain
    options: ["--add-dir=."]
    inline: {provider: codex, model: gpt-5.5, prompt: x}
  - id: local
    provider: api/ollama
layouts: {}
"""


@pytest.fixture
def crewx(tmp_path: Path) -> Path:
    path = tmp_path / "crewx.yaml"
    path.write_text(CREWX)
    return path


def loaded(crewx: Path, tmp_path: Path) -> Roster:
    target = tmp_path / "agents.toml"
    target.write_text(import_crewx(crewx, folder=tmp_path).text)
    return load_roster(target, environ={})


def providers(roster: Roster, name: str) -> list[CommandProvider]:
    found = roster.agent(name).providers
    assert all(isinstance(each, CommandProvider) for each in found)
    return list(found)  # type: ignore[arg-type]


def test_agents_keep_provider_model_folder_and_prompt(crewx: Path, tmp_path: Path) -> None:
    roster = loaded(crewx, tmp_path)
    assert roster.names == ("frontend", "back.end", "plain")
    (claude,) = providers(roster, "frontend")
    assert (claude.name, claude.model) == ("claude", "sonnet")
    assert claude.working_directory == tmp_path / "src"
    assert roster.agent("frontend").instructions == (
        "You are a \"senior\" developer.\nUse C:\\path and '''quotes''' and \"${\"{{name}}\"}\"."
    )
    (codex,) = providers(roster, "plain")
    assert (codex.name, codex.model) == ("codex", "gpt-5.5")


def test_a_list_of_providers_is_an_order_to_fall_back_in(crewx: Path, tmp_path: Path) -> None:
    gemini, claude = providers(loaded(crewx, tmp_path), "back.end")
    assert (gemini.name, claude.name) == ("gemini", "claude")


def test_options_are_added_to_ours_or_take_their_place(crewx: Path, tmp_path: Path) -> None:
    roster = loaded(crewx, tmp_path)
    (claude,) = providers(roster, "frontend")
    assert claude.mode_arguments == {
        "query": ("--disallowed-tools=Edit,Write,NotebookEdit", "--add-dir=."),
        "execute": ("--permission-mode=acceptEdits", "--add-dir=.", "--allowedTools=Edit,Bash"),
    }
    gemini, claude = providers(roster, "back.end")
    assert gemini.mode_arguments == {"execute": ("--yolo",)}
    assert claude.mode_arguments == {"execute": ("--permission-mode=plan",)}
    (codex,) = providers(roster, "plain")
    assert codex.mode_arguments["query"] == ("--sandbox=read-only", "--add-dir=.")


def test_every_agent_only_reads(crewx: Path, tmp_path: Path) -> None:
    roster = loaded(crewx, tmp_path)
    assert {roster.agent(name).mode for name in roster.names} == {"query"}


def test_what_cannot_be_imported_is_noted(crewx: Path) -> None:
    assert import_crewx(crewx, folder=None).notes == [
        "frontend: its prompt has {{templates}}, which are copied but not filled in.",
        "frontend: its key skills is not imported.",
        'back.end: its provider plugin/mine is not imported: write it with "command".',
        'local: its provider api/ollama is not imported: write it with "openai" or "anthropic".',
        "local: is left out: tracebot knows none of its providers.",
        "layouts is not imported: tracebot has nothing like it.",
    ]


def test_a_working_directory_is_absolute_if_the_agents_file_is_elsewhere(
    crewx: Path, tmp_path: Path
) -> None:
    text = import_crewx(crewx, folder=tmp_path / "elsewhere").text
    assert f'working_directory = "{tmp_path / "src"}"' in text


def test_a_home_that_is_not_here_is_left_to_the_agents_file(tmp_path: Path) -> None:
    path = tmp_path / "crewx.yaml"
    path.write_text(
        "agents:\n  - id: a\n    provider: cli/claude\n    working_directory: ~nouser/src"
    )
    text = import_crewx(path, folder=tmp_path / "elsewhere").text
    assert 'working_directory = "~nouser/src"' in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("agents: [", "line 1: this is not YAML"),
        ("just words", "has no keys"),
        ("a: " + "[" * 2000, "this is not YAML"),
        ("a: 2026-13-45", "this is not YAML"),
        ("agents: {}", "has no list of agents"),
        ("agents:\n  - id: x\n    provider: api/x", "none of its agents can be imported: x: its"),
        ("agents: [1, null]", "none of its agents can be imported"),
        ("agents: [{id: '../x', provider: cli/claude}]", "its id must be letters"),
    ],
)
def test_another_file_than_a_crewx_file_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "crewx.yaml"
    path.write_text(text)
    with pytest.raises(RosterError, match=sentence):
        import_crewx(path, folder=None)
