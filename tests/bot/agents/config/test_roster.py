"""The agents file: what it means, what it refuses, and how it is read again."""

import logging
from functools import partial
from pathlib import Path

import pytest

from bot.agents.config.access_rules import refuse_groups_without_scope
from bot.agents.config.roster import (
    Roster,
    RosterContents,
    RosterError,
    load_roster,
    read_agents,
)
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import AccessRule, Request
from tests.support.paths import ROOT

EXAMPLE = ROOT / "agents.example.toml"


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    return tmp_path / "agents.toml"


def programs(path: Path, name: str) -> list[CommandProvider]:
    providers = load_roster(path, environ={}).agent(name).providers
    return [each for each in providers if isinstance(each, CommandProvider)]


def test_the_example_in_the_repository_is_right() -> None:
    roster = load_roster(EXAMPLE, environ={})
    assert roster.names == ("helper", "reviewer", "local", "gemini", "words", "echo")
    assert roster.for_channel("C0123456789").name == "reviewer"
    assert roster.for_channel("C9").name == "helper"
    reviewer = roster.agent("reviewer")
    assert [(each.name, each.model) for each in reviewer.providers] == [
        ("claude", "opus"),
        ("codex", None),
    ]
    assert reviewer.mode == "execute"
    assert reviewer.instructions.startswith("You review code.")
    words = roster.agent("words").providers[0]
    assert words.answer(Request(prompt="one two three")).text == "3"


def test_without_a_file_echo_answers() -> None:
    roster = load_roster(None)
    assert roster.names == ("echo",)
    assert roster.for_channel(None).providers[0].name == "echo"


def test_a_file_of_an_editor_on_windows_is_read(agents_file: Path) -> None:
    agents_file.write_bytes(b"\xef\xbb\xbf[agents.a]\r\nprovider = 'echo'\r\n")
    assert load_roster(agents_file).names == ("a",)


def test_an_agents_keys_apply_to_its_providers_unless_they_have_their_own(
    agents_file: Path,
) -> None:
    agents_file.write_text(
        """
        [agents.reviewer]
        timeout = 100
        arguments = ["--all"]
        providers = [{ provider = "claude", timeout = 5, model = "opus" }, "codex", "echo"]
        """
    )
    claude, codex = programs(agents_file, "reviewer")
    assert (claude.limits.timeout_s, claude.model, claude.arguments) == (5, "opus", ("--all",))
    assert (codex.limits.timeout_s, codex.model, codex.arguments) == (100, None, ("--all",))


def test_providers_may_be_tables_of_their_own(agents_file: Path) -> None:
    agents_file.write_text(
        """
        [agents.reviewer]
        [[agents.reviewer.providers]]
        provider = "claude"
        model = "opus"
        [[agents.reviewer.providers]]
        provider = "claude"
        model = "sonnet"
        """
    )
    assert [each.model for each in programs(agents_file, "reviewer")] == ["opus", "sonnet"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[agents.a]\nprovider = 'claud'", 'line 2, in [agents.a]: provider must be "command" or'),
        (
            "[agents.a]\nprovider = 'claude'\ntimout = 5",
            "line 3, in [agents.a]: unknown key timout",
        ),
        ("[agents.a]\nproviders = []", "line 2, in [agents.a]: providers must be a list, such as"),
        ("[agents.a]\nproviders = 'claude'", "line 2, in [agents.a]: providers must be a list"),
        (
            "[agents.a]\nproviders = [1]",
            "line 2, in [agents.a]: providers must be a list of names, or",
        ),
        (
            "[agents.a]\nprovider = 'echo'\nproviders = ['echo']",
            "line 2, in [agents.a]: provider and providers exclude each other",
        ),
        (
            "[agents.a]\nproviders = ['claude', 'codex']\nmodel = 'opus'",
            "line 3, in [agents.a]: model belongs to one provider: write it in",
        ),
        (
            "[agents.a]\nproviders = ['claude', { provider = 'codex', modle = 'x' }]",
            "line 2, in [agents.a]: unknown key modle; did you mean model?",
        ),
        (
            "[agents.a]\nproviders = [\n'claude',\n{ provider = 'codex', mode = 'execute' }]",
            "line 4, in [agents.a]: unknown key mode",
        ),
        (
            "[agents.a]\nproviders = ['echo', 'claude']\nprompt = 'stdin'",
            "line 3, in [agents.a]: unknown key prompt",
        ),
        (
            "[agents.a]\nprovider = 'claude'\nmodel = 5",
            "line 3, in [agents.a]: model must be a text",
        ),
        (
            "[agents.a]\nprovider = 'claude'\npass_environment = ['SLACK_BOT_TOKEN']",
            "line 3, in [agents.a]: SLACK_BOT_TOKEN is a secret of the bot",
        ),
        ("[agents.a]\nprovider = 'command'", "line 1, in [agents.a]: the command is missing"),
        (
            "[access]\nguest = true\n[agents.a]\nprovider = 'echo'",
            "line 2, in [access]: unknown key guest; did you mean guests?",
        ),
        (
            "[agents.a]\nprovider = 'echo'\n[access.execute]\nmode = 'query'",
            "line 4, in [access.execute]: unknown key mode",
        ),
        (
            "[agents.a]\nprovider = 'echo'\n[agents.a.access]\npeople = ['@ann']",
            "line 4, in [agents.a.access]: people must be a list of ids of people such as U0",
        ),
        (
            "[agents.a]\nprovider = 'echo'\naccess = { people = 'U0123456789' }",
            "line 3, in [agents.a.access]: people must be a list of ids of people such as U0",
        ),
        (
            "[access]\nchannels = ['#general']\n[agents.a]\nprovider = 'echo'",
            "line 2, in [access]: channels must be a list of ids of channels such as C0",
        ),
        (
            "[access]\nguests = 'yes'\n[agents.a]\nprovider = 'echo'",
            "line 2, in [access]: guests must be true, false or a list of ids of people such as",
        ),
        ("access = true\n[agents.a]\nprovider = 'echo'", "line 1: access must be a table: write"),
    ],
)
def test_a_mistake_is_named_with_its_line(agents_file: Path, text: str, sentence: str) -> None:
    agents_file.write_text(text)
    with pytest.raises(RosterError) as caught:
        load_roster(agents_file)
    assert f"{agents_file}, {sentence}" in str(caught.value)


