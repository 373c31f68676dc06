"""Which agents a message names: the grammar as a table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.turns.agent_mentions import (
    BLANK,
    Addressed,
    _without_italics,
    addressed,
    without_address,
)

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
        ("@codex/@claude compare", ("codex", "claude"), "compare"),
        ("@codex / @Claude/@gpt-5.1: compare", ("codex", "claude", "gpt-5.1"), "compare"),
        ("@codex|@claude compare", ("codex", "claude"), "compare"),
        ("@codex; @claude: compare", ("codex", "claude"), "compare"),
        ("@codex &amp; @claude, compare", ("codex", "claude"), "compare"),
        ("@codex & @claude, compare", ("codex", "claude"), "compare"),
        ("compare @codex/@claude &amp; co", ("codex", "claude"), None),
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
        # Full-width signs and letters, and other writing systems.
        ("codex：これは何？", ("codex",), "これは何？"),
        ("codex：hello", ("codex",), "hello"),
        ("codex:这是什么？", ("codex",), "这是什么？"),
        ("＠codex　これは？", ("codex",), "これは？"),
        ("＠ｃｏｄｅｘ hello", ("codex",), "hello"),
        ("@codex，你好", ("codex",), "你好"),
        ("@codex帮我看看", ("codex",), "帮我看看"),
        ("@codex야 이거 봐", ("codex",), "이거 봐"),
        ("@codex 야 이거 봐", ("codex",), "야 이거 봐"),
        ("@codex님, 안녕하세요", ("codex",), "안녕하세요"),
        ("@codex야", ("codex",), ""),
        ("@codex 씨, 안녕", ("codex",), "안녕"),
        ("@codex～ 안녕", ("codex",), "안녕"),
        ("@claude！你好", ("claude",), "你好"),
        ("@codex، كيف", ("codex",), "كيف"),
        ("@claudeさん、これは？", ("claude",), "これは？"),
        ("@claude、これは？", ("claude",), "これは？"),
        ("@claude、@codex：比べて", ("claude", "codex"), "比べて"),
        ("@claude와 @codex: 비교해", ("claude", "codex"), "비교해"),
        ("@claudeと@codexさん、比べて", ("claude", "codex"), "比べて"),
        ("@claude und @codex: vergleicht", ("claude", "codex"), "vergleicht"),
        # A particle makes the name a part of the sentence.
        ("@claude에게 물어봐", ("claude",), "@claude에게 물어봐"),
        ("@claudeに聞いて", ("claude",), "@claudeに聞いて"),
        ("@codex는 어때?", ("codex",), "@codex는 어때?"),
        ("@claudeと@codexに聞いて", ("claude", "codex"), "@claudeと@codexに聞いて"),
        ("이거 @codex한테 물어봐", ("codex",), None),
        ("これを@codexに聞いて", ("codex",), None),
        ("请@codex看看", ("codex",), None),
        ("这是日志。@codex看看", ("codex",), None),
        ("@codex。看看", ("codex",), "。看看"),
        ("ถาม@codexหน่อย", ("codex",), None),
        ("@codex'e sor", ("codex",), "@codex'e sor"),
        ("bunu @codex’ye sor", ("codex",), None),
        ("kysy @codex'lta", ("codex",), None),
        ("@codexʼe sor", ("codex",), None),
        ("@GEMİNİ-PRO merhaba", ("gemini-pro",), "merhaba"),
        ("gemını-pro: merhaba", ("gemini-pro",), "merhaba"),
        # Italics, and characters without a width that were copied along.
        ("_@codex_ hi", ("codex",), None),
        ("_please ask @codex_", ("codex",), None),
        ("codex\u200b: hi", ("codex",), "hi"),
        ("\ufeff@codex hi", ("codex",), "hi"),
        ("my_@codex hi, @codex_mini", (), None),
        ("@codex:lle kysymys", ("codex",), "@codex:lle kysymys"),
        ("@codexe sor", (), None),
        ("@codexilta", (), None),
        ("@codexin mielipide", (), None),
        ("@codex'll know, and @codex’d agree", (), None),
        ("codex는 새롭다", (), None),
        ("메일은 a@codex야", (), None),
        # Within other words.
        ("mail a@codex.com or b@codex", (), None),
        ("@codexes are new", (), None),
        ("@codex-mini is new", (), None),
        ("@codex.ai is new", (), None),
        ("codex://open is a link", (), None),
        ("codex:open", (), None),
        ("see /srv/@codex/run and x/@codex", (), None),
        ("npm i @codex/cli", (), None),
        ("npm i @codex/claude", (), None),
        ("see /srv/@codex/@claude and @codex/@claude/run", (), None),
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
        ("“say “ask @codex” to him”", (), None),
        # In a moment, however long it is.
        ("“" * 40_000 + "@codex", ("codex",), None),
        ("@codex" + "x." * 20_000, (), None),
        ("a" + "_" * 400_000 + "b @codex", ("codex",), None),
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
    found = addressed(text, AGENTS)
    assert (found.agents, found.prompt) == (agents, text if prompt is None else prompt)


@pytest.mark.parametrize(
    ("text", "misses"),
    [
        ("@cluade hi", {"cluade": "claude"}),
        ("hi @Cluade, and @claud", {"Cluade": "claude", "claud": "claude"}),
        ("@codx: hi", {"codx": "codex"}),
        ("@kodex and @laude", {"kodex": "codex", "laude": "claude"}),
        ("@codxe야 안녕", {"codxe": "codex"}),
        ("＠ｃｌｕａｄｅ", {"cluade": "claude"}),
        ("@gpt-5.2. hi", {"gpt-5.2": "gpt-5.1"}),
        ("@geminipro hi", {"geminipro": "gemini-pro"}),
        ("@exho hi", {"exho": "echo"}),
        ("@claude @codxe compare", {"codxe": "codex"}),
        # Far from every agent's name, or too short to tell.
        ("@nobody hi", {}),
        ("@gemini hi", {}),
        ("@cloud hi", {}),
        ("@elhu hi", {}),
        ("@maude hi", {}),
        ("@here and @channel", {}),
        # Agents themselves, and words that are no names.
        ("@claude @CODEX hi", {}),
        ("cluade: hi", {}),
        ("npm i @cluade/cli", {}),
        ("mail a@cluade.com", {}),
        ("`@cluade`", {}),
        ("<@U0123|cluade>", {}),
    ],
)
def test_a_name_that_is_close_to_an_agents_is_noticed(text: str, misses: dict[str, str]) -> None:
    found = addressed(text, AGENTS).misses
    assert {miss.said: miss.agent for miss in found} == misses


def test_a_short_name_is_close_to_nothing() -> None:
    assert addressed("@bob hi", ("bot", "ai", "codex")).misses == ()


@pytest.mark.parametrize(
    ("text", "agents", "prompt"),
    [
        ("<@UBOT> hello", (), "hello"),
        ("<@UBOT|tracebot>, hello", (), "hello"),
        ("<@UBOT>: codex: hello", ("codex",), "hello"),
        ("<@UBOT> :tada: :+1::skin-tone-2: it works", (), ":tada: :+1::skin-tone-2: it works"),
        ("<@UBOT> : voilà", (), "voilà"),
        ("<@UBOT>、@codexさん、これは？", ("codex",), "これは？"),
        ("<@UBOT>야 이거 봐", (), "이거 봐"),
        ("<@UBOT>님, @codex야 이거 봐", ("codex",), "이거 봐"),
        ("<@UBOT>さん：これは？", (), "これは？"),
        ("<@UBOT>아니 뭐", (), "아니 뭐"),
        ("<@UBOT>。@codexさん、これは？", ("codex",), "これは？"),
        ("<@UBOT>； codex：hi", ("codex",), "hi"),
        ("*<@UBOT>* @codex hi", ("codex",), "hi"),
        ("*<@UBOT> hi*, _<@UBOT>_", (), "* hi*,"),
        ("<@UBOT>帮我看看", (), "帮我看看"),
        ("what is new, <@UBOT>?", (), "what is new, ?"),
        ("<@UOTHER>, <@UBOT>, hello", (), "<@UOTHER>, , hello"),
        ("<@UBOT>", (), ""),
    ],
)
def test_the_mention_of_the_bot_is_not_part_of_the_prompt(
    text: str, agents: tuple[str, ...], prompt: str
) -> None:
    found = addressed(without_address(text, "UBOT"), AGENTS)
    assert (found.agents, found.prompt) == (agents, prompt)


def test_names_that_differ_only_in_case_are_told_apart_where_they_can_be() -> None:
    both = ("Claude", "claude")
    assert addressed("@Claude hello", both).agents == ("Claude",)
    assert addressed("@claude hello", both).agents == ("claude",)
    assert addressed("@CLAUDE hello", both).agents in {("Claude",), ("claude",)}


def test_a_name_may_end_with_the_mark_of_italics() -> None:
    assert addressed("@my_ hello", ("my_", "my")) == Addressed(("my_",), "hello")
    assert addressed("_@my_ hello_", ("my",)).agents == ("my",)


@given(st.lists(st.sampled_from(["_", "my", "my_", "a", " ", "@", ".", "é"]), max_size=12))
def test_underscores_are_marks_of_italics_beside_anything_but_words(parts: list[str]) -> None:
    said, agents = "".join(parts), ("my_", "my")
    plain = re.sub(
        r"my_|my|(?<!\w)_+|_+(?![\w@])",
        lambda found: found.group() if found.group()[0] == "m" else BLANK * len(found.group()),
        said,
        flags=re.ASCII,
    )
    assert _without_italics(said, agents) == plain


def test_without_agents_nobody_is_named() -> None:
    assert addressed(" @codex hello ", ()) == Addressed((), "@codex hello")


@given(st.text(alphabet="@codexlau:,. `\"<>&gt;\n/'", max_size=60))
def test_any_text_names_known_agents_once_each_and_loses_only_a_salutation(text: str) -> None:
    found = addressed(text, AGENTS)
    assert set(found.agents) <= set(AGENTS)
    assert len(set(found.agents)) == len(found.agents)
    assert text.strip().endswith(found.prompt)
