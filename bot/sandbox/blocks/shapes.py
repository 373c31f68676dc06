"""The shapes of blocks, and the surfaces on which each is allowed."""

from collections.abc import Iterator
from typing import Any, Literal

from bot.sandbox.blocks.checks import (
    Check,
    Shape,
    Violation,
    anything,
    array,
    choice,
    flag,
    kind,
    number,
    string,
)
from bot.sandbox.blocks.elements import (
    ACCESSORY,
    BUTTON,
    CONTEXT,
    CONTEXT_ACTIONS,
    IMAGE,
    INPUTS,
    INTERACTIVE,
    plain,
    text,
)

Surface = Literal["message", "modal", "home"]

BLOCK_ID = {"block_id": string(255)}
MARKDOWN_LIMIT = 12_000
TABLE_CHARACTERS = 20_000
MOST_SERIES = 6
"""Slack's page about charts says 6. Others found that it takes 12, which may end any day."""


def block(
    required: dict[str, Check],
    optional: dict[str, Check] | None = None,
    *,
    either: tuple[str, ...] = (),
    beyond: Check = anything,
) -> Shape:
    return Shape(required, {**BLOCK_ID, **(optional or {})}, either=either, beyond=beyond)


RICH_TEXT_PARTS = {"elements": array(anything, 1000, least=0)}
RICH_TEXT = {
    "rich_text_section": Shape(RICH_TEXT_PARTS),
    "rich_text_list": Shape(
        {**RICH_TEXT_PARTS, "style": choice("bullet", "ordered")},
        {"indent": number(0, 8), "offset": number(0), "border": number(0, 1)},
    ),
    "rich_text_preformatted": Shape(
        RICH_TEXT_PARTS, {"border": number(0, 1), "language": string(255)}
    ),
    "rich_text_quote": Shape(RICH_TEXT_PARTS, {"border": number(0, 1)}),
}
RICH_TEXT_BLOCK = block({"elements": array(kind(RICH_TEXT), 1000, least=0)})

RAW_TEXT = Shape({"text": string(20_000)}, {"emoji": flag})
CELLS = {"raw_text": RAW_TEXT, "rich_text": RICH_TEXT_BLOCK}
DATA_CELLS = {**CELLS, "raw_number": Shape({"value": number(), "text": string(20_000)})}

COLUMN = Shape(optional={"align": choice("left", "center", "right"), "is_wrapped": flag})


def _nullable_column(value: Any, at: str) -> Iterator[Violation]:
    if value is not None:
        yield from COLUMN(value, at)


def characters(value: Any) -> int:
    """Count the characters of all `text` fields, at any depth."""
    if isinstance(value, list):
        return sum(characters(each) for each in value)
    if not isinstance(value, dict):
        return 0
    own = value.get("text")
    rest = [each for name, each in value.items() if name != "text" or not isinstance(each, str)]
    return (len(own) if isinstance(own, str) else 0) + characters(rest)


def _even_rows(table: Any, at: str) -> Iterator[Violation]:
    rows = [row for row in table.get("rows", []) if isinstance(row, list)]
    if len({len(row) for row in rows}) > 1:
        yield Violation(f"{at}/rows", "all rows must have the same number of cells")
    header = rows[0] if rows else []
    if any(isinstance(cell, dict) and cell.get("type") == "rich_text" for cell in header):
        yield Violation(f"{at}/rows/0", "header cells must not be rich_text")
    if characters(rows) > TABLE_CHARACTERS:
        yield Violation(f"{at}/rows", f"no more than {TABLE_CHARACTERS} characters allowed")


POINT = Shape({"label": string(20), "value": number()})
SERIES = Shape({"name": string(20), "data": array(POINT, 20)})
AXIS = Shape({"categories": array(string(20), 20)}, {"x_label": string(50), "y_label": string(50)})
SEGMENT = Shape({"label": string(20), "value": number(0, above=True)})


def _categories_covered(chart: Any, at: str) -> Iterator[Violation]:
    categories = chart.get("axis_config", {}).get("categories", [])
    if len(set(map(str, categories))) < len(categories):
        yield Violation(f"{at}/axis_config/categories", "must not have a category twice")
    for index, series in enumerate(chart.get("series", [])):
        labels = [point.get("label") for point in series.get("data", [])]
        if sorted(map(str, labels)) != sorted(map(str, categories)):
            pointer = f"{at}/series/{index}/data"
            yield Violation(pointer, "must have exactly one point for every category")


AXIS_CHART = Shape(
    {"series": array(SERIES, MOST_SERIES), "axis_config": AXIS}, beyond=_categories_covered
)
CHARTS = {
    "bar": AXIS_CHART,
    "line": AXIS_CHART,
    "area": AXIS_CHART,
    "pie": Shape({"segments": array(SEGMENT, 6)}),
}

