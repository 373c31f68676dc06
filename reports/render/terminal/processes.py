"""Show the processes of a bot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.render.columns import Column, Part, Table
from reports.render.terminal.parts import bold, number_column, text_column, titled

if TYPE_CHECKING:
    from reports.views.processes import ProcessesView

STYLES = {"connected": "green", "not connected": "yellow", "stopped": "grey", "gone": "red"}


def processes(view: ProcessesView) -> list[Part]:
    table = Table(
        columns=(
            *(text_column("host"), number_column("pid"), Column("version"), text_column("Slack")),
            *(Column("started"), Column("seen"), text_column("does")),
        ),
        rows=[
            (
                *(bold(line.host), line.pid, line.version),
                [(line.slack, STYLES[line.state])],
                *(line.since, line.seen, line.doing),
            )
            for line in view.lines
        ],
    )
    return titled(view, table)
