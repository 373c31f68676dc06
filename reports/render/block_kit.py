"""The parts that Slack messages are built of: escaped, cut to Slack's limits, and buttons."""

import re
from collections.abc import Iterable
from typing import Any

Block = dict[str, Any]

SECTION = 2_900
"""Characters; Slack takes 3,000 in a section, and about 13,000 in all of a message's blocks."""

SHOW, NEXT, SHARE, STOP = "trace_show", "trace_next", "trace_share", "trace_stop"
"""The buttons' action ids; `trace_show` and `trace_stop` may be followed by a line's place."""


def escape(text: str) -> str:
    """Exactly the three characters that Slack's mrkdwn takes for its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clipped(text: str, length: int = SECTION) -> str:
    """Escaped text of at most `length` characters, not cut within an `&amp;`."""
    if len(text) <= length:
        return text
    return re.sub(r"&[a-z]{0,4}$", "", text[: length - 1]) + "…"


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": clipped(text)}}


def context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": clipped(text)}]}


def code(rows: Iterable[str]) -> Block:
    """Rows in columns. Only the rows' own back quotes could end the block early."""
    text = escape("\n".join(rows).replace("```", "'''"))
    return section(f"```{clipped(text, SECTION - 6)}```")


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text[:150], "emoji": False}}


def button(label: str, action_id: str, value: str) -> Block:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": label},
        "action_id": action_id,
        "value": value,
    }
