"""Slack's users and their standing, conversations and members, cached for a minute."""

import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from cachetools import TTLCache
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

CACHE_S = 60.0
"""How long an answer is used. It decides who may see a trace, so somebody who left a private
channel can read its traces for at most this long if the event that tells of it is lost."""

CACHED_ANSWERS = 10_000
PAGE = 999

ASKED_ONE_BY_ONE = 30
"""Up to so many people are asked about one by one, which takes up to three seconds. For more, the
whole workspace is listed: a page for each thousand people, and Slack allows 20 pages a minute."""

Facts = Mapping[str, Any]


class Standing(Enum):
    """The standing of a user in the workspace where the bot is installed."""

    MEMBER = "member"
    """A full member."""
    GUEST = "guest"
    """A guest, of one channel or of several."""
    STRANGER = "stranger"
    """A person of another organisation, who is here through Slack Connect."""
    BOT = "bot"
    UNKNOWN = "unknown"
    """Slack did not tell, or the account was deactivated."""


class Directory:
    """Look up users, conversations and members. Each method may raise `SLACK_ERRORS`."""

    def __init__(self, client: WebClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._cache: TTLCache[tuple[str, str], Any] = TTLCache(CACHED_ANSWERS, CACHE_S, timer=clock)
        self._lock = threading.Lock()
        self._forgotten = 0

    def user(self, user: str) -> Facts:
        """Return the `user` object of `users.info`."""
        facts: Facts = self._ask(("user", user), lambda: self._client.users_info(user=user)["user"])
        return facts

    def people(self, users: Collection[str]) -> Iterator[Facts]:
        """Yield the `user` objects of *users*, guests included."""
        everyone = self._everyone() if len(users) > ASKED_ONE_BY_ONE else {}
        for user in users:
            # Somebody who came a moment ago is in no list yet.
            yield everyone.get(user) or self.user(user)

    def users_named(self, name: str) -> frozenset[str]:
        """Return the ids of the users of that handle or name; if there are none, of first name."""
        wanted = folded(name)
        names = {user: names_of(facts) for user, facts in self._everyone().items()}
        found = frozenset(user for user, known in names.items() if wanted in known)
        return found or frozenset(
            user for user, known in names.items() if wanted in {each.split()[0] for each in known}
        )

    def _everyone(self) -> Mapping[str, Facts]:
        people: Mapping[str, Facts] = self._ask(
            ("people", ""),
            lambda: _by_id(_items(self._client.users_list, "members")),
        )
        return people

    def channel(self, channel: str) -> Facts:
        """Return the `channel` object of `conversations.info`."""
        facts: Facts = self._ask(
            ("channel", channel),
            lambda: self._client.conversations_info(channel=channel)["channel"],
        )
        return facts

    def own_channels(self) -> Mapping[str, Facts]:
        """Return the channels and group messages that the bot is in, by their id."""
        channels: Mapping[str, Facts] = self._ask(
            ("own", ""), lambda: self._conversations("public_channel,private_channel,mpim")
        )
        return channels

    def private_conversations(self, user: str) -> frozenset[str]:
        """Return the private channels and group messages that the bot shares with `user`.

        One call answers for all of them. To ask for the members of each channel would take as many
        calls as there are channels, and more than Slack allows in a minute.
        """
        joined: frozenset[str] = self._ask(
            ("joined", user),
            lambda: frozenset(self._conversations("private_channel,mpim", user=user)),
        )
        return joined

    def conversations(self, user: str) -> frozenset[str]:
        """Return the channels and group messages that `user` is in, as far as the bot sees them."""
        found: frozenset[str] = self._ask(
            ("conversations", user),
            lambda: frozenset(
                self._conversations("public_channel,private_channel,mpim", user=user)
            ),
        )
        return found

    def members(self, channel: str) -> frozenset[str]:
        """Return the ids of the users who are in a conversation now."""
        members: frozenset[str] = self._ask(
            ("members", channel),
            lambda: frozenset(
                _items(self._client.conversations_members, "members", channel=channel)
            ),
        )
        return members

    def group(self, group: str) -> frozenset[str]:
        """Return the ids of a user group's members. Needs the scope `usergroups:read`."""
        members: frozenset[str] = self._ask(
            ("group", group),
            lambda: frozenset(self._client.usergroups_users_list(usergroup=group)["users"]),
        )
        return members

    def group_handles(self) -> Mapping[str, str]:
        """Return the handles of all user groups by their id. Needs the scope `usergroups:read`."""
        handles: Mapping[str, str] = self._ask(
            ("handles", ""),
            lambda: {
                group["id"]: str(group.get("handle") or "")
                for group in self._client.usergroups_list()["usergroups"]
            },
        )
        return handles

    def forget(self) -> None:
        """Ask Slack anew from now on, because an event tells of a change."""
        with self._lock:
            self._forgotten += 1
            self._cache.clear()

    def _conversations(self, types: str, **more: str) -> dict[str, Facts]:
        found = _items(self._client.users_conversations, "channels", types=types, **more)
        return _by_id(found)

    def _ask(self, key: tuple[str, str], ask: Callable[[], Any]) -> Any:
        with self._lock:
            known, forgotten = self._cache.get(key), self._forgotten
        if known is not None:
            return known
        # Ask without the lock: one slow call must not block every other lookup. Two threads may
        # then ask the same thing at once, which costs a call and nothing else.
        answer = ask()
        with self._lock:
            # An answer from before a change must not be used after it.
            if self._forgotten == forgotten:
                self._cache[key] = answer
        return answer


def standing_of(team: str, facts: Facts) -> Standing:
    """Return the standing in the workspace `team` of the user with these facts."""
    # In Enterprise Grid `team_id` is the organisation or the user's first workspace, and
    # `enterprise_user` lists all of them.
    teams = {facts.get("team_id"), *((facts.get("enterprise_user") or {}).get("teams") or ())}
    if facts.get("deleted") or not any(teams):
        return Standing.UNKNOWN
    if facts.get("is_stranger") or team not in teams:
        return Standing.STRANGER
    if facts.get("is_restricted") or facts.get("is_ultra_restricted"):
        return Standing.GUEST
    return Standing.BOT if facts.get("is_bot") else Standing.MEMBER


def names_of(user: Facts) -> set[str]:
    """Return the names of a user in lower case: the handle, the display name, the real name."""
    profile = user.get("profile") or {}
    names = (user.get("name"), profile.get("display_name"), profile.get("real_name"))
    return {folded(str(name)) for name in names if str(name or "").strip()}


def folded(name: str) -> str:
    """Return a name as it is compared: whatever its case and its form in Unicode.

    An `é` may be one character or two, which nobody sees.
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _items(method: Callable[..., SlackResponse], name: str, **arguments: str) -> Iterator[Any]:
    """Yield the items of all pages of a list."""
    cursor: str | None = None
    while True:
        page = method(limit=PAGE, cursor=cursor, **arguments)
        yield from page[name]
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


def _by_id(items: Iterable[Any]) -> dict[str, Facts]:
    return {item["id"]: item for item in items}


def channel_type(facts: Facts) -> str:
    """Return `im`, `mpim`, `group` or `channel`, the values of `channel_type` in message events.

    A channel is public only if Slack says so.
    """
    if facts.get("is_im"):
        return "im"
    if facts.get("is_mpim"):
        return "mpim"
    return "channel" if facts.get("is_private") is False and not facts.get("is_group") else "group"
