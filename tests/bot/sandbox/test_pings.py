"""Whom a message notifies, as the sandbox takes it: more broadly than Slack, never less."""

from typing import Any

import pytest

from bot.sandbox.blocks.pings import pings


def markdown(text: str) -> dict[str, Any]:
    return {"type": "markdown", "text": text}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!channel>", {"channel"}),
        ("<!here|here> and <@U1>", {"here", "U1"}),
        ("`<!Everyone>`", {"everyone"}),
        ("```\n<!subteam^S1|@ops>\n```", {"subteam^s1"}),
        ("<@W1|ann>", {"W1"}),
        ("< ! channel >", {"channel"}),
        ("@here, look", {"here"}),
        ("`@channel` of a decorator", set()),
        ("ann@here.example", set()),
        ("<!DOCTYPE html> <!-- here --> <#C1> &lt;!channel&gt; <!date^1^{date}|now>", set()),
    ],
)
def test_a_markdown_block_notifies(text: str, expected: set[str]) -> None:
    assert pings("", [markdown(text)]) == expected


def test_other_texts_notify_only_with_an_entity() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "@here <!here>"}}
    plain = {"type": "header", "text": {"type": "plain_text", "text": "<!channel>"}}
    typed = {"type": "rich_text", "elements": [{"type": "user", "user_id": "U1"}]}
    assert pings("@channel", [section, plain, typed]) == {"here", "U1"}
