"""Render a view as text with aligned columns and bars, in colour for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reports.formatting import visible
from reports.render.columns import Part, layout

if TYPE_CHECKING:
    from reports.views.trace_list import TraceListView
    from reports.views.views import View


def render(
    view: View, *, width: int | None = 100, colour: bool = False, encoding: str | None = None
) -> str:
    """Return lines of at most `width` columns, with escape codes only if `colour` is set.

    Without a width, nothing is wrapped. With an `encoding`, all characters are of it.
    """
    return layout(_parts(_visible(view)), width=width, colour=colour, encoding=encoding)


def render_more(
    view: TraceListView, *, width: int | None, colour: bool, encoding: str | None
) -> str:
    """Return the rows of a list that goes on with another, without the names of columns."""
    from reports.render.terminal.trace_list import traces

    rows = replace(traces(_visible(view.lines)), headed=False)
    return layout([rows], width=width, colour=colour, encoding=encoding)


def _parts(view: Any) -> Iterable[Part]:
    module, function = RENDERERS[type(view).__name__]
    made: Iterable[Part] = getattr(import_module(f"{__name__}.{module}"), function)(view)
    return made


def _visible(value: Any) -> Any:
    """Return a view whose texts, most of which others wrote, cannot control the terminal.

    Before the layout, because what becomes visible takes room.
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(map(_visible, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _visible(getattr(value, f.name)) for f in fields(value)})
    return value


RENDERERS: Mapping[str, tuple[str, str]] = {
    "TraceListView": ("trace_list", "trace_list"),
    "TraceView": ("trace_tree", "trace_tree"),
    "RawView": ("trace_tree", "raw"),
    "LogsView": ("records", "logs"),
    "MetricsView": ("records", "metrics"),
    "StatsView": ("statistics", "stats"),
    "DigestView": ("digest", "digest"),
    "CostView": ("costs", "costs"),
    "BudgetsView": ("budgets", "budgets"),
    "FailuresView": ("failures", "failures"),
    "HealthView": ("messages", "health"),
    "HelpView": ("messages", "command_help"),
    "MessageView": ("messages", "message"),
    "ConfirmView": ("messages", "message"),
    "WhyView": ("why", "why"),
    "ProcessesView": ("processes", "processes"),
    "AlertsView": ("alerts", "alerts"),
    "AlertView": ("alerts", "alert"),
}
"""The module and the function for each class of views, by name: a command loads only its own."""
