"""Log lines, and metrics with their course."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.formatting import sparkline
from reports.render.columns import Column, Part, Table
from reports.render.terminal.parts import note, number_column, text_column, titled

if TYPE_CHECKING:
    from reports.views.records import LogsView, MetricsView

LEVEL_STYLES = {"critical": "red", "error": "red", "warning": "yellow", "debug": "grey"}


def logs(view: LogsView) -> list[Part]:
    own = () if view.trace_id else (Column("trace"),)
    table = Table(
        columns=(Column(), Column("when"), *own, text_column("message"), text_column("facts")),
        rows=[
            (
                [(line.icon, LEVEL_STYLES.get(line.level, ""))],
                line.when,
                *(() if view.trace_id else (line.trace,)),
                [(line.message, LEVEL_STYLES.get(line.level, ""))],
                [(line.facts, "grey")],
            )
            for line in view.lines
        ],
    )
    return titled(view, table)


def metrics(view: MetricsView) -> list[Part]:
    table = Table(
        columns=(
            text_column("labels" if view.name else "metric"),
            *map(number_column, ("last", "count", "least", "mean", "most")),
            Column("when"),
        ),
        rows=[
            (line.key, line.last, line.count, line.least, line.mean, line.most, line.when)
            for line in view.lines
        ],
    )
    return titled(view, *_course(view), table, *note(view.note, "grey"))


def _course(view: MetricsView) -> list[Part]:
    """Draw the mean over time."""
    if len(view.buckets) < 2:
        return []
    line = sparkline([bucket.mean for bucket in view.buckets])
    period = f"{view.buckets[0].label} to {view.buckets[-1].label}"
    return [[(line, "cyan")], [(period, "grey")], ""]
