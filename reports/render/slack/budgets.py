"""Budgets: one paragraph each, which a phone shows as well as a desktop."""

from reports.render.block_kit import KEY, Block, clipped, context, escape, header, section
from reports.views.budgets import BudgetLine, BudgetsView

ICONS = {
    "ok": ":large_green_circle:",
    "warning": ":large_yellow_circle:",
    "suspended": ":red_circle:",
    "refused": ":no_entry:",
}

SHOWN = 20
"""More would not fit into a message, whatever they are called."""


def budgets(view: BudgetsView) -> list[Block]:
    if not view.lines:
        return [header(view.title), section(escape(view.empty))]
    blocks = [header(view.title), *(section(_line(line)) for line in view.lines[:SHOWN])]
    if (hidden := len(view.lines) - SHOWN) > 0:
        blocks.append(context(f"{hidden} more: `tracebot budget` in a shell lists them."))
    return blocks


def _line(line: BudgetLine) -> str:
    name = clipped(escape(line.name), KEY)
    return (
        f"{ICONS[line.status]} *{name}* · {line.limit} · `{line.id}`\n"
        f"{line.bar} {line.share} · {line.spent} · {line.forecast}"
    )
