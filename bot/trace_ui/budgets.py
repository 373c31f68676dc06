"""Let admins add, raise and remove budgets in Slack, and tell who sees which."""

import logging
import time
from argparse import Namespace
from collections.abc import Callable, Collection
from dataclasses import replace

from peewee import PeeweeException

from bot.access import Access, Sight
from bot.replies.buttons import UNTOLD
from bot.slack.conversation.names import Names
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.trace_ui.admins import is_admin
from bot.trace_ui.names import key_names, resolve
from bot.trace_ui.requester import Requester
from bot.turns.budget_notice import raised
from reports.commands.budget_orders import Order, carry_out
from reports.errors import UsageError
from reports.views.messages import MessageView
from storage.coordination.budgets import Budget, budgets
from storage.coordination.reservations import reservations
from storage.database.base import Database
from storage.model.filters import Filters, meant
from storage.queries.spending import spending

OUT_OF_DATE = "This button is out of date. See /trace budget."
ONLY_ADMINS = (
    "Only admins and owners of this workspace may change budgets. Ask one of them, or whoever runs "
    "me: tracebot budget in a shell does the same."
)

logger = logging.getLogger("tracebot.budgets")


class Budgets:
    """Carry out orders. The rights of the person are checked each time."""

    def __init__(
        self,
        database: Database,
        access: Access,
        directory: Directory,
        names: Names,
        *,
        agents: Callable[[], Collection[str]],
    ) -> None:
        self._database = database
        self._access = access
        self._directory = directory
        self._names = names
        self._agents = agents

    def order(self, order: Order, requester: Requester, *, time_zone: str) -> MessageView:
        """Add, raise or remove a budget. Raises `UsageError`, `SLACK_ERRORS`, `PeeweeException`."""
        if not is_admin(self._directory, requester):
            raise UsageError(ONLY_ADMINS)
        sight = self._access.sight(requester.team, requester.user)
        if order.what == "add":
            order = self._resolved(order, requester, sight)
        return carry_out(
            order,
            self._database,
            by=requester.user,
            now=time.time_ns(),
            team=requester.team,
            channel=requester.channel or None,
            time_zone=time_zone,
            may_see=lambda budget: self.may_see(budget, sight, requester),
            name_of=key_names(self._names, self._directory, sight),
        )

    def raise_by_button(self, value: str, requester: Requester) -> tuple[str, str]:
        """Raise a budget; return why that failed, "" if it did not, and the rest of the value.

        The value is that of `suspended_buttons`.
        """
        id, _, rest = value.partition(" ")
        amount, _, attempt = rest.partition(" ")
        if not (amount.isdecimal() or amount == UNTOLD):
            return OUT_OF_DATE, attempt
        try:
            soft = self._enough(id, requester) if amount == UNTOLD else int(amount)
            self.order(Order(what="raise", id=id, soft=soft), requester, time_zone="UTC")
        except UsageError as error:
            return str(error), attempt
        except SLACK_ERRORS as error:
            return f"Slack did not tell me who you are ({error_code(error)}).", attempt
        except PeeweeException as error:
            logger.error("A budget could not be raised", exc_info=error)
            return "The database does not answer at the moment. Press again in a minute.", attempt
        return "", attempt

    def _enough(self, id: str, requester: Requester) -> int:
        """Return the limit to which a budget is raised; 0 if there is no such budget.

        If it is not used up, somebody has raised it already: it keeps its limit.
        """
        now = time.time_ns()
        running = reservations(self._database, now=now)
        for budget in budgets(self._database, team=requester.team):
            if budget.id == id:
                found = spending(self._database, budget, running, now=now)
                return raised(found) if found.suspends else budget.soft
        return 0

    def may_see(self, budget: Budget, sight: Sight, requester: Requester) -> bool:
        """Return whether the person may know the amounts of a budget.

        Those of a private channel are its members', those of a person are theirs and admins'.
        """
        if budget.dimension == "user":
            return budget.key == requester.user or is_admin(self._directory, requester)
        if budget.dimension == "channel":
            return sight.may_see_in(budget.key)
        return bool(sight.audiences)

    def _resolved(self, order: Order, requester: Requester, sight: Sight) -> Order:
        """Replace the name of a channel or a user with its id."""
        if order.dimension == "agent":
            names = meant("agent", order.key or "", self._agents())
            if not names:
                known = ", ".join(sorted(self._agents()))
                said = f"There is no agent {order.key}: choose from {known}."
                raise UsageError(said, word=order.key or "")
            return replace(order, key=names[0])
        if order.dimension not in ("channel", "user"):
            return order
        given = {order.dimension: order.key}
        filters = Filters(channel=given.get("channel"), user=given.get("user"))
        args = Namespace(filters=filters)
        resolve(args, requester, sight, self._directory)
        key = str(getattr(args.filters, order.dimension))
        if order.dimension == "channel" and not sight.may_see_in(key):
            raise UsageError(f"I am in no channel {order.key} that you can see.", word=order.key)
        return replace(order, key=key)
