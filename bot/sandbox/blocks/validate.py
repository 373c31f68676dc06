"""Check a list of blocks as Slack does."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from bot.sandbox.blocks.checks import Violation, array, kind
from bot.sandbox.blocks.shapes import (
    ALLOWED,
    MARKDOWN_LIMIT,
    MOST_BLOCKS,
    SHAPES,
    TABLE_CHARACTERS,
    Surface,
    characters,
)
from bot.sandbox.state.values import Json

MOST_CHARTS = 2
MOST_TABLES = 1

FENCED = re.compile(r"^ *(```+|~~~+)[^\n]*\n.*?(?:^ *\1|\Z)", re.DOTALL | re.MULTILINE)
OWN_BLOCK = re.compile(r" {0,3}(?:#{1,6}\s|([-*_])(?: *\1){2,} *$|\|?(?: *:?-+:? *\|)+[ :|-]*$)")
"""A heading, a rule, or the line below the head of a table."""


def violations(blocks: list[Json], surface: Surface) -> list[Violation]:
    """Return every violation; an empty list means that Slack accepts the blocks."""
    shapes = {name: SHAPES[name] for name in ALLOWED[surface]}
    found = list(array(kind(shapes), MOST_BLOCKS[surface], least=0)(blocks, ""))
    if found:
        return found
    return [
        *_totals(blocks),
        *_repeated("block_id", _block_ids(blocks)),
        *_repeated("action_id", _action_ids(blocks, "")),
    ]


def _totals(blocks: list[Json]) -> Iterator[Violation]:
    """Check the limits of the whole message, across its blocks."""
    kinds = [block["type"] for block in blocks]
    if kinds.count("data_visualization") > MOST_CHARTS:
        yield Violation("", f"no more than {MOST_CHARTS} data_visualization blocks allowed")
    if kinds.count("table") > MOST_TABLES:
        yield Violation("", "only_one_table_allowed")
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if markdown > MARKDOWN_LIMIT:
        yield Violation("", f"markdown must be less than {MARKDOWN_LIMIT + 1} characters together")
    shown = sum(_shown(block) for block in blocks)
    if shown > MOST_BLOCKS["message"] and markdown:
        yield Violation("", f"no more than {MOST_BLOCKS['message']} items allowed")
    if characters([block for block in blocks if block["type"] == "data_table"]) > TABLE_CHARACTERS:
        yield Violation("", f"data_tables: no more than {TABLE_CHARACTERS} characters together")


def _shown(block: Json) -> int:
    """Count the blocks that Slack makes of one: a heading, a rule or a table is a block by itself.

    Others measured that these count towards the limit of a message.
    """
    if block["type"] != "markdown":
        return 1
    text = FENCED.sub("", block["text"])
    return 1 + sum(2 for line in text.split("\n") if OWN_BLOCK.match(line))


def _repeated(name: str, places: Iterable[tuple[str, str]]) -> Iterator[Violation]:
    seen: set[str] = set()
    for pointer, id in places:
        if id in seen:
            yield Violation(pointer, f'`{name}` "{id}" already exists')
        seen.add(id)


def _block_ids(blocks: list[Json]) -> Iterator[tuple[str, str]]:
    for index, block in enumerate(blocks):
        if "block_id" in block:
            yield f"/{index}/block_id", block["block_id"]


def _action_ids(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _action_ids(each, f"{at}/{index}")
    elif isinstance(value, dict):
        if "action_id" in value:
            yield f"{at}/action_id", value["action_id"]
        for name, each in value.items():
            yield from _action_ids(each, f"{at}/{name}")
