"""Show Slack blocks as lines of text, for the demo in a terminal."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reports.render.slack.plain import plain

EMOJI = {
    ":white_check_mark:": "✅",
    ":x:": "❌",
    ":zzz:": "💤",
    ":hourglass_flowing_sand:": "⏳",
    ":alarm_clock:": "⏰",
    ":ghost:": "👻",
    ":no_entry_sign:": "🚫",
    ":octagonal_sign:": "🛑",
}
MARKS = tuple(
    re.compile(rf"(?<!\w){mark}(\S(?:[^\n]*?\S)??){mark}(?!\w)") for mark in (r"\*", "_", "`")
)
"""The shortest texts between marks of bold, italics and code."""


def block_text(blocks: Sequence[dict[str, Any]], *, names: Mapping[str, str]) -> str:
    """Return the text of blocks, with buttons in brackets.

    `names` maps ids of users and channels to the names that replace them.
    """
    text = "\n".join(filter(None, (_block(block) for block in plain(blocks))))
    for id_, name in names.items():
        text = text.replace(id_, name)
    return text


def _block(block: dict[str, Any]) -> str:
    if block["type"] == "actions":
        return "  ".join(_button(element) for element in block["elements"])
    if block["type"] == "context":
        return " ".join(_mrkdwn(element.get("text", "")) for element in block["elements"])
    text = block.get("text", "")
    said = _mrkdwn(text if isinstance(text, str) else text["text"])
    if block["type"] == "header":
        return f"{said}\n{'─' * len(said)}"
    accessory = block.get("accessory")
    first, newline, rest = said.partition("\n")
    return f"{first}  {_button(accessory)}{newline}{rest}" if accessory else said


def _button(element: dict[str, Any]) -> str:
    if "options" in element:
        return f"[{element['initial_option']['text']['text']} ▾]"
    return f"[{element['text']['text']}]"


def _mrkdwn(text: str) -> str:
    for name, sign in EMOJI.items():
        text = text.replace(name, sign)
    if "```" not in text:
        for mark in MARKS:
            text = mark.sub(r"\1", text)
    plain = re.sub(r"<#(\w+)(?:\|([^>]*))?>", lambda m: f"#{m.group(2) or m.group(1)}", text)
    plain = re.sub(r"<https?://[^|>]*\|([^>]*)>", r"\1", plain).replace("```", "")
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").rstrip()
