"""Build Slack blocks whose text is escaped and within Slack's limits."""

import json
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from reports.formatting import UNKNOWN

Block = dict[str, Any]

SECTION = 2_900
"""Characters; Slack takes 3,000 in a section, and about 13,000 in all of a message's blocks."""

SHOW, SHARE, STOP = "trace_show", "trace_share", "trace_stop"
DIGEST_CHANGE, DIGEST_OFF = "trace_digest_change", "trace_digest_off"
FORGET, RUN, ISSUE = "trace_forget", "trace_run", "trace_issue"
OPEN, RAW, AGAIN = "open_message", "trace_raw", "trace_again"
"""The action ids of buttons. In lists, `_` and the line's number follow `trace_show` and
`trace_stop`, because the action ids of a message must differ. A button of `trace_run` holds a
command that reads, whose answer takes the place of the message, and that of `open_message` a URL,
which Slack opens by itself. A button of `trace_issue` holds a change of an issue; the list of
issues then takes the place of the message."""

ALERT_ACKNOWLEDGE, ALERT_SNOOZE = "trace_acknowledge", "trace_snooze"
ALERT_ADD = "trace_alert"
"""The action ids of an alert's buttons, which hold its rule's id, and of the one that adds one."""

PERIODS = ("24h", "7d", "30d")
"""The periods for which a button shows the same command."""

BUTTON_VALUE = 2_000
COMMAND = 500
"""Characters, as JSON, of a command that each period's button repeats."""
OPTION, OPTION_VALUE = 75, 150
"""Characters of an option's text, as JSON, and of its value."""
MENU = 1_050
"""Characters of a menu's options as JSON: three menus fit into a message beside ten lines."""

PARAGRAPHS = 20
"""More would not fit into a message, whatever they are called."""

NOTE = 600
KEY = 36
PART = 240
"""Characters of a line's text, and of its note: ten lines fit into a message, whatever they say."""


def escape(text: str) -> str:
    """Escape the three characters that have a meaning in Slack's mrkdwn, and no others."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def json_length(value: object) -> int:
    """Return the characters of a value in a message's JSON, in which a quote is two.

    A letter of any language is one, as Slack counts.
    """
    return len(json.dumps(value, ensure_ascii=False)) - (2 if isinstance(value, str) else 0)


def fitting(lines: Iterable[list[Block]], room: int) -> list[list[Block]]:
    """Return the blocks of each of the first lines that fit into *room* characters as JSON."""
    made = list(lines)
    ends = accumulate(json_length(blocks) for blocks in made)
    return made[: sum(end <= room for end in ends)]


def cut(text: str, length: int) -> str:
    """Return the beginning of a text that has at most `length` characters as JSON."""
    if json_length(text) <= length:
        return text
    ends = accumulate(map(json_length, text[:length]))
    return text[: sum(end < length for end in ends)] + "…"


def clipped(text: str, length: int = SECTION) -> str:
    """Cut escaped text as `cut` does, but not within an entity such as `&amp;`."""
    return re.sub(r"&[a-z]{0,4}…$", "…", cut(text, length))


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": clipped(text)}}


def context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": clipped(text)}]}


def note(text: str) -> list[Block]:
    """Return a block with what there is to add, none without text."""
    return [context(clipped(escape(text), NOTE))] if text else []


def paragraphs(title: str, lines: Sequence[str], *, empty: str, command: str) -> list[Block]:
    """Return a paragraph for each line, which a phone shows as well as a desktop.

    `empty` is shown if there is none. `command` lists those that do not fit, in a shell.
    """
    if not lines:
        return [header(title), section(escape(empty))]
    blocks = [header(title), *map(section, lines[:PARAGRAPHS])]
    if (hidden := len(lines) - PARAGRAPHS) > 0:
        blocks.append(context(f"{hidden} more: `tracebot {command}` in a shell lists them."))
    return blocks


def code(rows: Iterable[str]) -> Block:
    """Show rows in a fixed-width font. Back quotes in a row must not end the code block."""
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


def period_buttons(command: str, shown: str) -> list[Block]:
    """Return a button for each period; that of the period *shown* is marked.

    There is none without a command, or if it is too long.
    """
    if not 0 < json_length(command) <= COMMAND:
        return []
    buttons = [button(each, f"{RUN}_{each}", f"{command} --since {each}") for each in PERIODS]
    marked = {"style": "primary"}
    return [
        made | (marked if each == shown else {})
        for each, made in zip(PERIODS, buttons, strict=True)
    ]


def select(action_id: str, options: Sequence[tuple[str, str]], chosen: int) -> Block | None:
    """Return a menu of labels and values with the first options and the chosen one.

    The others are left out if they would take too much of a message. None if a value is too long.
    """
    if any(len(value) > OPTION_VALUE for _, value in options):
        return None
    made = [
        {"text": {"type": "plain_text", "text": cut(label, OPTION) or UNKNOWN}, "value": value}
        for label, value in options
    ]
    sizes = accumulate(json_length(option) + 2 for option in made)
    fit = sum(size <= MENU for size in sizes)
    shown = made[:fit] if chosen < fit else [*made[: fit - 1], made[chosen]]
    return {
        "type": "static_select",
        "action_id": action_id,
        "options": shown,
        "initial_option": made[chosen],
    }


def actions(*elements: Block | None) -> list[Block]:
    """Return a block of the buttons and menus, none without any."""
    shown = [each for each in elements if each is not None]
    return [{"type": "actions", "elements": shown}] if shown else []
