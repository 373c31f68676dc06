"""Choose the agents that a message asks, and leave out those that its author may not ask."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.agents.config.roster import Roster
from bot.agents.types import Agent
from bot.slack.directory import Standing
from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import IncomingMessage, Speaker
from bot.turns.agent_mentions import Miss, addressed, without_address
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from storage.queries.spending import Spending

logger = logging.getLogger("tracebot.asked")


class ChosenBy(StrEnum):
    """Why these agents were chosen, and no others."""

    NAMED = "named"
    SPOKE_LAST = "spoke_last"
    CHANNEL = "channel"
    DEFAULT = "default"
    ASKED_AGAIN = "asked_again"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An agent that was not asked, and why: the budget that holds it back, if one does."""

    agent: str
    reason: Reason
    spending: Spending | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The agents to ask, the prompt for them, and the agents that the author may not ask.

    `misses` are names in the message that are close to an agent's, and nobody else's. `chosen_by`
    is None if none was chosen. `asker` is the author's standing, None for a workflow.
    """

    prompt: str = ""
    agents: tuple[Agent, ...] = ()
    refused: tuple[Refusal, ...] = ()
    misses: tuple[Miss, ...] = ()
    chosen_by: ChosenBy | None = None
    asker: Standing | None = None


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
        known = self._roster.agents  # Read once: the agents file may be loaded anew meanwhile.
        named = addressed(without_address(message.text, self._bot_user), tuple(known))
        agents, refused = [], []
        chosen, chosen_by = self._choose(known, named.agents, message.channel, speaker)
        if again := message.asked_again:
            chosen, chosen_by = [], ChosenBy.ASKED_AGAIN
            if (agent := known.get(again.agent)) is not None:
                chosen = [agent]
            else:  # It left the agents file after the button was pressed.
                refused.append(Refusal(again.agent, Reason.AGENT_GONE))
        asker = None if message.of_workflow else self._permission.standing(message.user)
        for agent in chosen:
            # Not asked for again and again while Slack does not answer.
            unknown = Reason.ASKER_UNKNOWN if asker is Standing.UNKNOWN else None
            if reason := unknown or self._permission.refusal(agent, message):
                refused.append(Refusal(agent.name, reason))
            else:
                agents.append(agent)
        misses = tuple(miss for miss in named.misses if not self._means_somebody(miss.said))
        return Asked(
            named.prompt, tuple(agents), tuple(refused), misses, chosen_by=chosen_by, asker=asker
        )

    def still(self, asked: Asked, message: IncomingMessage) -> Asked:
        """Return *asked* without the agents that the author may not ask any more.

        `refused` are only these then.
        """
        refused = {}
        for agent in asked.agents:
            # The agents file may have been loaded anew.
            named = self._roster.agents.get(agent.name, agent)
            if reason := self._permission.refusal(named, message):
                refused[agent.name] = Refusal(agent.name, reason)
        if not refused:
            return asked
        agents = tuple(agent for agent in asked.agents if agent.name not in refused)
        return replace(asked, agents=agents, refused=tuple(refused.values()))

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
        self,
        known: Mapping[str, Agent],
        named: Sequence[str],
        channel: str,
        speaker: Speaker | None,
    ) -> tuple[Sequence[Agent], ChosenBy]:
        """Return the agents that are named, else the one that spoke last, else the channel's."""
        if named:
            return [known[name] for name in named], ChosenBy.NAMED
        if speaker and (last := known.get(speaker.agent or "")) is not None:
            return [last], ChosenBy.SPOKE_LAST
        has_own = channel in self._roster.channels
        by = ChosenBy.CHANNEL if has_own else ChosenBy.DEFAULT
        return [self._roster.for_channel(channel)], by
