"""Budgets: one paragraph each."""

from reports.render.block_kit import KEY, Block, clipped, escape, paragraphs
from reports.views.budgets import BudgetLine, BudgetsView

ICONS = {
    "ok": ":large_green_circle:",
    "warning": ":large_yellow_circle:",
    "suspended": ":red_circle:",
    "refused": ":no_entry:",
}


def budgets(view: BudgetsView) -> list[Block]:
    lines = [_line(line) for line in view.lines]
    return paragraphs(view.title, lines, empty=view.empty, command="budget")


def _line(line: BudgetLine) -> str:
    name = clipped(escape(line.name), KEY)
    return (
        f"{ICONS[line.status]} *{name}* · {line.limit} · `{line.id}`\n"
        f"{line.bar} {line.share} · {line.spent} · {line.forecast}"
    )
