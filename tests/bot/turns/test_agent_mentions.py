"""Which agents a message names: the grammar as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.turns.agent_mentions import Addressed, addressed

AGENTS = ("claude", "codex", "gemini-pro", "gpt-5.1", "echo")


@pytest.mark.parametrize(
    ("text", "agents", "prompt"),
    [
        ("what is new?", (), "what is new?"),
        # One agent, at the beginning: the name is no part of the prompt.
        ("@codex what is new?", ("codex",), "what is new?"),
        ("@codex: what is new?", ("codex",), "what is new?"),
        ("@codex, what is new?", ("codex",), "what is new?"),
        ("codex: what is new?", ("codex",), "what is new?"),
        ("codex : what is new?", ("codex",), "what is new?"),
        ("Codex: what is new?", ("codex",), "what is new?"),
        ("  @CODEX\nwhat is new?", ("codex",), "what is new?"),
        ("@codex", ("codex",), ""),
        ("codex:", ("codex",), ""),
        ("gpt-5.1: hello", ("gpt-5.1",), "hello"),
        ("@gemini-pro hello", ("gemini-pro",), "hello"),
        # Several.
        ("@claude @codex compare", ("claude", "codex"), "compare"),
        ("@claude, @codex: compare", ("claude", "codex"), "compare"),
        ("@claude and @codex: compare", ("claude", "codex"), "compare"),
        ("claude, codex: compare", ("claude", "codex"), "compare"),
        ("claude &amp; codex: compare", ("claude", "codex"), "compare"),
        ("@codex @claude @codex compare", ("codex", "claude"), "compare"),
        # Within a sentence: the name stays in the prompt.
        ("hey @codex, what is new?", ("codex",), "hey @codex, what is new?"),
        ("what is new, @codex?", ("codex",), "what is new, @codex?"),
        ("(@codex) hello.", ("codex",), "(@codex) hello."),
        ("ask @codex.", ("codex",), "ask @codex."),
        ("@claude what would @codex say?", ("claude", "codex"), "what would @codex say?"),
        ("what do @gpt-5.1. and @echo say", ("gpt-5.1", "echo"), None),
        # Not at the beginning, a name without @ is only a word.
        ("a note on codex: it is new", (), None),
        ("codex is new", (), None),
        ("codex, is it new?", (), None),
        # Within other words.
        ("mail a@codex.com or b@codex", (), None),
        ("@codexes are new", (), None),
        ("@codex-mini is new", (), None),
        ("@codex.ai is new", (), None),
        ("codex://open is a link", (), None),
        ("codex:open", (), None),
        ("see /srv/@codex/run and x/@codex", (), None),
        ("npm i @codex/cli", (), None),
        ("@codex's last answer was wrong", (), None),
        ("@@codex", (), None),
        # Code, quotations, links, mentions of users.
        ("run `@codex help`", (), None),
        ("```\n@codex: help\n``` what does this do?", (), None),
        ("```@codex```", (), None),
        ("&gt; @codex said so\nis that right?", (), None),
        ("> codex: yes\nis that right?", (), None),
        ('what does "@codex" mean?', (), None),
        ("what does “ask @codex” mean?", (), None),
        ("<https://x.example/@codex|@codex>", (), None),
        ("<@U0123456789|codex> hello", (), None),
        ("<mailto:a@codex.com|@codex>", (), None),
        ("it's 5\" wide, @codex?", ("codex",), None),
        ("a `b` @codex `c`", ("codex",), None),
        # Unknown names.
        ("@gemini hello", (), None),
        ("gemini: hello", (), None),
        ("@gemini @codex hello", ("codex",), "@gemini @codex hello"),
        ("@someone, @codex: hello", ("codex",), "@someone, @codex: hello"),
    ],
)
def test_the_agents_that_a_message_names(
    text: str, agents: tuple[str, ...], prompt: str | None
) -> None:
    assert addressed(text, AGENTS) == Addressed(agents, text if prompt is None else prompt)


def test_names_that_differ_only_in_case_are_told_apart_where_they_can_be() -> None:
    both = ("Claude", "claude")
    assert addressed("@Claude hello", both).agents == ("Claude",)
    assert addressed("@claude hello", both).agents == ("claude",)
    assert addressed("@CLAUDE hello", both).agents in {("Claude",), ("claude",)}


def test_without_agents_nobody_is_named() -> None:
    assert addressed(" @codex hello ", ()) == Addressed((), "@codex hello")


@given(st.text(alphabet="@codexlau:,. `\"<>&gt;\n/'", max_size=60))
def test_any_text_names_known_agents_once_each_and_loses_only_a_salutation(text: str) -> None:
    found = addressed(text, AGENTS)
    assert set(found.agents) <= set(AGENTS)
    assert len(set(found.agents)) == len(found.agents)
    assert text.strip().endswith(found.prompt)
