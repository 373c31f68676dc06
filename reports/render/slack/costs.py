"""Costs: the total in a sentence, and tables by model and by agent."""

from reports.render.block_kit import RUN, Block, button, header, note, period_buttons, section
from reports.render.slack.tables import Cell, Number, table
from reports.views.costs import CostLine, CostView, Spent

SHOWN = 14
"""Lines of a table: two tables have to fit into a message."""


def costs(view: CostView) -> list[Block]:
    total = view.lines[0][1][-1]
    tokens = f" · {total.tokens} tokens" if total.tokens else ""
    if view.total.cached_tokens:
        tokens += f", {total.cached} of them cached"
    change = f" _{total.change}_" if total.change else ""
    blocks = [header(view.title)]
    if view.models or view.before:
        blocks.append(section(f"*{total.cost}*{change}{tokens}"))
    for (by, lines), spent in zip(view.lines, (view.models, view.agents), strict=True):
        rows = [_row(line, each, view.total) for line, each in zip(lines, spent, strict=False)]
        if rows:
            blocks.append(table(f"By {by}", (by, "cost", "share", "tokens"), rows[:SHOWN]).block)
        if (hidden := len(rows) - SHOWN) > 0:
            blocks += note(f"{hidden} cheaper ones: `/trace stats --by {by}` lists all.")
    return [*blocks, *note(view.note), _buttons(view)]


def _buttons(view: CostView) -> Block:
    """Return buttons that show another period, or compare it with the one before."""
    compared = " --compare" if view.before is not None else ""
    other, label = ("", "Do not compare") if compared else (" --compare", "Compare")
    compare = button(label, f"{RUN}_compare", f"cost{other} --since {view.period}")
    buttons = [*period_buttons(f"cost{compared}", view.period), compare]
    return {"type": "actions", "elements": buttons}


def _row(line: CostLine, spent: Spent, total: Spent) -> tuple[Cell, ...]:
    share = spent.cost / total.cost if spent.cost is not None and total.cost else None
    return (
        line.key,
        Number(spent.cost, f"{line.cost} {line.change}".rstrip()),
        Number(share and round(share, 4), line.share),
        Number(spent.input_tokens + spent.output_tokens, line.tokens or "–"),
    )
