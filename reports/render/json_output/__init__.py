"""Render a view as one JSON object with raw numbers, a contract for scripts.

Fields are added, never renamed: docs/reference/json.md lists them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from reports.formatting import visible_json

if TYPE_CHECKING:
    from reports.views.views import View


def render(view: View) -> str:
    module, function = RENDERERS[type(view).__name__]
    fields = getattr(import_module(f"{__name__}.{module}"), function)(view)
    return visible_json(json.dumps(fields, ensure_ascii=False, indent=2))


def error(message: str) -> str:
    return visible_json(json.dumps({"error": message}, ensure_ascii=False))


RENDERERS: Mapping[str, tuple[str, str]] = {
    "TraceListView": ("traces", "trace_list"),
    "TraceView": ("traces", "trace_tree"),
    "RawView": ("traces", "raw"),
    "LogsView": ("records", "logs"),
    "MetricsView": ("records", "metrics"),
    "StatsView": ("statistics", "stats"),
    "DigestView": ("digest", "digest"),
    "CostView": ("statistics", "costs"),
    "BudgetsView": ("budgets", "budgets"),
    "FailuresView": ("failures", "failures"),
    "HealthView": ("messages", "health"),
    "HelpView": ("messages", "command_help"),
    "MessageView": ("messages", "message"),
    "ConfirmView": ("messages", "message"),
    "WhyView": ("traces", "why"),
    "ProcessesView": ("processes", "processes"),
    "AlertsView": ("alerts", "alerts"),
    "AlertView": ("alerts", "alert"),
}
"""The module and the function for each class of views, by name: a command loads only its own."""
