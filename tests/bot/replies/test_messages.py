"""The messages of an answer: within Slack's limits, and readable each by itself."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.replies.messages import (
    RUNNING_LIMIT,
    TEXT_LIMIT,
    Message,
    reply_messages,
    running_message,
    unposted_message,
)
from bot.replies.text.markdown import PARSER
from bot.replies.text.plain_words import plain_words
from bot.sandbox.blocks.validate import violations
from bot.sandbox.requests.contents import BLOCKS_SIZE_LIMIT
from reports.render.block_kit import json_length

NOTE = "claude was not available; codex answered."
CODE = "\n".join(f'    print("line {number}", value_{number})' for number in range(540))
LONG_CODE = f"Here is the program:\n\n```python\ndef main():\n{CODE}\n```\n\nIt prints.\n"


def messages(text: str, note: str = "") -> list[Message]:
    return reply_messages(text, payload={"agent": "claude", "trace_id": "1"}, note=note)


def said(message: Message) -> str:
    return "".join(each["text"] for each in message["blocks"] if each["type"] == "markdown")


def check_limits(message: Message) -> None:
    assert len(message["text"].encode()) <= TEXT_LIMIT
    assert not violations(message["blocks"], "message")
    assert len(json.dumps(message["blocks"], ensure_ascii=False)) <= BLOCKS_SIZE_LIMIT


def test_a_long_program_is_continued_in_its_language_and_keeps_its_indentation() -> None:
    parts = [said(message) for message in messages(LONG_CODE)]
    assert len(LONG_CODE) > 17_000
    assert len(parts) == 2
    assert parts[0].endswith("\n```")
    assert parts[1].startswith('```python\n    print("line ')
    code = [
        token.content for part in parts for token in PARSER.parse(part) if token.type == "fence"
    ]
    assert "".join(code) == f"def main():\n{CODE}\n"


def test_an_answer_that_fits_is_not_changed() -> None:
    code = "    indented code\n\n1. one\n\n   ~~~c++ title\n   x\n   ~~~"
    text = f"{code}\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    (message,) = messages(text)
    assert said(message) == text


def test_a_part_ends_with_a_paragraph_and_not_after_its_heading() -> None:
    paragraph = "word " * 100
    text = "\n\n".join(f"## Heading {number}\n\n{paragraph}" for number in range(60))
    parts = [said(message) for message in messages(text)]
    assert len(parts) > 2
    assert all(re.match(r"## Heading \d+\n\nword", part) for part in parts)
    assert all(part.endswith("word") for part in parts)


def test_no_part_of_many_short_sections_ends_with_a_heading() -> None:
    text = "\n".join(f"## Heading {number}\nword" for number in range(100))
    parts = [said(message) for message in messages(text)]
    assert len(parts) > 2
    assert all(part.startswith("## ") and part.endswith("\nword") for part in parts)


def test_the_head_of_a_long_table_is_repeated() -> None:
    rows = "\n".join(f"| {number} | {'x' * 40} |" for number in range(600))
    parts = [said(message) for message in messages(f"| number | text |\n|---:|---|\n{rows}")]
    assert len(parts) > 1
    shown = []
    for part in parts:
        lines = part.split("\n")
        assert lines[:2] == ["| number | text |", "|---:|---|"]
        shown += lines[2:]
    assert "\n".join(shown) == rows


def test_code_in_a_list_is_continued_at_the_left() -> None:
    code = "\n".join(f"   if x > {number}:\n       y = {number}" for number in range(900))
    parts = [
        said(each) for each in messages(f"1. Do this:\n\n   ```python\n{code}\n   ```\n\n2. Rest")
    ]
    assert parts[0].endswith("\n   ```")
    assert re.match(r"```python\n(    y = \d+\n)?if x > ", parts[1])
    assert parts[-1].endswith("```\n\n2. Rest")


@pytest.mark.parametrize("text", ["x" * 30_000, "다" * 30_000, '"\\' * 12_000, "👨‍👩‍👧" * 4_000])
def test_a_line_without_a_space_is_cut_within_the_limits(text: str) -> None:
    found = messages(text, NOTE)
    assert "".join(map(said, found)) == text
    for message in found:
        check_limits(message)
        assert not said(message).startswith("\u200d")


@pytest.mark.parametrize("word", ["다음 문장은 ", "次の文章は、", "word ", "& < > "])
def test_an_answer_in_any_language_stays_within_the_limits(word: str) -> None:
    found = messages(word * 6_000, NOTE)
    for message in found:
        check_limits(message)
    assert found[-1]["text"].endswith(NOTE)
    check_limits(running_message("claude", word * 6_000, tool="Read", trace_id="0" * 32))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "word " * 90,
                    "다음 " * 300,
                    "# Heading\n\n",
                    "---\n\n",
                    "\n",
                    "\n\n",
                    "```\n",
                    "- x\n",
                ),
                *(
                    "<@U0123456789>",
                    "**「重要」**は",
                    '"' * 900,
                    "|a|b|\n|-|-|\n",
                    "&" * 2_000,
                    "\x1b[1m",
                ),
            ]
        ),
        max_size=60,
    ).map("".join)
)
def test_any_answer_stays_within_the_limits(text: str) -> None:
    for message in messages(text, NOTE):
        check_limits(message)


def test_the_end_of_a_running_reply_keeps_its_code_block() -> None:
    growing = LONG_CODE.partition("\n```\n\nIt")[0]
    shown = said(running_message("claude", growing, tool=None, trace_id="0" * 32))
    assert json_length(shown) <= RUNNING_LIMIT + 5
    assert re.match(r'…\n\n```python\n    print\("line \d+", value_\d+\)\n', shown)
    assert shown.endswith("value_539)")


@pytest.mark.parametrize("line", ["# Heading {}\n\nWords.\n\n", "{}\n\n---\n\n"])
def test_a_running_reply_has_no_more_blocks_than_slack_takes(line: str) -> None:
    growing = "".join(map(line.format, range(60)))
    message = running_message("claude", growing, tool=None, trace_id="0" * 32)
    check_limits(message)
    assert re.match(r"…\n\n.*5\d", said(message), re.DOTALL)


def test_the_text_of_a_message_is_plain_words() -> None:
    markdown = (
        "# Result\n\n**Two** of _three_ ~~old~~ `files` are [here](https://e.example/a), "
        "<https://e.example>.\n\n1. first\n2. second\n\n- a & b\n\n> quoted\n\n"
        "| name | count |\n|---|--:|\n| **x** | 2 |\n\n---\n\n"
        "```sql\nSELECT 1 < 2\n```\n\n![a plot](p.png)"
    )
    (message,) = messages(markdown, NOTE)
    assert message["text"].split("\n") == [
        "Result",
        "Two of three old files are here (https://e.example/a), https://e.example.",
        *("1. first", "2. second", "• a &amp; b", "quoted"),
        *("name, count", "x, 2", "SELECT 1 &lt; 2", "a plot", NOTE),
    ]


@pytest.mark.parametrize("markdown", ["---", "[a]: b", f"{'>' * 90} x", f"{'- ' * 120}x", "#"])
def test_the_text_of_a_message_is_never_empty(markdown: str) -> None:
    (message,) = messages(markdown)
    assert message["text"].replace("&gt;", ">").startswith(markdown[:40])


def test_a_long_note_leaves_room_for_the_answer() -> None:
    (message,) = messages("다음 " * 2_000, "오류 " * 2_000)
    assert len(message["text"].encode()) <= TEXT_LIMIT
    assert message["text"].startswith("다음")
    assert "\n오류" in message["text"]


def test_a_text_is_not_cut_within_an_escaped_character() -> None:
    for length in range(1_320, 1_340):
        (message,) = messages("a" * length + "&" * 700)
        assert len(message["text"].encode()) <= TEXT_LIMIT
        assert re.fullmatch(r"a+(&amp;)+…?", message["text"])


def test_an_empty_answer_says_so() -> None:
    assert said(messages(" \n\t")[0]) == "(The agent gave an empty answer.)"
    assert messages(" ", NOTE)[0]["text"] == NOTE
    assert said(messages("\x1b[0m")[0]) == "(The agent gave an empty answer.)"
    assert said(messages("\u200b\ufeff \u00a0")[0]) == "(The agent gave an empty answer.)"


def test_names_that_look_like_html_stay_in_the_plain_words() -> None:
    assert plain_words("A Vec<u8> and\n\n<div>x</div>") == "A Vec<u8> and\n<div>x</div>"


def test_a_direct_message_is_here_and_has_no_name() -> None:
    said = unposted_message(["claude"], "messages_tab_disabled", channel="D1", trace_id="0" * 32)
    assert said.startswith("I could not post the reply of claude here: my Messages tab is switched")
    assert "Ask in a channel" in said
