"""Find whom a message notifies."""

import re
from collections.abc import Iterator
from typing import Any

from bot.sandbox.state.values import Json

ENTITY = re.compile(
    r"<\s*(?:!\s*(channel|here|everyone|group|subteam\^\w+)|@\s*([UW][A-Z0-9]+))\s*(?:\|[^>]*)?>",
    re.IGNORECASE,
)
"""A mention as Slack stores it. Letters and spaces are taken more broadly than Slack documents."""

BARE = re.compile(
    r"(?<![A-Za-z0-9@`])(?<!\w_)@(channel|here|everyone)(?![A-Za-z0-9]|_\w)", re.IGNORECASE
)
"""A name in Markdown. Slack does not say what it does with it, so assume the worst."""

CODE = re.compile(r"^ *(```+|~~~+)[^\n]*\n.*?(?:^ *\1|\Z)|(`+)[^`].*?\2", re.DOTALL | re.MULTILINE)


def pings(text: str, blocks: list[Json]) -> set[str]:
    """Return the users, groups and `channel`, `here` or `everyone` that a message notifies.

    Code protects nothing: Slack notifies `<!channel>` in a code block, too.
    """
    return {name if name[0] in "UW" else name.lower() for name in _found(text, blocks)}


def _found(text: str, blocks: list[Json]) -> Iterator[str]:
    yield from _entities(text)
    for block in blocks:
        yield from _in(block)
        if block["type"] == "markdown":
            yield from BARE.findall(CODE.sub("", block["text"]))


def _in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _in(each)
    elif isinstance(value, dict):
        if value.get("type") == "user":
            yield value["user_id"]
        elif value.get("type") == "broadcast":
            yield value["range"]
        elif value.get("type") in ("mrkdwn", "markdown"):
            yield from _entities(value["text"])
        else:
            yield from _in(list(value.values()))


def _entities(text: str) -> Iterator[str]:
    for everyone, user in ENTITY.findall(text):
        yield everyone or user.upper()
