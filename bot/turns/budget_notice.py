"""Tell that a budget holds a question back: what it usually costs, and what people can do."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping

from peewee import PeeweeException

from bot.access import Sight
from bot.agents.config.roster import Roster
from bot.replies.buttons import Attempt, suspended_buttons
from bot.replies.notices import Notices
from bot.slack.errors import SLACK_ERRORS
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
        sight_in: Callable[[str, str], Sight],
    ) -> None:
        """`sight_in(team, channel)` returns what everyone in that channel may see."""
        self._budgets = budgets
        self._notices = notices
        self._roster = roster
        self._permission = permission
        self._sight_in = sight_in

    def tell(self, message: IncomingMessage, refused: Refusal, *, trace_id: str) -> None:
        """Tell about one agent that was not asked, if a budget holds it back."""
        spending = refused.spending
        if spending is None:
            return
        sight = self._sight(message)
        # Where guests or others read along, or perhaps do, nobody is told the amounts of a budget.
        amounts = sight is not None and sight.channel is None
        used_up, say = _used_up(spending, amounts=amounts), self._notices.say
        if spending.budget.dimension == "user":
            say = self._notices.tell
        if refused.reason is Reason.BUDGET_SPENT:
            say(message, " ".join(_refusal(refused.agent, spending, used_up)))
            return
        usual, cheaper = self._costs(refused.agent, message, sight) if sight else (None, None)
        text = " ".join(_suspension(refused.agent, used_up, usual, cheaper))
        buttons = suspended_buttons(
            Attempt(trace_id, message.ts, refused.agent),
            cheaper=cheaper[0] if cheaper else None,
            budget=spending.budget.id,
            raised=raised(spending),
            amounts=amounts,
        )
        say(message, text, [section(text), buttons])

    def _sight(self, message: IncomingMessage) -> Sight | None:
        """Return what everyone in the channel may see; None if Slack does not tell."""
        try:
            return self._sight_in(message.team, message.channel)
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell who can read %s: %s", message.channel, error)
            return None

    def _costs(
        self, agent: str, message: IncomingMessage, sight: Sight
    ) -> tuple[int | None, tuple[str, int] | None]:
        """Return what a question to *agent* usually costs, and a cheaper agent with its cost."""
        try:
            usual = self._budgets.usual_cost(agent, message, sight)
            if usual is None:
                return None, None
            others = [
                other.name
                for other in self._roster.agents.values()
                if other.name != agent and self._permission.refusal(other, message) is None
            ]
            return usual, self._budgets.cheapest(others, message, sight, below=usual)
        except PeeweeException as error:
            logger.warning("It is not known what a question costs: %s", error)
            return None, None


def _refusal(agent: str, spending: Spending, used_up: str) -> Iterator[str]:
    yield f":no_entry: I did not ask {escape(agent)}: {used_up}."
    yield f"It begins again {until_text(spending)}."
    yield "Ask another agent, or let an admin raise it:"
    yield f"`/trace budget raise {spending.budget.id} AMOUNT`."


def _suspension(
    agent: str, used_up: str, usual: int | None, cheaper: tuple[str, int] | None
) -> Iterator[str]:
    yield f":hand: I have not asked {escape(agent)} yet: {used_up}."
    if usual is not None:
        other = f" ({escape(cheaper[0])}: {formatting.cost(cheaper[1])})" if cheaper else ""
        yield f"A question like this usually costs {formatting.cost(usual)}{other}."
    yield "You can ask anyway; only admins can raise the budget."


def _used_up(spending: Spending, *, amounts: bool) -> str:
    budget, whose = spending.budget, WHOSE[spending.budget.dimension]
    if not amounts:
        return f"{whose} for this {budget.period} is used up"
    limit = budget.hard if spending.refuses and budget.hard else budget.soft
    of = f"{formatting.cost(spending.total)} of {formatting.cost(limit)}"
    return f"{whose} for this {budget.period} is used up ({of})"


def raised(spending: Spending) -> int:
    """Return a soft limit that leaves half as much again to spend, not above the hard one."""
    budget = spending.budget
    enough = math.ceil(max(budget.soft, spending.total) * 1.5 / DOLLAR) * DOLLAR
    return enough if budget.hard is None else min(enough, budget.hard)
