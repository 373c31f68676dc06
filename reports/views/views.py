"""Every kind of view. A view is text made from query results, with the raw values beside it.

Views do not depend on Slack or on a terminal: each renderer shows the same one in its own way.
"""

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
from reports.views.why import WhyView

View = (
    TraceListView
    | TraceView
    | RawView
    | StatsView
    | CostView
    | BudgetsView
    | FailuresView
    | DigestView
    | LogsView
    | MetricsView
    | HealthView
    | HelpView
    | MessageView
    | ConfirmView
    | WhyView
    | ProcessesView
    | AlertsView
    | AlertView
)
