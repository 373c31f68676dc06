"""Markdown as Slack stores it: as blocks of other types, which an app reads."""

from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox

FORMATTED = """\
# Findings

The *pool* is **too small**, see [`docs`](https://x.example/a).

| pod | state |
| --- | --- |
| `a` | ok |

---
- one
  - two

```py
code
```
> so it is
"""


def _text(text: str, *styles: str) -> dict[str, Any]:
    style = {"style": dict.fromkeys(styles, True)} if styles else {}
    return {"type": "text", "text": text, **style}


def test_a_heading_a_rule_and_a_table_are_blocks_and_all_else_is_rich_text(
    sandbox: Sandbox, web: WebClient, general: Channel
) -> None:
    sent = {"type": "markdown", "text": FORMATTED, "block_id": "m"}
    below = {"type": "divider", "block_id": "end"}
    web.chat_postMessage(channel=general.id, text="x", blocks=[sent, below])
    header, words, table, rule, more, end = _read(web, general)
    assert header["text"]["text"] == "Findings"
    assert words["elements"][0]["elements"][:5] == [
        _text("The "),
        _text("pool", "italic"),
        _text(" is "),
        _text("too small", "bold"),
        _text(", see "),
    ]
    assert words["elements"][0]["elements"][5]["url"] == "https://x.example/a"
    assert [cell["text"] for cell in table["rows"][0]] == ["pod", "state"]
    assert table["rows"][1][0]["elements"][0]["elements"] == [_text("a", "code")]
    assert (rule["type"], end) == ("divider", below)
    kinds = [(part["type"], part.get("indent")) for part in more["elements"]]
    assert kinds == [
        ("rich_text_list", 0),
        ("rich_text_list", 1),
        ("rich_text_preformatted", None),
        ("rich_text_quote", None),
    ]
    assert sandbox.messages(general)[-1].blocks == [sent, below]


@pytest.mark.parametrize(
    "text",
    [
        *("- ", "#", "- ```\n  in it\n  ```", "> 1. > x", "<b>\n", "![i](u)", "\\", "|a|\n|-|"),
        *("> ---", "- a\n\n  ---", "- > # x"),
    ],
)
def test_any_markdown_can_be_read(web: WebClient, general: Channel, text: str) -> None:
    web.chat_postMessage(channel=general.id, text="x", blocks=[{"type": "markdown", "text": text}])
    assert all(block["type"] != "markdown" for block in _read(web, general))


def test_a_table_in_a_quotation_keeps_its_words(web: WebClient, general: Channel) -> None:
    text = "> | a | b |\n> |---|---|\n> | c | `d` |"
    web.chat_postMessage(channel=general.id, text="x", blocks=[{"type": "markdown", "text": text}])
    (block,) = _read(web, general)
    said = [part["elements"][0]["text"] for part in block["elements"]]
    assert said == ["a", "b", "c", "d"]


def _read(web: WebClient, channel: Channel) -> list[dict[str, Any]]:
    (message,) = web.conversations_history(channel=channel.id, limit=1)["messages"]
    blocks: list[dict[str, Any]] = message.get("blocks", [])
    return blocks
