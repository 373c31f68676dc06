"""Tell that a budget holds a question back: what it usually costs, and what people can do."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping

from peewee import PeeweeException

from bot.agents.config.roster import Roster
from bot.replies.buttons import Attempt, suspended_buttons
from bot.replies.notices import Notices
from bot.slack.types import IncomingMessage
from bot.turns.asked import Refusal
from bot.turns.budget_check import BudgetCheck
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from reports import formatting
from reports.render.block_kit import escape, section
from reports.views.budgets import until_text
from storage.coordination.budgets import Dimension
from storage.queries.spending import Spending

DOLLAR = 1_000_000

logger = logging.getLogger("tracebot.budget_notice")

WHOSE: Mapping[Dimension, str] = {
    "all": "the budget of all agents together",
    "agent": "its budget",
    "channel": "the budget of this channel",
    "user": "your budget",
}


class BudgetNotices:
    """Post a note in the thread; about the budget of a person, tell only them."""

    def __init__(
        self,
        budgets: BudgetCheck,
        notices: Notices,
        roster: Roster,
        permission: Permission,
        *,
        is_shared: Callable[[str], bool | None],
    ) -> None:
        """`is_shared` says if guests or people of other organisations can read a channel.

        It returns None if that is not known.
        """
        self._budgets = budgets
        self._notices = notices
        self._roster = roster
        self._permission = permission
        self._is_shared = is_shared

    def tell(self, message: IncomingMessage, refused: Refusal, *, trace_id: str) -> None:
        """Tell about one agent that was not asked, if a budget holds it back."""
        spending = refused.spending
        if spending is None:
            return
        say = self._notices.say
        if spending.budget.dimension == "user":
            say = self._notices.tell
        if refused.reason is Reason.BUDGET_SPENT:
            say(message, " ".join(self._refusal(refused.agent, spending, message)))
            return
        usual, cheaper = self._costs(refused.agent, message)
        text = " ".join(self._suspension(refused.agent, spending, message, usual, cheaper))
        buttons = suspended_buttons(
            Attempt(trace_id, message.ts, refused.agent),
            cheaper=cheaper[0] if cheaper else None,
            budget=spending.budget.id,
            raised=raised(spending),
            amounts=self._is_shared(message.channel) is False,
        )
        say(message, text, [section(text), buttons])

    def _refusal(self, agent: str, spending: Spending, message: IncomingMessage) -> Iterator[str]:
        yield f":no_entry: I did not ask {escape(agent)}: {self._used_up(spending, message)}."
        yield f"It begins again {until_text(spending)}."
        yield "Ask another agent, or let an admin raise it:"
        yield f"`/trace budget raise {spending.budget.id} AMOUNT`."

    def _suspension(
        self,
        agent: str,
        spending: Spending,
        message: IncomingMessage,
        usual: int | None,
        cheaper: tuple[str, int] | None,
    ) -> Iterator[str]:
        yield f":hand: I have not asked {escape(agent)} yet:"
        yield f"{self._used_up(spending, message)}."
        if usual is not None:
            other = f" ({escape(cheaper[0])}: {formatting.cost(cheaper[1])})" if cheaper else ""
            yield f"A question like this usually costs {formatting.cost(usual)}{other}."
        yield "You can ask anyway; only admins can raise the budget."

    def _costs(
        self, agent: str, message: IncomingMessage
    ) -> tuple[int | None, tuple[str, int] | None]:
        """Return what a question to *agent* usually costs, and a cheaper agent with its cost."""
        try:
            usual = self._budgets.usual_cost(agent, message)
            if usual is None:
                return None, None
            others = [
                other.name
                for other in self._roster.agents.values()
                if other.name != agent and self._permission.refusal(other, message) is None
            ]
            return usual, self._budgets.cheapest(others, message, below=usual)
        except PeeweeException as error:
            logger.warning("It is not known what a question costs: %s", error)
            return None, None

    def _used_up(self, spending: Spending, message: IncomingMessage) -> str:
        budget, whose = spending.budget, WHOSE[spending.budget.dimension]
        if self._is_shared(message.channel) is not False:
            return f"{whose} for this {budget.period} is used up"
        limit = budget.hard if spending.refuses and budget.hard else budget.soft
        of = f"{formatting.cost(spending.total)} of {formatting.cost(limit)}"
        return f"{whose} for this {budget.period} is used up ({of})"


def raised(spending: Spending) -> int:
    """Return a soft limit that leaves half as much again to spend, not above the hard one."""
    budget = spending.budget
    enough = math.ceil(max(budget.soft, spending.total) * 1.5 / DOLLAR) * DOLLAR
    return enough if budget.hard is None else min(enough, budget.hard)
