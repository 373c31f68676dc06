"""Decide who may see which trace. No other module does.

A trace is as visible as its conversation is now: in a public channel, to the members of the
workspace; in a private channel, to its members; in a direct message, to its user alone. If Slack
does not answer, to nobody. Guests and users of other organisations see nothing.
"""

import logging
from typing import Protocol

from peewee import Database

from bot.slack.directory import Directory, Facts, channel_type
from bot.slack.errors import SLACK_ERRORS
from storage.queries.traces import private_audiences

logger = logging.getLogger("tracebot.access")


class Visible(Protocol):
    """The fields of a stored or running trace that its visibility depends on."""

    @property
    def audience(self) -> str | None: ...

    @property
    def team(self) -> str | None: ...

    @property
    def channel(self) -> str | None: ...

    @property
    def user(self) -> str | None: ...


def audience_of(*, team: str, channel: str, kind: str, user: str) -> str:
    """Return the id with which spans of a conversation are stored; `Access.audiences` selects them.

    It is the workspace's for a public channel, the user's for a direct message, else the channel's.
    `kind` is a `channel_type` of Slack's events.
    """
    if kind == "im":
        return user
    return team if kind == "channel" else channel


class Access:
    """Answer questions about visibility for the workspace `team`, where the bot is installed."""

    def __init__(self, directory: Directory, database: Database, *, team: str) -> None:
        self._directory = directory
        self._database = database
        self._team = team

    def audiences(self, team: str, user: str) -> frozenset[str]:
        """Return the audiences that `user` belongs to now; guests and strangers belong to none."""
        if not self.is_member(team, user):
            return frozenset()
        private = private_audiences(self._database, team=team)
        joined = {channel for channel in private if self._is_in(channel, user)}
        return frozenset({team, user, *joined})

    def may_see(self, trace: Visible, team: str, user: str) -> bool:
        """Return whether `user` may see this trace, by the conversation's current members."""
        if trace.team != team or trace.channel is None or not self.is_member(team, user):
            return False
        if trace.audience == trace.user == user:
            return True
        return self._is_public(trace.channel) or self._is_in(trace.channel, user)

    def may_be_shown_in(self, trace: Visible, team: str, channel: str) -> bool:
        """Return whether everyone in `channel` may see this trace."""
        if trace.team != team or trace.channel is None:
            return False
        return trace.channel == channel or self._is_public(trace.channel)

    def channel_audiences(self, team: str, channel: str) -> frozenset[str]:
        """Return the audiences that a message in `channel` may contain: all its readers see it."""
        return frozenset({team, channel})

    def is_member(self, team: str, user: str) -> bool:
        """Return whether `user` is a full member: neither a guest nor of another organisation."""
        facts = self._ask_user(user)
        if team != self._team or facts is None or facts.get("deleted"):
            return False
        if facts.get("is_restricted") or facts.get("is_ultra_restricted"):
            return False
        return not facts.get("is_stranger") and facts.get("team_id", team) == team

    def _is_public(self, channel: str) -> bool:
        try:
            return channel_type(self._directory.channel(channel)) == "channel"
        except SLACK_ERRORS as error:
            logger.warning(
                "Slack did not tell whether %s is public, so its traces stay hidden: %s",
                channel,
                error,
            )
            return False

    def _is_in(self, channel: str, user: str) -> bool:
        try:
            return user in self._directory.members(channel)
        except SLACK_ERRORS as error:
            logger.warning(
                "Slack did not tell who is in %s, so its traces stay hidden: %s", channel, error
            )
            return False

    def _ask_user(self, user: str) -> Facts | None:
        try:
            return self._directory.user(user)
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell who %s is, so they see no traces: %s", user, error)
            return None
