"""Who may see which trace: the one place where that is decided.

A trace inherits the visibility of its conversation: a public channel's is for the members of the
workspace, a private one's for those who are in it now, a direct message's for its one user. When
Slack cannot be asked, nobody may.
"""

import logging
from typing import Protocol

from peewee import Database

from bot.slack.directory import Directory, Facts, channel_type
from bot.slack.errors import SLACK_ERRORS
from storage.queries.traces import private_audiences

logger = logging.getLogger("tracebot.access")


class Visible(Protocol):
    """A trace, stored or running, as far as its visibility rests on it."""

    @property
    def audience(self) -> str | None: ...

    @property
    def team(self) -> str | None: ...

    @property
    def channel(self) -> str | None: ...

    @property
    def user(self) -> str | None: ...


def audience_of(*, team: str, channel: str, kind: str, user: str) -> str:
    """What a span of this conversation is stored with; see `storage.model.span.Span`."""
    if kind == "im":
        return user
    return team if kind == "channel" else channel


class Access:
    """Answers for one workspace's bot."""

    def __init__(self, directory: Directory, database: Database, *, team: str) -> None:
        self._directory = directory
        self._database = database
        self._team = team

    def audiences(self, team: str, user: str) -> frozenset[str]:
        """The audiences that `user` belongs to now; none for guests and strangers."""
        if not self.is_member(team, user):
            return frozenset()
        private = private_audiences(self._database, team=team)
        joined = {channel for channel in private if self._is_in(channel, user)}
        return frozenset({team, user, *joined})

    def may_see(self, trace: Visible, team: str, user: str) -> bool:
        """Whether `user` may see this trace, as its conversation is now."""
        if trace.team != team or trace.channel is None or not self.is_member(team, user):
            return False
        if trace.audience == trace.user == user:
            return True
        return self._is_public(trace.channel) or self._is_in(trace.channel, user)

    def may_be_shown_in(self, trace: Visible, team: str, channel: str) -> bool:
        """Whether everyone in `channel` may see this trace."""
        if trace.team != team or trace.channel is None:
            return False
        return trace.channel == channel or self._is_public(trace.channel)

    def channel_audiences(self, team: str, channel: str) -> frozenset[str]:
        """What a post to `channel` may speak of: public conversations, and its own."""
        return frozenset({team, channel})

    def is_member(self, team: str, user: str) -> bool:
        """A full member of the workspace: neither a guest nor from another organisation."""
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
            logger.warning("Slack does not say who may see %s: %s", channel, error)
            return False

    def _is_in(self, channel: str, user: str) -> bool:
        try:
            return user in self._directory.members(channel)
        except SLACK_ERRORS as error:
            logger.warning("Slack does not say who is in %s: %s", channel, error)
            return False

    def _ask_user(self, user: str) -> Facts | None:
        try:
            return self._directory.user(user)
        except SLACK_ERRORS as error:
            logger.warning("Slack does not say who %s is: %s", user, error)
            return None
