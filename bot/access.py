"""Decide who may see which trace. No other module does.

A trace is stored with its audience: everyone in the workspace for a public channel, the members of
a private one, or the one person of a direct message. Whatever shows traces asks for a `Sight`
first, which knows the audiences that a person, or everyone in a channel, belongs to at that moment.
Guests and people of other organisations belong to none. If Slack does not answer, nothing private
is shown.
"""

import logging
import math
import random
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from peewee import PeeweeException

from bot.slack.directory import Directory, Facts, Standing, channel_type, standing_of
from bot.slack.errors import SLACK_ERRORS, error_code
from storage.database.base import Database
from storage.model.span import own_audience
from storage.upkeep.conversion import ChannelConversions, make_private
from storage.upkeep.journal import JournalEntry, add_entry, last_entry

SHARED = ("is_ext_shared", "is_shared", "is_pending_ext_shared", "is_org_shared", "pending_shared")
"""Fields of a channel that people of other organisations are in, or were invited to."""

OF_MEMBERS = ("member_joined_channel", "member_left_channel")
"""Events that convert no channel. A hundred come at once when a team is invited to a channel, and
Slack lists the bot's channels about 50 times a minute."""

CHANGED = "membership"
"""The journal entry by which one process tells the others that an event came."""

UNKNOWN_PERSON = (
    "Slack did not tell me who you are, so nothing is shown. Please ask again in a minute."
)
NOT_A_MEMBER = "Only full members of this workspace can see traces, so nothing is shown."
UNKNOWN_CHANNELS = (
    "Slack did not tell me which private conversations you are in, so nothing from them is shown. "
    "Please ask again in a minute."
)
UNCERTAIN = (
    "Slack did not tell me whether a channel is still public, so its traces are not shown. Please "
    "ask again in a minute."
)
UNLISTED = (
    "Slack did not tell me which private conversations you are in, so nothing from them is shown, "
    "nor which channels are public, so nothing is counted in them. Please ask again in a minute."
)
MOVING = (
    "The past of a channel that became private is being moved, so nothing from public channels is "
    "shown for now. Please ask again in a minute."
)
LEFT_AT_ONCE = 10
"""How many of the channels that the bot has left are asked about at once: Slack allows some 50
calls a minute, which people who ask need, too."""

PATIENCE_S = 2.0
"""How long a question waits for that, in seconds. The event that tells of it waits for the end."""

logger = logging.getLogger("tracebot.access")


class Visible(Protocol):
    """The fields of a stored or running trace that its visibility depends on."""

    @property
    def audience(self) -> str | None: ...

    @property
    def channel(self) -> str | None: ...


def audience_of(*, team: str, channel: str, kind: str, user: str) -> str:
    """Return the audience with which spans of a conversation are stored.

    `kind` is a `channel_type` of Slack's events.
    """
    if kind == "channel":
        return team
    return own_audience(team, user if kind == "im" else channel)


def _audience_in(team: str, channel: str, facts: Facts) -> str:
    """Return the audience of a conversation, as it is now."""
    user = str(facts.get("user") or "")
    return audience_of(team=team, channel=channel, kind=channel_type(facts), user=user)


class Sight:
    """The traces that a person, or everyone in a channel, may see at this moment."""

    def __init__(
        self,
        audiences: frozenset[str],
        channels: "_Channels",
        *,
        channel: str | None = None,
        in_doubt: frozenset[str] = frozenset(),
        note: str = "",
    ) -> None:
        self.audiences = audiences
        self.in_doubt = in_doubt
        """Those whose statistics may count a channel that is not public any more."""
        self.channel = channel
        """The only channel whose traces may be seen; None if there is no such limit."""
        self._channels = channels
        self._note = note

    @property
    def note(self) -> str:
        """A sentence on what is missing, and why; empty if nothing is."""
        return self._note or (UNCERTAIN if self._channels.silent else "")

    def may_see(self, trace: Visible) -> bool:
        if trace.audience not in self.audiences or self.channel not in (None, trace.channel):
            return False
        if trace.audience != self._channels.team:
            return True
        # Of a channel that became private, not every trace may have been moved to its audience yet.
        facts = self._channels.facts(trace.channel) if trace.channel else None
        return bool(facts) and channel_type(facts or {}) == "channel"

    def may_see_in(self, channel: str) -> bool:
        """Return whether traces of the channel may be seen, now and in general."""
        facts = self._channels.facts(channel)
        if facts is None or self.channel not in (None, channel):
            return False
        return _audience_in(self._channels.team, channel, facts) in self.audiences

    def may_name(self, channel: str) -> bool:
        """Return whether statistics of these audiences may name the channel."""
        return bool(self._channels.facts(channel))

    def within(self, person: "Sight") -> "Sight":
        """Return what both this channel and *person* may see."""
        both = self.audiences & person.audiences
        doubt = self.in_doubt | person.in_doubt
        return Sight(both, self._channels, channel=self.channel, in_doubt=doubt, note=person.note)


