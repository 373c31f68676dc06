"""Issues: failures that are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.render.columns import Column, Line, Part, Table
from reports.render.terminal.parts import (
    bold,
    note,
    number_column,
    text_column,
    titled,
)

if TYPE_CHECKING:
    from reports.views.failures import FailureLine, FailuresView


def failures(view: FailuresView) -> list[Part]:
    table = Table(
        columns=(
            *(Column("issue"), text_column("error"), text_column("agent"), number_column("traces")),
            *(Column("when"), Column("latest"), Column("trace"), text_column("what")),
        ),
        rows=[
            (
                bold(line.short_id),
                [(line.error_type, "red")],
                *(line.agent or "–", line.traces, line.chart, line.when),
                bold(line.short_trace_id),
                _what(line),
            )
            for line in view.lines
        ],
    )
    return titled(view, table, *note(view.note, "grey"))


def _what(line: FailureLine) -> Line:
    return [
        (f"{line.state}: " if line.state in ("new", "returned") else "", "red"),
        (line.message, ""),
        (f"  {line.changed or line.where}", "grey"),
    ]
