"""Costs by model and by agent, as tables that can be sorted."""

from reports.render.block_kit import Block, header, note
from reports.render.slack.tables import Cell, Number, table
from reports.views.costs import CostLine, CostView, Spent

SHOWN = 14
"""Lines of a table beside the total: two tables have to fit into a message."""


def costs(view: CostView) -> list[Block]:
    blocks = [header(view.title)]
    for (by, lines), spent in zip(view.lines, (view.models, view.agents), strict=True):
        *rows, total = map(_row, lines, (*spent, view.total))
        columns = (by, "tokens", "cost", "share")
        blocks.append(table(f"Cost by {by}", columns, rows[:SHOWN], last=total).block)
    return blocks + note(view.note)


def _row(line: CostLine, spent: Spent) -> tuple[Cell, ...]:
    return (
        line.key,
        Number(spent.input_tokens + spent.output_tokens, line.tokens or "–"),
        Number(spent.cost, line.cost),
        line.share,
    )
