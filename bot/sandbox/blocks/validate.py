"""Whether Slack would take these blocks, and if not, what it would say."""

from collections.abc import Iterable, Iterator
from typing import Any

from bot.sandbox.blocks.checks import Problem, array, kind
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


def problems(blocks: list[Json], surface: Surface) -> list[Problem]:
    """All that is wrong with them; an empty list means that Slack takes them."""
    shapes = {name: SHAPES[name] for name in ALLOWED[surface]}
    found = list(array(kind(shapes), MOST_BLOCKS[surface], least=0)(blocks, ""))
    if found:
        return found
    return [
        *_totals(blocks),
        *_repeated("block_id", _block_ids(blocks)),
        *_repeated("action_id", _action_ids(blocks, "")),
    ]


def _totals(blocks: list[Json]) -> Iterator[Problem]:
    """What holds for the message, not for one block."""
    kinds = [block["type"] for block in blocks]
    if kinds.count("data_visualization") > MOST_CHARTS:
        yield Problem("", f"no more than {MOST_CHARTS} data_visualization blocks allowed")
    if kinds.count("table") > MOST_TABLES:
        yield Problem("", "only_one_table_allowed")
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if markdown > MARKDOWN_LIMIT:
        yield Problem("", f"markdown must be less than {MARKDOWN_LIMIT + 1} characters together")
    if characters([block for block in blocks if block["type"] == "data_table"]) > TABLE_CHARACTERS:
        yield Problem("", f"data_tables: no more than {TABLE_CHARACTERS} characters together")


def _repeated(name: str, places: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for pointer, id in places:
        if id in seen:
            yield Problem(pointer, f'`{name}` "{id}" already exists')
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
