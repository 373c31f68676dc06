"""Say with plain blocks what tables, charts and cards say, in case Slack refuses those."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from reports.formatting import UNKNOWN
from reports.render.block_kit import SECTION, Block, code, context, escape, section

NARROW = 38
"""Characters of a row that a phone shows in one line of code."""


def plain(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks with text in place of those that Slack may refuse."""
    return [each for block in blocks for each in _plain(block)]


def plainer_messages(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message with blocks in its plainer forms: with plain blocks, and with words alone."""
    if blocks := message.get("blocks"):
        if (plainer := plain(blocks)) != blocks:
            yield {**message, "blocks": plainer}
        words = "\n".join(_words(plainer)) or message.get("text")
        yield {**message, "text": words, "blocks": []}


def _words(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield the texts of blocks, which are mrkdwn or plain. Buttons have none."""
    for block in blocks:
        for each in (block.get("text"), *block.get("fields", ()), *block.get("elements", ())):
            if isinstance(each, Mapping) and isinstance(each.get("text"), str):
                yield each["text"]


def _plain(block: Block) -> Iterator[Block]:
    match block["type"]:
        case "data_table":
            yield from _table(
                block["caption"], [[cell["text"] for cell in row] for row in block["rows"]]
            )
        case "data_visualization":
            yield from _chart(block)
        case "card":
            yield from _card(block)
        case "carousel":
            yield from plain(block["elements"])
        case "container":
            yield section(f"*{escape(block['title']['text'])}*")
            yield from plain(block["child_blocks"])
        case _:
            yield block


def _chart(block: Block) -> Iterator[Block]:
    series = block["chart"]["series"]
    header = ["", *(each["name"] for each in series)]
    values = [[f"{point['value']:,}" for point in each["data"]] for each in series]
    labels = block["chart"]["axis_config"]["categories"]
    yield from _table(block["title"], [header, *map(list, zip(labels, *values, strict=True))])


def _card(block: Block) -> Iterator[Block]:
    parts = [block[name]["text"] for name in ("title", "subtitle", "body") if name in block]
    if parts:
        yield section("\n".join(parts))
    if buttons := block.get("actions"):
        yield {"type": "actions", "elements": buttons}


def _table(caption: str, rows: list[list[str]]) -> Iterator[Block]:
    """Say the rows as columns if these are narrow, else each with the names of its values."""
    yield context(f"*{escape(caption)}*")
    lines = aligned(rows)
    show: Callable[[Iterable[str]], Block] = code
    if max(map(len, lines)) > NARROW:
        lines, show = _named(rows), _text
    part: list[str] = []
    for line in lines:
        if part and sum(len(escape(each)) + 1 for each in [*part, line]) > SECTION - 6:
            yield show(part)
            part = []
        part.append(line)
    yield show(part)


def _text(lines: Iterable[str]) -> Block:
    return section("\n".join(lines))


def _named(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return `*claude*  turns 10 · failed 0` for each row below the first, which has the names."""
    (_, *names), *others = rows
    return [
        f"*{escape(key)}*  "
        + " · ".join(
            escape(f"{name} {value}")
            for name, value in zip(names, values, strict=True)
            if value != UNKNOWN
        )
        for key, *values in others
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows as columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
