"""Slack's cursors: opaque, and valid only for the list that they came from."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from bot.sandbox.state.errors import Refusal

Item = TypeVar("Item")


def page(items: Sequence[Item], *, cursor: str | None, limit: int) -> tuple[list[Item], str]:
    """Return one page, and the cursor of the next page or ""."""
    start = _start(cursor) if cursor else 0
    rest = start + limit
    shown = list(items[start:rest])
    if rest >= len(items):
        return shown, ""
    return shown, base64.b64encode(f"next:{rest}".encode()).decode()


def _start(cursor: str) -> int:
    try:
        word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word != "next":
            raise ValueError(cursor)
        return int(number)
    except (binascii.Error, ValueError) as failure:
        raise Refusal("invalid_cursor") from failure