class _Channels:
    """Slack's facts about channels, for as long as one question takes."""

    def __init__(self, directory: Directory, team: str, own: Mapping[str, Facts]) -> None:
        """Take the bot's *own* channels; the others are asked for one by one."""
        self.team = team
        self.silent = False
        """True if Slack did not answer. It is not asked again: each attempt takes seconds."""
        self._directory = directory
        self._own = own

    def facts(self, channel: str) -> Facts | None:
        """Return a channel; None if Slack does not answer, or hides it from the bot.

        Slack hides a channel that was deleted, and a private one that the bot is not in.
        """
        if channel in self._own or self.silent:
            return self._own.get(channel)
        try:
            return self._directory.channel(channel)
        except SLACK_ERRORS as error:
            if error_code(error) != "channel_not_found":
                self.silent = True
                logger.warning("Slack did not tell whether %s is public: %s", channel, error)
            return None


class Access:
    """Answer questions about visibility for the workspace `team`, where the bot is installed."""

    def __init__(self, directory: Directory, database: Database, *, team: str) -> None:
        self._directory = directory
        self._database = database
        self._team = team
        self._conversions = ChannelConversions(database, team=team)
        self._heard_at = 0
        self._followed: Mapping[str, Facts] | None = None

    def standing(self, team: str, user: str) -> Standing:
        """Return what `user` is in the workspace `team`: `UNKNOWN` if Slack does not tell."""
        if team != self._team:
            return Standing.STRANGER
        self._heed_other_processes()
        try:
            return standing_of(team, self._directory.user(user))
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell who %s is: %s", user, error)
            return Standing.UNKNOWN

    def sight(self, team: str, user: str) -> Sight:
        """Return what `user` may see."""
        standing = self.standing(team, user)
        if standing is not Standing.MEMBER:
            unknown = standing is Standing.UNKNOWN
            return self._sight((), UNKNOWN_PERSON if unknown else NOT_A_MEMBER)
        channels = self._own_channels()
        moved = self._follow_conversions(channels)
        own = {own_audience(team, user), *([team] if moved else [])}
        joined = None if channels is None else self._joined(user)
        if joined is None:
            note = UNLISTED if channels is None else UNKNOWN_CHANNELS
            return self._sight(own, note, channels=channels)
        own |= {own_audience(team, each) for each in joined}
        return self._sight(own, "" if moved else MOVING, channels=channels)

    def sight_in(self, team: str, channel: str) -> Sight:
        """Return what everyone in `channel` may see: what a message in it may speak of.

        If guests or people of other organisations can read the channel, those are only its own
        traces. Raises `SLACK_ERRORS`.
        """
        if team != self._team:
            return self._sight(())
        self._heed_other_processes()
        channels = self._directory.own_channels()
        hidden = set() if self._follow_conversions(channels) else {team}
        facts = self._directory.channel(channel)
        own = _audience_in(team, channel, facts)
        if self.is_shared(channel) is not False:
            return self._sight({own} - hidden, channels=channels, only=channel)
        return self._sight({team, own} - hidden, channels=channels)

    def is_reader(self, channel: str, sight: Sight) -> bool:
        """Return whether the person whose *sight* it is can read a conversation now.

        A button may be older than their leaving. Raises `SLACK_ERRORS`.
        """
        self._directory.channel(channel)  # The sight would hide it without telling why.
        return sight.may_see_in(channel)

    def is_shared(self, channel: str) -> bool | None:
        """Return whether guests or people of other organisations can read the channel.

        None if Slack does not tell.
        """
        try:
            return self._is_open_to_others(channel, self._directory.channel(channel))
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell who can read %s: %s", channel, error)
            return None

    def forget(self) -> None:
        """Ask Slack anew from now on, because an event tells of a change."""
        self._directory.forget()

    def follow(self, event: Mapping[str, Any]) -> None:
        """Follow an event, such as that somebody left or that a channel was converted.

        Other processes are told, and what is stored of a channel that became private is moved.
        """
        try:
            add_entry(self._database, JournalEntry(name=CHANGED, at=time.time_ns(), ok=True))
            # A deleted channel has no members any more. Slack does not list it, either.
            if event.get("type") in ("channel_deleted", "group_deleted"):
                make_private(self._database, team=self._team, channel=str(event["channel"]))
            if event.get("type") not in OF_MEMBERS:
                self._follow_conversions(self._own_channels(), patience_s=math.inf)
        except PeeweeException as error:
            logger.error("A change of a channel is followed at the next question: %s", error)

    def follow_left(self) -> None:
        """Follow the channels that the bot has left: no event tells if they are private by now.

        Raises PeeweeException.
        """
        if (own := self._own_channels()) is None:
            return
        left = sorted(self._conversions.counted() - own.keys())
        for channel in random.sample(left, min(len(left), LEFT_AT_ONCE)):
            known = _Channels(self._directory, self._team, {})
            # Slack hides a private channel that the bot is not in, and one that was deleted.
            if known.facts(channel) is None and not known.silent:
                make_private(self._database, team=self._team, channel=channel)

    def _sight(
        self,
        audiences: Iterable[str],
        note: str = "",
        *,
        channels: Mapping[str, Facts] | None = None,
        only: str | None = None,
    ) -> Sight:
        known = _Channels(self._directory, self._team, channels or {})
        in_doubt = frozenset((self._team,) if channels is None else ())
        return Sight(frozenset(audiences), known, channel=only, in_doubt=in_doubt, note=note)

    def _heed_other_processes(self) -> None:
        """Forget Slack's answers if another process heard of a change."""
        try:
            entry = last_entry(self._database, CHANGED)
        except PeeweeException:
            return  # Without its database nothing is shown, and a turn can still be cancelled.
        if entry is not None and entry.at != self._heard_at:
            self._heard_at = entry.at
            self._directory.forget()

    def _own_channels(self) -> Mapping[str, Facts] | None:
        try:
            return self._directory.own_channels()
        except SLACK_ERRORS as error:
            logger.warning("Slack did not list the bot's channels: %s", error)
            return None

    def _joined(self, user: str) -> frozenset[str] | None:
        """Return the conversations of *user* that have private traces; None if Slack is silent."""
        try:
            # A public channel may have been private before: its traces of then are its members'.
            once_private = (
                channel
                for channel in self._conversions.once_private
                if user in self._directory.members(channel)
            )
            return self._directory.private_conversations(user).union(once_private)
        except SLACK_ERRORS as error:
            logger.warning("Slack did not tell which conversations %s is in: %s", user, error)
            return None

    def _follow_conversions(
        self, own: Mapping[str, Facts] | None, *, patience_s: float = PATIENCE_S
    ) -> bool:
        """Make the past of each channel that became private as private as it is.

        Return False if that is not done yet, so that statistics of public channels may contain its.
        """
        if own is None:
            return True
        if own is self._followed:  # Nothing was asked anew since.
            return True
        public = {channel: channel_type(facts) == "channel" for channel, facts in own.items()}
        try:
            done = self._conversions.follow(public, patience_s=patience_s)
        except PeeweeException as error:
            logger.warning("The past of a channel that became private is not moved yet: %s", error)
            return False
        if done:
            self._followed = own
        return done

    def _is_open_to_others(self, channel: str, facts: Facts) -> bool:
        if any(facts.get(name) for name in SHARED):
            return True
        if user := facts.get("user"):  # A direct message lists no members.
            return self.standing(self._team, user) is not Standing.MEMBER
        people = self._directory.people(self._directory.members(channel))
        return any(_is_outsider(self._team, person) for person in people)


def _is_outsider(team: str, facts: Facts) -> bool:
    """Return whether a member of a channel reads it without being a full member of the team."""
    standing = standing_of(team, facts)
    return not facts.get("deleted") and standing not in (Standing.MEMBER, Standing.BOT)
