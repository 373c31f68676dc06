"""The names of people, channels and user groups, for ids that a message mentions."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from cachetools import TTLCache
from slack_sdk.errors import SlackApiError

from bot.agents.types import AGENT_MARK
from bot.slack.directory import Directory, Facts
from bot.slack.errors import SLACK_ERRORS, retry_after

CACHED_NAMES, CACHE_S = 10_000, 600.0

PAUSE_S = 30.0
"""How long nothing is looked up after Slack did not answer: a thread may name hundreds of people,
and a turn that waited for each of them in vain would not end."""

AT_ONCE, MOST_PEOPLE = 8, 100
"""People who are looked up at the same time, and for one conversation: Slack allows about 100 calls
a minute. The others are known by their ids until those are forgotten."""

LONGEST_NAME, LONGEST_FILE_NAME = 80, 255
"""Characters. What a file is stands at the end of its name, and systems have names of up to 255."""

APP_MARK = " (another app)"
"""Follows the name of another app. No person's name has it, nor `AGENT_MARK`."""

logger = logging.getLogger("tracebot.names")


class Names(Protocol):
    """Names by id. Each method returns the id itself if there is no name."""

    def user(self, user: str) -> str:
        """Return the name by which people know a user."""

    def channel(self, channel: str) -> str:
        """Return the name of a channel, without the #."""

    def group(self, group: str) -> str:
        """Return the handle of a user group, without the @."""


class Ids:
    """No names: for text whose length alone matters, or that must not wait for Slack."""

    def user(self, user: str) -> str:
        return user

    def channel(self, channel: str) -> str:
        return channel

    def group(self, group: str) -> str:
        return group


class NameLookup:
    """Look up names, and remember them for ten minutes. Never raises for an error of Slack."""

    def __init__(
        self, directory: Directory, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._known: TTLCache[tuple[str, str], str] = TTLCache(CACHED_NAMES, CACHE_S, timer=clock)
        self._lock = threading.Lock()
        self._paused_until = 0.0

    def user(self, user: str) -> str:
        return self._named("user", user, lambda: person_name(self._directory.user(user)))

    def channel(self, channel: str) -> str:
        return self._named("channel", channel, lambda: _public_name(self._directory, channel))

    def group(self, group: str) -> str:
        return self._named("group", group, lambda: self._directory.group_handles().get(group))

    def remembered(self) -> Names:
        """Return the names that are known by now. They are told without a call to Slack."""
        return _Remembered(self._cached)

    def is_bot(self, user: str) -> bool:
        """Return False for a person; True as well if Slack does not tell."""
        if self._clock() < self._paused_until:
            return True
        try:
            return bool(self._directory.user(user).get("is_bot"))
        except SLACK_ERRORS as error:
            self._failed(error)
            return True

    def people(self, users: Iterable[str]) -> None:
        """Look up many users at the same time: their names are then known.

        Not from the list of all users, which takes minutes in a large workspace.
        """
        unknown = [user for user in users if self._cached("user", user) is None]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tracebot-names") as threads:
            threads.map(self.user, unknown[:MOST_PEOPLE])
        for user in unknown[MOST_PEOPLE:]:
            self._remember("user", user, None)

    def _named(self, kind: str, id_: str, ask: Callable[[], str | None]) -> str:
        if (known := self._cached(kind, id_)) is not None:
            return known
        if self._clock() < self._paused_until:
            return id_
        try:
            return self._remember(kind, id_, ask())
        except SLACK_ERRORS as error:
            return self._remember(kind, id_, None) if self._failed(error) else id_

    def _cached(self, kind: str, id_: str) -> str | None:
        with self._lock:
            return self._known.get((kind, id_))

    def _remember(self, kind: str, id_: str, name: str | None) -> str:
        with self._lock:
            self._known[kind, id_] = name or id_
        return name or id_

    def _failed(self, error: Exception) -> bool:
        """Return True if Slack answered that it has no such name, or does not tell it."""
        refused = isinstance(error, SlackApiError) and error.response.status_code == 200
        if refused and retry_after(error) is None:
            return True
        logger.warning("Names are not looked up for %g s: %s", PAUSE_S, error)
        self._paused_until = self._clock() + PAUSE_S
        return False


class _Remembered:
    """Names from a cache; see `NameLookup.remembered`."""

    def __init__(self, cached: Callable[[str, str], str | None]) -> None:
        self._cached = cached

    def user(self, user: str) -> str:
        return self._cached("user", user) or user

    def channel(self, channel: str) -> str:
        return self._cached("channel", channel) or channel

    def group(self, group: str) -> str:
        return self._cached("group", group) or group


def person_name(facts: Facts) -> str | None:
    """Return the display name in the facts of `users.info`, else the full or the user name."""
    profile = facts.get("profile") or {}
    names = (profile.get("display_name"), profile.get("real_name"), facts.get("real_name"))
    name = next(filter(None, map(plain_name, (*names, facts.get("name")))), None)
    # Whoever chose such a name could pass for an agent or an app: they are known by their id.
    return (
        None if name and any(mark in name.casefold() for mark in (AGENT_MARK, APP_MARK)) else name
    )


def plain_name(name: object, *, longest: int = LONGEST_NAME) -> str:
    """Return a name on one line, without characters that cannot be seen, and not too long."""
    seen = "".join(each if each.isprintable() else " " for each in str(name or ""))
    return " ".join(seen.split())[:longest]


def _public_name(directory: Directory, channel: str) -> str | None:
    """Return a channel's name, unless it is private.

    The bot may be in private channels whose names those who read the answer must not learn.
    """
    facts = directory.channel(channel)
    return plain_name(facts.get("name")) if facts.get("is_private") is False else None