def test_a_program_is_told_the_mode_the_model_and_what_the_file_adds(
    agents_file: Path, tmp_path: Path
) -> None:
    shows = tmp_path / "shows"
    shows.write_text('#!/bin/sh\necho "$@"; cat\n')
    shows.chmod(0o755)
    agents_file.write_text(
        f"""
        [agents.codex]
        provider = "codex"
        command = ["{shows}"]
        model = "gpt-5.5"
        isolation = "off"
        arguments = ["--ephemeral"]
        execute_arguments = ["--sandbox=danger-full-access"]
        """
    )
    (codex,) = programs(agents_file, "codex")
    asked = codex.answer(Request(prompt="why?", mode="query")).text
    assert asked.splitlines() == [
        "exec --json --skip-git-repo-check --sandbox=read-only --model gpt-5.5 --ephemeral -",
        "why?",
    ]
    asked = codex.answer(Request(prompt="why?", mode="execute")).text
    assert "--sandbox=danger-full-access" in asked
    assert "workspace-write" not in asked


def test_instructions_come_before_everything_else(agents_file: Path) -> None:
    (cat,) = (CommandProvider(agent="cat", command=("cat",)),)
    text = cat.answer(Request(prompt="why?", instructions="Be brief.\n")).text
    assert text == "Be brief.\n\nAnswer this message:\n\nwhy?"


def test_a_changed_file_can_be_read_again(
    agents_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agents_file.write_text("[agents.one]\nprovider = 'echo'")
    roster = load_roster(agents_file)
    agents_file.write_text("[agents.two]\nprovider = 'echo'")
    with caplog.at_level(logging.INFO, "tracebot.agents"):
        assert roster.reload()
    assert (roster.names, roster.for_channel(None).name) == (("two",), "two")
    assert caplog.messages == ["The agents are now two."]


def test_a_bad_file_changes_nothing_and_says_where(
    agents_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agents_file.write_text("[agents.one]\nprovider = 'echo'")
    roster = load_roster(agents_file)
    agents_file.write_text("[agents.two]\nprovider = 'nobody'")
    assert not roster.reload()
    assert roster.names == ("one",)
    assert "the agents stay as they are" in caplog.text
    assert "line 2" in caplog.text
    agents_file.unlink()
    assert not roster.reload()
    assert roster.agent("one").name == "one"


def test_whatever_keeps_the_file_from_being_read_again_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fails = False

    def read() -> RosterContents:
        if fails:
            raise PermissionError(13, "Permission denied")
        return read_agents(None, {}, BotFiles())

    roster, fails = Roster(read), True
    assert not roster.reload()
    assert roster.names == ("echo",)
    assert "the agents stay as they are" in caplog.text
    assert "Permission denied" in caplog.text


def test_the_most_specific_table_decides_each_key_of_a_rule(agents_file: Path) -> None:
    agents_file.write_text(
        """
        [access]
        guests = true
        channels = ["C0000001"]
        groups = ["S0000001"]
        [access.execute]
        guests = ["U0000001"]
        [agents.reader]
        provider = "echo"
        [agents.builder]
        provider = "echo"
        mode = "execute"
        access = { people = ["U0000002"], channels = ["C0000002", "direct"] }
        """
    )
    roster = load_roster(agents_file)
    everywhere = AccessRule(
        guests=True, channels=frozenset({"C0000001"}), groups=frozenset({"S0000001"})
    )
    assert roster.agent("reader").access == everywhere
    assert roster.agent("builder").access == AccessRule(
        # People and groups are one list: an agent's own people replace the groups of all.
        people=frozenset({"U0000002"}),
        channels=frozenset({"C0000002", "direct"}),
        guests=frozenset({"U0000001"}),
    )


def test_an_empty_list_of_people_is_nobody(agents_file: Path) -> None:
    agents_file.write_text("[access]\npeople = []\n[agents.a]\nprovider = 'echo'")
    assert load_roster(agents_file).agent("a").access.people == frozenset()


def test_a_file_that_a_bot_cannot_use_is_not_reloaded(agents_file: Path) -> None:
    agents_file.write_text("[agents.a]\nprovider = 'echo'")
    roster = load_roster(agents_file)
    roster.require(partial(refuse_groups_without_scope, scopes=()))
    agents_file.write_text(
        "[agents.b]\nprovider = 'echo'\n[agents.b.access]\ngroups = ['S0000001']"
    )
    assert not roster.reload()
    assert roster.names == ("a",)
