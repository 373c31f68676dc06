"""Alerts and their state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.render.columns import Column, Part, Table
from reports.render.terminal.parts import bold, number_column, text_column, titled

if TYPE_CHECKING:
    from reports.views.alerts import AlertsView, AlertView

STYLES = {"ok": "green", "warning": "yellow", "alert": "red"}


def alerts(view: AlertsView) -> list[Part]:
    table = Table(
        columns=(
            *(Column(), Column("alert"), text_column("what"), number_column("now")),
            *(Column("changed"), text_column("rule"), text_column("channel"), text_column()),
        ),
        rows=[
            (
                [(line.icon, STYLES.get(line.level, "grey"))],
                bold(line.id),
                *(line.what, line.value or line.level, line.since, line.rule, line.place),
                line.note,
            )
            for line in view.lines
        ],
    )
    return titled(view, table)


def alert(view: AlertView) -> list[Part]:
    return [bold(view.title), view.facts]
