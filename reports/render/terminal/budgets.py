"""Show budgets, and how much of each is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.render.columns import Column, Part, Table
from reports.render.terminal.parts import bold, number_column, text_column, titled

if TYPE_CHECKING:
    from reports.views.budgets import BudgetsView

STYLES = {"ok": "green", "warning": "yellow", "suspended": "red", "refused": "red"}


def budgets(view: BudgetsView) -> list[Part]:
    table = Table(
        columns=(
            *(Column("id"), text_column("of"), text_column("limit"), number_column("spent")),
            *(number_column("share"), Column(), text_column("forecast")),
        ),
        rows=[
            (
                bold(line.id),
                *(line.name, line.limit, line.spent, line.share),
                [(line.bar, STYLES[line.status])],
                line.forecast,
            )
            for line in view.lines
        ],
    )
    return titled(view, table)
