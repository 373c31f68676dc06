"""Decide if a person may ask an agent in a conversation, by its rule and Slack's facts.

If Slack does not say who somebody is, or who can read a channel, the answer is no.
"""

import logging
from collections.abc import Collection
from typing import Protocol

from bot.agents.types import DIRECT, AccessRule, Agent, Allowed
from bot.slack.directory import Standing
from bot.slack.errors import SLACK_ERRORS
from bot.slack.types import IncomingMessage
from bot.turns.decision import Reason

logger = logging.getLogger("tracebot.permission")


class Standings(Protocol):
    """Tells who somebody is and who can read a channel: `bot.access.Access`, or a record."""

    def standing(self, team: str, user: str) -> Standing: ...

    def is_shared(self, channel: str) -> bool | None: ...


class UserGroups(Protocol):
    """Tells who is in a user group: Slack's `Directory`, or a record."""

    def group(self, group: str) -> Collection[str]: ...


class Permission:
    """Apply the rules of agents to people of the workspace `team`, where the bot is installed."""

    def __init__(self, access: Standings, directory: UserGroups, *, team: str) -> None:
        self._access = access
        self._directory = directory
        self._team = team

    def refusal(self, agent: Agent, message: IncomingMessage) -> Reason | None:
        """Return why the author of *message* may not ask *agent*; None if they may."""
        if message.of_workflow:
            refused = _workflow_refusal(agent.access, message.bot_id or "")
        else:
            refused = self.person_refusal(agent, message.user)
        return refused or self._place_refusal(agent, message)

    def person_refusal(self, agent: Agent, user: str) -> Reason | None:
        """Return why *user* may not ask *agent* anywhere; None if they may somewhere."""
        rule = agent.access
        match self.standing(user):
            case Standing.UNKNOWN:
                return Reason.ASKER_UNKNOWN
            case Standing.BOT:
                return Reason.BOT_MESSAGE
            case Standing.GUEST if not _includes(rule.guests, user):
                return Reason.GUEST_MAY_NOT_ASK
            case Standing.STRANGER if not _includes(rule.strangers, user):
                return Reason.STRANGER_MAY_NOT_ASK
        return self._list_refusal(rule, user)

    def standing(self, user: str) -> Standing:
        """Return the standing of *user* in the workspace."""
        return self._access.standing(self._team, user)

    def is_member(self, user: str) -> bool:
        """Return whether *user* is a full member, who may know the whole rule of each agent."""
        return self.standing(user) is Standing.MEMBER

    def _list_refusal(self, rule: AccessRule, user: str) -> Reason | None:
        if rule.people is None and rule.groups is None:
            return None
        if user in (rule.people or ()):
            return None
        try:
            if any(user in self._directory.group(group) for group in rule.groups or ()):
                return None
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell which groups %s is in: %s", user, error)
            return Reason.ASKER_UNKNOWN
        return Reason.PERSON_NOT_ALLOWED

    def _place_refusal(self, agent: Agent, message: IncomingMessage) -> Reason | None:
        # A direct message is known by its own id and by the word for all of them.
        place = {message.channel, *([DIRECT] if message.is_direct else [])}
        channels, shared = agent.access.channels, agent.shared_channels
        if channels is not None and place.isdisjoint(channels):
            return Reason.CHANNEL_NOT_ALLOWED
        if shared is True or (shared is not False and not place.isdisjoint(shared)):
            return None
        match self._access.is_shared(message.channel):
            case None:
                return Reason.READERS_UNKNOWN
            case True:
                return Reason.SHARED_CHANNEL_NOT_ALLOWED
        return None


def _workflow_refusal(rule: AccessRule, bot_id: str) -> Reason | None:
    """Return why a workflow may not ask. If only certain people may, it has to be named itself."""
    if not _includes(rule.workflows, bot_id):
        return Reason.WORKFLOW_MAY_NOT_ASK
    for_certain_people = rule.people is not None or rule.groups is not None
    if rule.workflows is True and for_certain_people:
        return Reason.PERSON_NOT_ALLOWED
    return None


def _includes(allowed: Allowed, user: str) -> bool:
    return allowed if isinstance(allowed, bool) else user in allowed