TASK = {
    "task_id": string(255),
    "title": string(255),
    "status": choice("pending", "in_progress", "complete", "error"),
}
TASK_MORE: dict[str, Check] = {
    "details": kind({"rich_text": RICH_TEXT_BLOCK}),
    "output": kind({"rich_text": RICH_TEXT_BLOCK}),
    "sources": array(anything, 50),
}

PLAN_TASK = Shape(TASK, {**TASK_MORE, **BLOCK_ID, "type": choice("task_card")})
"""Slack's own client library sends them with their type, its examples leave it out."""

SHAPES: dict[str, Shape] = {
    "actions": block({"elements": array(kind(INTERACTIVE), 25)}),
    "context": block({"elements": array(kind(CONTEXT), 10)}),
    "context_actions": block({"elements": array(kind(CONTEXT_ACTIONS), 5)}),
    "data_table": block(
        {"caption": string(3000), "rows": array(array(kind(DATA_CELLS), 20), 101, least=2)},
        {"page_size": number(1, 100), "row_header_column_index": number(0, 19)},
        beyond=_even_rows,
    ),
    "data_visualization": block({"title": string(50), "chart": kind(CHARTS)}),
    "divider": block({}),
    "header": block({"text": plain(150)}),
    "image": block(
        {"alt_text": string(2000)},
        {"image_url": string(3000), "slack_file": anything, "title": plain(2000)},
        either=("image_url", "slack_file"),
    ),
    "input": block(
        {"label": plain(2000), "element": kind(INPUTS)},
        {"hint": plain(2000), "optional": flag, "dispatch_action": flag},
    ),
    "markdown": block({"text": string(MARKDOWN_LIMIT)}),
    "plan": block({"title": string(255), "tasks": array(PLAN_TASK, 50)}),
    "rich_text": RICH_TEXT_BLOCK,
    "section": block(
        {},
        {
            "text": text(3000),
            "fields": array(text(2000), 10),
            "accessory": kind(ACCESSORY),
            "expand": flag,
        },
        either=("text", "fields"),
    ),
    "table": block(
        {"rows": array(array(kind(CELLS), 20), 100)},
        {"column_settings": array(_nullable_column, 20)},
    ),
    "task_card": block(TASK, TASK_MORE),
}

CARD = block(
    {},
    {
        "hero_image": kind({"image": IMAGE}),
        "icon": kind({"image": IMAGE}),
        "title": text(150),
        "subtitle": text(150),
        "body": text(200),
        "actions": array(kind({"button": BUTTON}), 3),
    },
    either=("hero_image", "title", "body", "actions"),
)
SHAPES["card"] = CARD
SHAPES["carousel"] = block({"elements": array(kind({"card": CARD}), 10)})
SHAPES["alert"] = block(
    {"text": text(200)}, {"level": choice("default", "info", "warning", "error", "success")}
)


def _collapsed(container: Any, at: str) -> Iterator[Violation]:
    collapsible = container.get("is_collapsible", False)
    if container.get("default_collapsed") and not collapsible:
        yield Violation(f"{at}/default_collapsed", "requires is_collapsible")
    if container.get("has_header_divider") and collapsible:
        yield Violation(f"{at}/has_header_divider", "not allowed with is_collapsible")


CONTAINED = ("actions", "context", "divider", "header", "image", "rich_text", "section", "table")
SHAPES["container"] = block(
    {"child_blocks": array(kind({name: SHAPES[name] for name in CONTAINED}), 10)},
    {
        "title": plain(150),
        "rich_text_title": kind({"rich_text": RICH_TEXT_BLOCK}),
        "subtitle": text(150),
        "icon": kind({"image": IMAGE}),
        "width": choice("narrow", "standard", "wide", "full"),
        "is_collapsible": flag,
        "default_collapsed": flag,
        "has_header_divider": flag,
    },
    either=("title", "rich_text_title"),
    beyond=_collapsed,
)

EVERYWHERE = frozenset(
    {"actions", "card", "context", "divider", "header", "image", "input", "rich_text", "section"}
)
CHARTED = frozenset({"data_table", "data_visualization", "table"})
ALLOWED: dict[Surface, frozenset[str]] = {
    "message": frozenset(SHAPES) - {"alert"},
    "home": EVERYWHERE | CHARTED | {"carousel"},
    "modal": EVERYWHERE | {"alert"},
}
MOST_BLOCKS: dict[Surface, int] = {"message": 50, "modal": 100, "home": 100}
