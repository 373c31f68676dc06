"""Leave out the agents whose budget is used up, and reserve what the others will probably cost.

Checking and reserving are one transaction, so that of several processes none passes a hard limit by
more than the turns that run. Without its database the bot answers, whatever that costs.
"""

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from peewee import PeeweeException

from bot.access import Sight, audience_of
from bot.slack.types import IncomingMessage
from bot.turns.asked import Asked, Refusal
from bot.turns.decision import Reason
from storage.coordination.budgets import Budget, Spender, budgets
from storage.coordination.process_identity import this_process
from storage.coordination.reservations import (
    Reservation,
    remove_ended,
    reservations,
    reserve,
)
from storage.database.base import Database
from storage.database.transactions import transaction
from storage.queries.spending import Spending, spending, usual_cost

PATIENCE_S = 1.0
"""How long a question waits for a locked database, before it is asked without a check."""

logger = logging.getLogger("tracebot.budget_check")


class BudgetCheck:
    """Check the budgets of a workspace, and those that were made in a shell."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def checked(self, asked: Asked, message: IncomingMessage, *, trace_id: str) -> Asked:
        """Return *asked* without the agents that a budget holds back, each with its reason."""
        try:
            known = budgets(self._database, team=message.team)
            if not any(b.counts(_spender(a.name, message)) for a in asked.agents for b in known):
                return asked
            with transaction(self._database, deadline=PATIENCE_S):
                return self._reserved(asked, message, known, trace_id=trace_id)
        except PeeweeException as error:
            logger.warning("A question is asked without a check of its budgets: %s", error)
            return asked

    def _reserved(
        self, asked: Asked, message: IncomingMessage, known: Sequence[Budget], *, trace_id: str
    ) -> Asked:
        now, allowed, refused = time.time_ns(), [], list(asked.refused)
        remove_ended(self._database, now=now)
        for agent in asked.agents:
            spender = _spender(agent.name, message)
            if over := self._over(spender, known, message, now=now):
                refused.append(over)
                continue
            cost = usual_cost(
                self._database,
                agent=agent.name,
                channel=message.channel,
                audiences=_readers(message),
            )
            reservation = Reservation(spender, cost or 0)
            reserve(self._database, reservation, trace_id=trace_id, process=this_process(), now=now)
            allowed.append(agent)
        return replace(asked, agents=tuple(allowed), refused=tuple(refused))

    def _over(
        self, spender: Spender, known: Sequence[Budget], message: IncomingMessage, *, now: int
    ) -> Refusal | None:
        running = reservations(self._database, now=now)
        found = [
            spending(self._database, budget, running, now=now)
            for budget in known
            if budget.counts(spender)
        ]
        if hard := _fullest(each for each in found if each.refuses):
            return Refusal(spender.agent, Reason.BUDGET_SPENT, hard)
        agreed = message.asked_again is not None and message.asked_again.anyway
        soft = _fullest(each for each in found if each.suspends)
        if soft is None or agreed:
            return None
        return Refusal(spender.agent, Reason.BUDGET_SUSPENDED, soft)

    def usual_cost(self, agent: str, message: IncomingMessage, sight: Sight) -> int | None:
        """Return what a question to *agent* usually costs in this channel, in micro-dollars.

        *sight* is what everyone in the channel may see.
        """
        return usual_cost(
            self._database,
            agent=agent,
            channel=message.channel,
            audiences=sight.audiences,
            here_only=sight.channel is not None,
        )

    def cheapest(
        self, agents: Sequence[str], message: IncomingMessage, sight: Sight, *, below: int
    ) -> tuple[str, int] | None:
        """Return the agent within its budgets that usually costs least, if that is less, and it."""
        known, now = budgets(self._database, team=message.team), time.time_ns()
        costs = [
            (agent, cost)
            for agent in agents
            if (cost := self.usual_cost(agent, message, sight)) is not None
            and cost < below
            and self._over(_spender(agent, message), known, message, now=now) is None
        ]
        return min(costs, key=lambda each: each[1], default=None)


def _spender(agent: str, message: IncomingMessage) -> Spender:
    return Spender(team=message.team, agent=agent, channel=message.channel, user=message.user)


def _readers(message: IncomingMessage) -> Collection[str]:
    """Return the audiences whose costs may show in what is reserved, which a budget tells."""
    kind = message.channel_type or "group"
    own = audience_of(team=message.team, channel=message.channel, kind=kind, user=message.user)
    return {message.team, own}


def _fullest(found: Iterable[Spending]) -> Spending | None:
    return max(found, key=lambda each: each.share, default=None)
