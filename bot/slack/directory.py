"""Who people and bots are, and what kind a conversation is: asked of Slack, remembered briefly."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk import WebClient

REMEMBERED_S = 60.0
"""No longer: what may be seen follows from it."""

Facts = Mapping[str, Any]


class Directory:
    """Slack's users, conversations and their members. Each may raise `SLACK_ERRORS`."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def user(self, user: str) -> Facts:
        facts: Facts = self._ask(("user", user), lambda: self._client.users_info(user=user)["user"])
        return facts

    def channel(self, channel: str) -> Facts:
        facts: Facts = self._ask(
            ("channel", channel),
            lambda: self._client.conversations_info(channel=channel)["channel"],
        )
        return facts

    def members(self, channel: str) -> frozenset[str]:
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
            asked_at, answer = self._known.get(key, (float("-inf"), None))
        if self._clock() - asked_at < REMEMBERED_S:
            return answer
        answer = ask()
        with self._lock:
            self._forget_old()
            self._known[key] = (self._clock(), answer)
        return answer

    def _forget_old(self) -> None:
        if len(self._known) < 10_000:
            return
        now = self._clock()
        self._known = {k: v for k, v in self._known.items() if now - v[0] < REMEMBERED_S}


def channel_type(facts: Facts) -> str:
    """`im`, `mpim`, `group` or `channel`, as message events say it."""
    if facts.get("is_im"):
        return "im"
    if facts.get("is_mpim"):
        return "mpim"
    return "group" if facts.get("is_private") or facts.get("is_group") else "channel"
