"""The rich_text block that Slack adds to a message typed by a person."""

import html
import re

from bot.sandbox.state.values import Json

_TOKEN = re.compile(r"(<[@#!]?[^>\s][^>]*>|:[a-z0-9_+-]+:)")


def rich_text(text: str) -> Json:
    elements = [_element(part) for part in _TOKEN.split(text) if part]
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": "typed", "elements": [section]}


def _element(part: str) -> Json:
    if part.startswith("<@"):
        return {"type": "user", "user_id": part[2:-1].partition("|")[0]}
    if part.startswith("<#"):
        return {"type": "channel", "channel_id": part[2:-1].partition("|")[0]}
    if part.startswith("<!"):
        return {"type": "broadcast", "range": part[2:-1]}
    if part.startswith("<"):
        url, _, label = part[1:-1].partition("|")
        return {"type": "link", "url": html.unescape(url), **({"text": label} if label else {})}
    if _TOKEN.fullmatch(part):
        return {"type": "emoji", "name": part.strip(":")}
    return {"type": "text", "text": html.unescape(part)}
