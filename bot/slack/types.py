"""Slack's messages, threads and places as the rest of the bot sees them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """A message as it arrived. `ts` and `thread_ts` are Slack's time stamps, its ids."""

    team: str
    channel: str
    channel_type: str | None
    """`channel`, `group`, `im` or `mpim`; None where the event does not say."""
    ts: str
    thread_ts: str | None
    user: str
    text: str
    bot_id: str | None = None
    subtype: str | None = None
    files: tuple[dict[str, object], ...] = ()

    @property
    def in_thread(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def root_ts(self) -> str:
        """The thread that an answer belongs in."""
        return self.thread_ts or self.ts

    @property
    def is_direct(self) -> bool:
        return self.channel_type == "im"

    def without_mention(self, user: str) -> str:
        """What is asked: the text without the mention of `user`."""
        return re.sub(rf"<@{re.escape(user)}(?:\|[^>]*)?>", "", self.text).strip()

    @property
    def mentions(self) -> frozenset[str]:
        return frozenset(MENTION.findall(self.text))


@dataclass(frozen=True, slots=True)
class Speaker:
    """The bot that spoke last in a thread, and as which agent, where that is known."""

    bot_id: str
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """What of a thread the decision needs. Not `readable`: Slack would not show it."""

    active_speaker: Speaker | None = None
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A thread, and the person who is answered there."""

    team: str
    channel: str
    thread_ts: str
    user: str


def parse_message(body: Mapping[str, Any]) -> IncomingMessage:
    """The message of an event as Slack delivers it."""
    event = body["event"]
    return IncomingMessage(
        team=body.get("team_id") or event.get("team") or "",
        channel=event["channel"],
        channel_type=event.get("channel_type"),
        ts=event["ts"],
        thread_ts=event.get("thread_ts"),
        user=event.get("user") or "",
        text=event.get("text") or "",
        bot_id=event.get("bot_id"),
        subtype=event.get("subtype"),
        files=tuple(event.get("files") or ()),
    )
