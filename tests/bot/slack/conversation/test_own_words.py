"""Our own replies, which Slack stores as rich text, are Markdown again for their readers."""

import pytest

from bot.sandbox.state.translation import translated
from bot.slack.conversation.names import Ids
from bot.slack.conversation.own_words import own_words


def read(markdown: str) -> str:
    return own_words(translated([{"type": "markdown", "text": markdown}]), Ids())


@pytest.mark.parametrize(
    "markdown",
    [
        "# Findings\n\nThe **pool** is *too* ~~big~~ `small`.\nSo it is.\n\nAnd so on.",
        "See [the docs](https://x.example/a) or https://x.example.",
        "| pod | state |\n| --- | --- |\n| `a` | one \\| two |",
        "Before\n\n---\n\nAfter",
        "- one\n    - two **b**\n- three",
        "3. three\n4. four\n    1. in it\n5. five",
        "- one\n\n1. first",
        "```py\ndef a():\n    b\n```",
        "````\n```\n````",
        "Write `` echo `date` ``, `` `${name}` `` or **```a``b```**.",
        "> quoted\n> twice\n\n> - it",
    ],
)
def test_markdown_that_slack_stored_is_read_as_it_was_written(markdown: str) -> None:
    assert read(markdown) == markdown


def test_a_list_within_one_of_another_style_stays_in_it() -> None:
    assert read("1. one\n   - in it\n2. two") == "1. one\n\n    - in it\n\n2. two"


def test_marks_stand_beside_the_words_that_they_mark() -> None:
    assert read("A **very `odd` one** here") == "A **very** **`odd`** **one** here"


def test_a_list_goes_on_after_a_list_within_it() -> None:
    lists = [(0, "one"), (1, "in it"), (0, "two")]
    parts = [
        {
            "type": "rich_text_list",
            "style": "ordered",
            "indent": indent,
            "elements": [{"elements": [{"type": "text", "text": text}]}],
        }
        for indent, text in lists
    ]
    stored = [{"type": "rich_text", "elements": parts}]
    assert own_words(stored, Ids()) == "1. one\n    1. in it\n2. two"
