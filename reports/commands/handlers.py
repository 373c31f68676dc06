"""Run a parsed command and return a view of what the viewer may see.

What only some commands need is imported inside of them: in a shell, people wait for each import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reports.commands.lists import list_traces, running, search, slowest, thread
from reports.commands.records import logs, metrics
from reports.commands.statistics import cost, stats
from reports.commands.traces import show, why
from reports.commands.viewer import Viewer
from reports.errors import UsageError
from reports.views.messages import MessageView, help_view
from storage.errors import QueryTimeout

__all__ = ["Viewer", "answer"]

if TYPE_CHECKING:
    import argparse

    from reports.views.views import View
    from storage.database.base import Database

ANSWER_S = 30.0
"""A command may query the database for this long, in seconds."""


def answer(args: argparse.Namespace, *, database: Database, viewer: Viewer, now: int) -> View:
    """Run the command `args.command` for `viewer`. Raises `UsageError`."""
    try:
        with database.time_limit(ANSWER_S):
            return HANDLERS[args.command](args, database, viewer, now)
    except QueryTimeout as error:
        return MessageView(text=str(error))


def _budget(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.commands.budget_orders import parse_order
    from reports.views.budgets import budgets_view
    from storage.coordination.budgets import budgets
    from storage.coordination.reservations import reservations
    from storage.queries.spending import spending

    if parse_order(args.order).what != "list":
        raise UsageError("This only lists budgets: type the order as a command of its own.")
    running = reservations(database, now=now)
    found = [
        spending(database, budget, running, now=now)
        for budget in budgets(database, team=viewer.team)
        if viewer.may_see_budget(budget)
    ]
    return budgets_view(found, name_of=viewer.name_of, now=now)


def _errors(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.commands.issues import list_issues

    return list_issues(args, database, viewer, now)


def _health(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.health import health_view
    from storage.health import health

    if viewer.audiences == frozenset():
        raise UsageError("Only full members of this workspace may see the health of the database.")
    in_slack = viewer.audiences is not None
    return health_view(health(database, now=now), now=now, private=in_slack)


def _ps(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    if not args.processes:
        return running(args, database, viewer, now)
    from reports.views.processes import processes_view
    from storage.coordination.accepted_messages import messages_by_process
    from storage.coordination.heartbeats import heartbeats
    from storage.model.filters import Filters

    if viewer.audiences == frozenset():
        raise UsageError("Only full members of this workspace may see the bot's processes.")
    if args.filters != Filters():
        raise UsageError("ps --processes lists all processes: leave out the filters.")
    now = database.now()  # Which heartbeats have: the clocks of hosts may differ.
    found = heartbeats(database, team=viewer.team, now=now)
    return processes_view(found, messages_by_process(database), now=now)


def _digest(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.digest.contents import Scope, last_day
    from reports.digest.order import parse_order

    if args.order and parse_order(args.order).what != "now":
        raise UsageError(
            "Digests are posted to Slack channels: type /trace digest in one. A shell has only "
            "digest now."
        )
    scope = Scope(audiences=viewer.audiences, may_see=viewer.may_see)
    return last_day(database, scope, now=now, time_zone=viewer.time_zone)


def _alerts(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    from reports.views.alerts import alerts_view
    from storage.coordination.alert_rules import alert_rules, alert_states

    if args.order:
        raise UsageError(f"{args.order[0]} changes alerts, which this cannot: it only lists them.")
    if viewer.audiences == frozenset():
        raise UsageError("Only full members of this workspace may see its alerts.")
    states = alert_states(database)
    rules = alert_rules(database, team=viewer.team)
    seen = [rule for rule in rules if rule.id in states and viewer.may_read(rule.channel)]
    return alerts_view([(rule, states[rule.id]) for rule in seen], now=now, name_of=viewer.name_of)


def _help(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    return help_view(args.about)


HANDLERS: dict[str, Callable[[argparse.Namespace, Database, Viewer, int], View]] = {
    "ls": list_traces,
    "show": show,
    "why": why,
    "thread": thread,
    "stats": stats,
    "cost": cost,
    "errors": _errors,
    "slow": slowest,
    "search": search,
    "ps": _ps,
    "logs": logs,
    "metrics": metrics,
    "health": _health,
    "digest": _digest,
    "budget": _budget,
    "alerts": _alerts,
    "help": _help,
}
