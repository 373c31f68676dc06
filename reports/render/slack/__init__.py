"""Render a view as Slack blocks, within Slack's limits.

See https://docs.slack.dev/reference/block-kit.
"""

from collections.abc import Callable, Mapping
from typing import Any

from reports.render.block_kit import Block, escape
from reports.render.slack.alerts import alert, alerts
from reports.render.slack.budgets import budgets
from reports.render.slack.costs import costs
from reports.render.slack.digest import digest
from reports.render.slack.failures import failures
from reports.render.slack.messages import command_help, confirm, health, message
from reports.render.slack.processes import processes
from reports.render.slack.records import logs, metrics
from reports.render.slack.statistics import stats
from reports.render.slack.trace_list import trace_list
from reports.render.slack.trace_tree import raw, trace_tree
from reports.render.slack.why import why
from reports.views.alerts import AlertsView, AlertView
from reports.views.budgets import BudgetsView
from reports.views.costs import CostView
from reports.views.digest import DigestView
from reports.views.erasure import ConfirmView
from reports.views.failures import FailuresView
from reports.views.health import HealthView
from reports.views.messages import HelpView, MessageView
from reports.views.processes import ProcessesView
from reports.views.records import LogsView, MetricsView
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from reports.views.trace_tree import RawView, TraceView
from reports.views.views import View
from reports.views.why import WhyView


def render(view: View) -> list[Block]:
    return RENDERERS[type(view)](view)


def fallback(view: View) -> str:
    """Return the text that a notification shows."""
    return escape(getattr(view, "title", "") or getattr(view, "text", "") or "A trace")


RENDERERS: Mapping[type, Callable[[Any], list[Block]]] = {
    TraceListView: trace_list,
    TraceView: trace_tree,
    RawView: raw,
    StatsView: stats,
    DigestView: digest,
    CostView: costs,
    BudgetsView: budgets,
    FailuresView: failures,
    LogsView: logs,
    MetricsView: metrics,
    HealthView: health,
    HelpView: command_help,
    MessageView: message,
    ConfirmView: confirm,
    WhyView: why,
    ProcessesView: processes,
    AlertsView: alerts,
    AlertView: alert,
}
