"""Messages as they arrive: whom they mention, and if they say anything."""

from typing import Any

import pytest

from bot.slack.types import mentions_in, parse_message

RICH = {
    "type": "rich_text",
    "elements": [
        {
            "type": "rich_text_section",
            "elements": [{"type": "user", "user_id": "U1"}, {"type": "text", "text": " hello"}],
        }
    ],
}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "CC <@U1|tracebot>"}}
BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "<@U1>"}}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"text": "<@U1> and <@W2|ann>"}, {"U1", "W2"}),
        ({"text": "", "blocks": [RICH]}, {"U1"}),
        ({"text": "hello", "blocks": [RICH]}, set()),
        ({"text": "down", "bot_id": "B1", "blocks": [SECTION]}, {"U1"}),
        ({"bot_id": "B1", "attachments": [{"blocks": [SECTION], "id": 1}]}, {"U1"}),
        ({"bot_id": "B1", "attachments": [{"text": "for <@U1>"}]}, {"U1"}),
        ({"bot_id": "B1", "blocks": [BUTTON, None, "x"]}, set()),
        ({"text": "", "attachments": [{"is_share": True, "text": "<@U1> hi"}]}, set()),
        (
            {"bot_id": "B1", "attachments": [{"from_url": "https://e.example", "text": "<@U1>"}]},
            set(),
        ),
        # In a moment, however long it is.
        ({"text": "<@U1|" * 80_000 + "<@U1>"}, {"U1"}),
    ],
)
def test_whom_a_message_mentions(message: dict[str, Any], found: set[str]) -> None:
    assert mentions_in(message) == found


def test_objects_without_end_mention_nobody() -> None:
    block: dict[str, Any] = {"type": "user", "user_id": "U1"}
    for _ in range(2_000):
        block = {"elements": [block]}
    assert mentions_in({"blocks": [block]}) == frozenset()


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"text": " "}, False),
        ({"text": "", "blocks": [RICH]}, True),
        ({"blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section"}]}]}, False),
        ({"blocks": [{"type": "rich_text", "elements": None}, SECTION]}, True),
        ({"files": [{"id": "F1"}]}, False),
        ({"files": [{"id": "F1", "subtype": "slack_audio"}]}, True),
        ({"attachments": [{"is_share": True}]}, True),
        ({"attachments": [{"from_url": "https://e.example"}]}, False),
        ({"attachments": [{"text": "down"}], "bot_id": "B1"}, True),
    ],
)
def test_a_message_says_something_in_text_blocks_or_speech(
    event: dict[str, Any], said: bool
) -> None:
    body = {"event": {"channel": "C1", "ts": "1.0", **event}}
    assert parse_message(body, team="T1").has_words is said
