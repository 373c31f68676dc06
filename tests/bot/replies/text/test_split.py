"""Long answers in parts: each within the limit, and together they say and show the same."""

import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from bot.replies.text.markdown import PARSER
from bot.replies.text.split import ending, split

WORDS = st.sampled_from(["word", "다음", "「重要」", "a_b", "x * y", "`code`", "end."])
LINE = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
CODE = st.lists(
    st.sampled_from(
        ["def f(x):", "    return x", "", "        deep", "```", "# no heading", "|a|b|"]
    ),
    min_size=1,
    max_size=14,
)


def fence(lines: list[str], mark: str, language: str) -> str:
    return "\n".join([f"{mark}{language}", *lines, mark])


FENCE = st.builds(
    fence,
    CODE,
    st.sampled_from(["````", "~~~", "~~~~~"]),
    st.sampled_from(["", "python", "c++ x=1"]),
)
ROW = st.tuples(WORDS, WORDS).map(lambda cells: f"| {cells[0]} | {cells[1]} |")
TABLE = st.lists(ROW, min_size=1, max_size=12).map(
    lambda rows: "\n".join(["| left | right |", "|---|--:|", *rows])
)
PARAGRAPH = st.lists(LINE, min_size=1, max_size=5).map("\n".join)
HEADING = LINE.map(lambda line: f"## {line}")


def indented(text: str, first: str) -> str:
    room = " " * len(first)
    return "\n".join(
        (first if number == 0 else room) + line if line else line
        for number, line in enumerate(text.split("\n"))
    )


MARK = st.sampled_from(["- ", "1. ", "10) ", "* - "])
ITEM = st.builds(
    lambda blocks, mark: indented("\n\n".join(blocks), mark),
    st.lists(st.one_of(LINE, FENCE), min_size=1, max_size=3),
    MARK,
)
NESTED = st.builds(
    lambda blocks, mark: indented("\n\n".join(blocks), mark),
    st.lists(st.one_of(LINE, FENCE, TABLE, ITEM), min_size=1, max_size=4),
    MARK,
)
LIST = st.lists(st.one_of(ITEM, NESTED), min_size=1, max_size=4).map("\n".join)
QUOTE = st.lists(st.one_of(LINE, FENCE), min_size=1, max_size=3).map(
    lambda blocks: "\n".join(f"> {line}" for line in "\n\n".join(blocks).split("\n"))
)
ANSWER = st.lists(
    st.one_of(PARAGRAPH, FENCE, TABLE, HEADING, ITEM, LIST, QUOTE), min_size=1, max_size=9
).map("\n\n".join)


def shown(texts: Sequence[str]) -> tuple[str, str]:
    """Return what people read in the texts: the code, and the words with the tables' bodies."""
    code, words = [], []
    for text in texts:
        tokens = PARSER.parse(text)
        for before, token in pairwise([Token("", "", 0), *tokens]):
            if token.type == "fence":
                code.append(token.content)
            elif token.type == "code_block":
                words.append(f"a code block that nobody wrote: {token.content}")
            elif token.type == "inline" and before.type != "th_open":
                words.append(token.content)
    return "".join(code), re.sub(r"\s", "", "".join(words))


BLANK_FIRST = indented(
    "\n\n".join(
        (
            fence(["def f(x):"] * 4, "````", ""),
            fence(["def f(x):", *["    return x"] * 6, "```"], "~~~~~", "python"),
            "word",
        )
    ),
    "10) ",
)
"""Of 150 characters a part: the last one begins with the blank line before the item's last word."""


@settings(max_examples=100, deadline=None)
@given(ANSWER, st.integers(150, 700))
@example(BLANK_FIRST, 150)
def test_the_parts_show_what_the_whole_shows(text: str, limit: int) -> None:
    parts = split(text, limit=limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert shown(parts) == shown([text])


@settings(max_examples=50, deadline=None)
@given(ANSWER, st.integers(150, 700))
def test_the_end_of_a_text_shows_the_end_of_what_it_shows(text: str, limit: int) -> None:
    end = ending(text, limit=limit)
    assert len(end) <= limit
    assert len(end) > limit / 5 or end == text  # The indent of lists within lists goes.
    for whole, part in zip(shown([text]), shown([end]), strict=True):
        assert whole.endswith(part)


@settings(max_examples=50, deadline=None)
@given(st.text(st.sampled_from("ab \n`*|-#>1.~한👍\u200d"), max_size=900), st.integers(40, 300))
def test_any_text_is_split_within_the_limit_and_nothing_is_lost(text: str, limit: int) -> None:
    parts = split(text, limit=limit)
    assert all(len(part) <= limit for part in parts)
    for letter in "ab한👍":
        assert sum(part.count(letter) for part in parts) >= text.count(letter)


@pytest.mark.parametrize("gap", ["", "\n"])
def test_what_follows_code_that_was_cut_stays_as_far_from_it(gap: str) -> None:
    code = "".join(f"line {number}\n" for number in range(50))
    *_, last = split(f"```\n{code}```\n{gap}and so on", limit=200)
    assert last.endswith(f"line 49\n```\n{gap}and so on")


def test_the_pieces_of_a_long_item_stay_on_one_line() -> None:
    text = f"1. {'word ' * 38}\n\n   rest\n2. {'x' * 500}"
    first, *others = split(text, limit=200)
    assert first.startswith("1. word")
    assert "".join(others) == f"rest\n\n2. {'x' * 500}"
