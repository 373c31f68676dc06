"""`tracebot budget`: add, raise and remove budgets, for whoever runs the bot."""

import time
from collections.abc import Sequence

from reports.commands.budget_orders import carry_out, parse_order
from reports.views.messages import MessageView
from storage.database.base import Database


def order_budget(arguments: Sequence[str], database: Database) -> MessageView:
    """Carry out an order that is not to list the budgets. Raises `UsageError`."""
    return carry_out(parse_order(arguments), database, by="shell", now=time.time_ns())
