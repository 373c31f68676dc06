"""Warn once in each period when most of a budget is spent."""

import logging
from collections.abc import Callable

from slack_sdk.errors import SlackClientError

from bot.jobs.digests import Sight
from bot.jobs.poster import Poster
from reports.views.budgets import WARNED, warning
from reports.views.views import View
from storage.coordination.budgets import budgets
from storage.coordination.reservations import reservations
from storage.database.base import Database
from storage.queries.spending import Spending, spending

logger = logging.getLogger("tracebot.budget_warnings")


class BudgetWarnings:
    """Warn about the budgets of the workspace `team` that were added in Slack.

    `sight_in(team, channel)` returns what everyone in that channel may see, and
    `direct(user)` the id of the direct message with a person.
    """

    def __init__(
        self,
        database: Database,
        poster: Poster,
        *,
        team: str,
        sight_in: Callable[[str, str], Sight],
        direct: Callable[[str], str],
    ) -> None:
        self._database = database
        self._poster = poster
        self._team = team
        self._sight_in = sight_in
        self._direct = direct

    def send_due(self, *, now: int) -> int:
        """Post each warning that is due and not posted yet. Return how many were posted."""
        own = [each for each in budgets(self._database, team=self._team) if each.team]
        running = reservations(self._database, now=now) if own else ()
        found = [spending(self._database, each, running, now=now) for each in own]
        return sum(self._warn(each, now=now) for each in found if each.share >= WARNED)

    def _warn(self, found: Spending, *, now: int) -> bool:
        budget = found.budget
        is_own = budget.dimension == "user"
        channel = (budget.key if budget.dimension == "channel" else budget.channel) or ""
        if not channel and not is_own:
            return False  # It was made nowhere.

        def place() -> str:
            return self._direct(budget.key) if is_own else channel

        def view() -> View:
            # In a channel that others can read it may say only how much is used.
            amounts = is_own or self._sight_in(self._team, channel).channel is None
            return warning(found, amounts=amounts, now=now)

        # With its limit, so that a budget that was raised warns again.
        key = f"budget:{budget.id}:{found.since}:{budget.soft}"
        try:
            return self._poster.post_once(key, place, view, now=now)
        except (SlackClientError, OSError) as error:
            # A channel that is gone keeps no other budget from warning.
            logger.warning("Budget %s cannot warn: %s", budget.id, error)
            return False
