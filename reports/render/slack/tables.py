"""Native tables and charts of Slack, within its limits.

See https://docs.slack.dev/reference/block-kit/blocks. Slack may refuse them, and a modal takes
none: `reports.render.slack.plain` says the same without them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports.formatting import UNKNOWN, plain, shortened
from reports.render.block_kit import Block, cut, escape, json_length

TABLE_SIZE = 9_000
"""Characters of a table as JSON. All blocks of a message may have about 13,000."""

CELL, LABEL, TITLE = 60, 20, 50
"""Characters of a cell as JSON, which we choose, and of a label and a title of a chart, as Slack
takes."""
ROWS = 100
PAGE_SIZE = 10
"""Rows that Slack shows at once; it adds arrows to the others."""
POINTS, SERIES = 20, 6
"""How many of each Slack draws in one chart."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, by which a column is sorted, and the text that shows it."""

    value: float | None
    text: str


Cell = str | Number


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and how many of its rows did not fit."""

    block: Block
    hidden: int


def table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    last: Sequence[Cell] | None = None,
    size: int = TABLE_SIZE,
) -> Table:
    """Return a table of the first rows that fit into *size* characters, and the *last* row.

    Its first column names the rows. There must be a row.
    """
    made = [_row(columns)]
    end = [_row(last)] if last is not None else []
    left = size - json_length(made) - json_length(end)
    for row in map(_row, rows[: ROWS - len(end)]):
        # Escaped, as the plain blocks that say the same without a table must fit as well.
        left -= len(escape(json.dumps(row, ensure_ascii=False)))
        if left < 0:
            break
        made.append(row)
    block = {
        "type": "data_table",
        "caption": caption,
        "rows": [*made, *end],
        "page_size": PAGE_SIZE,
        "row_header_column_index": 0,
    }
    return Table(block, len(rows) - (len(made) - 1))


def _row(cells: Sequence[Cell]) -> list[Block]:
    return [_cell(cell) for cell in cells]


def _cell(cell: Cell) -> Block:
    if isinstance(cell, Number) and cell.value is not None:
        return {"type": "raw_number", "value": cell.value, "text": cell.text}
    text = cell.text if isinstance(cell, Number) else cell
    return {"type": "raw_text", "text": cut(plain(text), CELL) or UNKNOWN}


def chart(
    title: str,
    kind: Literal["bar", "line", "area"],
    categories: Sequence[str],
    series: Mapping[str, Sequence[float]],
) -> Block:
    """Return a chart of the newest categories, whose names have 20 characters at most.

    Each series has a value for every category.
    """
    labels = _distinct(shortened(each, LABEL) for each in categories[-POINTS:])
    drawn = [
        {
            "name": shortened(name, LABEL),
            "data": [
                {"label": label, "value": value}
                for label, value in zip(labels, values[-POINTS:], strict=True)
            ],
        }
        for name, values in list(series.items())[:SERIES]
    ]
    return {
        "type": "data_visualization",
        "title": shortened(title, TITLE),
        "chart": {"type": kind, "series": drawn, "axis_config": {"categories": labels}},
    }


def _distinct(labels: Iterable[str]) -> list[str]:
    """Mark what comes again, such as an hour when summer time ends."""
    distinct: list[str] = []
    for label in labels:
        marked = (f"{label[: LABEL - stars]}{'*' * stars}" for stars in range(POINTS))
        distinct.append(next(each for each in marked if each not in distinct))
    return distinct
