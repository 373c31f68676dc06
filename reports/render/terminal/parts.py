"""The parts that several views consist of: columns, cells, and a table below a title."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reports.render.columns import Column, Line, Part, Table

if TYPE_CHECKING:
    from reports.views.alerts import AlertsView
    from reports.views.budgets import BudgetsView
    from reports.views.failures import FailuresView
    from reports.views.processes import ProcessesView
    from reports.views.records import LogsView, MetricsView

STATUS_STYLES = {
    "ok": "green",
    "error": "red",
    "timeout": "red",
    "abandoned": "red",
    "running": "cyan",
    "cancelled": "yellow",
    "skipped": "grey",
}
"""The style of each status of a span."""


def text_column(name: str = "") -> Column:
    return Column(name, wraps=True)


def number_column(name: str = "") -> Column:
    return Column(name, right=True)


def status(icon: str, status: str) -> Line:
    return [(icon, STATUS_STYLES.get(status, ""))]


def bold(text: str) -> Line:
    return [(text, "bold")]


def note(text: str, style: str) -> list[Part]:
    """Return a paragraph below a blank line; nothing if there is no text."""
    return [[(f"\n{text}", style)]] if text else []


def pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and what they stand for."""
    return Table(
        columns=(Column(), text_column()), rows=[(bold(name), value) for name, value in pairs]
    )


def titled(
    view: AlertsView | BudgetsView | FailuresView | LogsView | MetricsView | ProcessesView,
    *parts: Part,
) -> list[Part]:
    """Return the parts of a list below its title, or the sentence that says that it is empty."""
    return [bold(view.title), "", *parts] if view.lines else [view.empty]
