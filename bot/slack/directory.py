"""Slack's users, conversations and members, cached for a minute."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cachetools import TTLCache
from slack_sdk import WebClient

CACHE_S = 60.0
"""How long an answer is used. It decides who may see a trace, so somebody who left a private
channel can read its traces for at most this long."""

CACHED_ANSWERS = 10_000

Facts = Mapping[str, Any]


class Directory:
    """Look up users, conversations and members. Each method may raise `SLACK_ERRORS`."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._cache: TTLCache[tuple[str, str], Any] = TTLCache(CACHED_ANSWERS, CACHE_S, timer=clock)
        self._lock = threading.Lock()

    def user(self, user: str) -> Facts:
        """Return the `user` object of `users.info`."""
        facts: Facts = self._ask(("user", user), lambda: self._client.users_info(user=user)["user"])
        return facts

    def channel(self, channel: str) -> Facts:
        """Return the `channel` object of `conversations.info`."""
        facts: Facts = self._ask(
            ("channel", channel),
            lambda: self._client.conversations_info(channel=channel)["channel"],
        )
        return facts

    def members(self, channel: str) -> frozenset[str]:
        """Return the ids of the users who are in a conversation now."""
        members: frozenset[str] = self._ask(("members", channel), lambda: self._members(channel))
        return members

    def _members(self, channel: str) -> frozenset[str]:
        members: list[str] = []
        cursor: str | None = None
        while True:
            page = self._client.conversations_members(channel=channel, limit=1_000, cursor=cursor)
            members += page["members"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return frozenset(members)

    def _ask(self, key: tuple[str, str], ask: Callable[[], Any]) -> Any:
        with self._lock:
            known = self._cache.get(key)
        if known is not None:
            return known
        # Ask without the lock: one slow call must not block every other lookup. Two threads may
        # then ask the same thing at once, which costs a call and nothing else.
        answer = ask()
        with self._lock:
            self._cache[key] = answer
        return answer


def channel_type(facts: Facts) -> str:
    """Return `im`, `mpim`, `group` or `channel`, the values of `channel_type` in message events."""
    if facts.get("is_im"):
        return "im"
    if facts.get("is_mpim"):
        return "mpim"
    return "group" if facts.get("is_private") or facts.get("is_group") else "channel"
