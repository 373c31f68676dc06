"""Choose the agents that a message asks, and leave out those that its author may not ask."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.agents.config.roster import Roster
from bot.agents.types import Agent
from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import IncomingMessage, Speaker
from bot.turns.agent_mentions import Miss, addressed, without_address
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from storage.queries.spending import Spending

logger = logging.getLogger("tracebot.asked")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An agent that was not asked, and why: the budget that holds it back, if one does."""

    agent: str
    reason: Reason
    spending: Spending | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The agents to ask, the prompt for them, and the agents that the author may not ask.

    `misses` are names in the message that are close to an agent's, and nobody else's.
    """

    prompt: str = ""
    agents: tuple[Agent, ...] = ()
    refused: tuple[Refusal, ...] = ()
    misses: tuple[Miss, ...] = ()


class AgentChoice:
    """Choose agents from the roster as it is at that moment."""

    def __init__(
        self,
        roster: Roster,
        permission: Permission,
        *,
        bot_user: str,
        is_person: Callable[[str], bool],
    ) -> None:
        """`is_person` says if people know somebody under a name; it may raise `SLACK_ERRORS`."""
        self._roster = roster
        self._permission = permission
        self._bot_user = bot_user
        self._is_person = is_person

    def of(self, message: IncomingMessage, speaker: Speaker | None) -> Asked:
        """Return the agents that *message* asks, in a thread where *speaker* wrote last."""
        named = addressed(without_address(message.text, self._bot_user), self._roster.names)
        agents, refused = [], []
        chosen = self._choose(named.agents, message.channel, speaker)
        if again := message.asked_again:
            chosen = [self._roster.agent(again.agent)]
        for agent in chosen:
            if reason := self._permission.refusal(agent, message):
                refused.append(Refusal(agent.name, reason))
            else:
                agents.append(agent)
        misses = tuple(miss for miss in named.misses if not self._means_somebody(miss.said))
        return Asked(named.prompt, tuple(agents), tuple(refused), misses)

    def _means_somebody(self, name: str) -> bool:
        try:
            return self._is_person(name)
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell whether somebody is called %s: %s", name, error)
            return False

    def may_ask_any(self, message: IncomingMessage) -> bool:
        """Return if the author may ask at least one of the agents in this channel."""
        agents = self._roster.agents.values()
        return any(self._permission.refusal(agent, message) is None for agent in agents)

    def _choose(
        self, named: Sequence[str], channel: str, speaker: Speaker | None
    ) -> Sequence[Agent]:
        """Return the agents that are named, else the one that spoke last, else the channel's."""
        if named:
            return [self._roster.agent(name) for name in named]
        if speaker and speaker.agent is not None and speaker.agent in self._roster:
            return [self._roster.agent(speaker.agent)]
        return [self._roster.for_channel(channel)]
